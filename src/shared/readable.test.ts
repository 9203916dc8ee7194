import { describe, expect, it } from "vitest";
import { duration, money, promptText, relative, summaryOf } from "./readable";

const NOW = Date.parse("2026-11-28T10:00:00.000Z");
const at = (ms: number) => new Date(NOW + ms).toISOString();

describe("what people read", () => {
  it.each([
    [0, "$0"],
    [0.00000012, "<$0.000001"],
    [0.0000371, "$0.000037"],
    [0.0042318, "$0.0042"],
    [0.5, "$0.50"],
    [0.999, "$1.00"],
    [1.25, "$1.25"],
    [12.345, "$12.35"],
    [1204.4, "$1,204"],
  ])("money: %d is %s", (usd, text) => expect(money(usd)).toBe(text));

  it.each([
    [0, "0 ms"],
    [40, "40 ms"],
    [1_234, "1.2 s"],
    [3_000, "3 s"],
    [9_960, "10 s"],
    [59_000, "59 s"],
    [59_900, "1 min"],
    [83_000, "1 min 23 s"],
    [240_000, "4 min"],
    [700_000, "12 min"],
    [7_500_000, "2 h 5 min"],
    [17_999_000, "5 h"],
    [259_200_000, "3 d"],
  ])("durations: %d is %s", (ms, text) => expect(duration(ms)).toBe(text));

  it.each([
    [300_000, "in 5 min"],
    [-83_000, "1 min ago"],
    [-3_000, "3 s ago"],
    [-59_700, "1 min ago"],
    [200, "now"],
    [-999, "now"],
  ])("instants: %d ms from now is %s", (ms, text) => expect(relative(at(ms), NOW)).toBe(text));

  it.each([
    ["a prompt", "hello", "hello"],
    ["blocks", [{ type: "text", text: "look" }, { type: "image" }, {}], "look\n[image]\n[content]"],
    ["nothing", undefined, ""],
  ])("prompts: %s", (_, prompt, text) => expect(promptText(prompt)).toBe(text));

  it.each([
    [{ description: "lists", command: "ls" }, "ls"],
    [{ file_path: "a.ts", content: "x" }, "a.ts"],
    [{ subagent_type: "Explore", prompt: "find it" }, "Explore: find it"],
    [{ command: 7, other: 1 }, '{"command":7,"other":1}'],
    [{}, ""],
    [null, ""],
  ])("calls: %j is %j", (input, text) => expect(summaryOf(input)).toBe(text));
});
