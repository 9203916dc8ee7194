import { describe, expect, it } from "vitest";
import { callsOf, decide, type Facts } from "./decide";

const PROMPT = "00000000-0000-0000-0000-000000000001";
const NEW = "00000000-0000-0000-0000-000000000002";

const react = (event: Parameters<typeof decide>[0], facts: Partial<Facts> = {}) =>
  decide(
    event,
    { promptUuid: PROMPT, promptStarted: false, openTry: undefined, askedAfter: null, ...facts },
    NEW,
  );

const inputOf = (input: string | undefined) => JSON.parse(input ?? "null");

describe("a line of Claude Code's output", () => {
  it("that means nothing leads to nothing", () => {
    expect(react(null)).toBeUndefined();
  });

  it("outside of the protocol is kept as the reason of a death", () => {
    expect(react({ type: "noise", text: "no such file" })).toEqual({ noise: "no such file" });
  });

  it("starts the prompt of this message and of no other", () => {
    expect(react({ type: "begun", uuid: PROMPT })).toEqual({ promptStarted: true });
    expect(react({ type: "begun", uuid: NEW })).toBeUndefined();
  });

  it("that ends a prompt which was never started tells the process to go on", () => {
    const reaction = react({ type: "done", uuid: PROMPT });
    expect(reaction).toMatchObject({ promptStarted: true });
    expect(inputOf(reaction?.input)).toMatchObject({ type: "user", uuid: NEW });
  });

  it("that ends a started prompt, or another one, leads to nothing", () => {
    expect(react({ type: "done", uuid: PROMPT }, { promptStarted: true })).toBeUndefined();
    expect(react({ type: "done", uuid: NEW })).toBeUndefined();
  });

  it("ends the message", () => {
    const ended = { type: "ended", failure: null } as const;
    expect(react(ended)).toEqual({ change: ended });
  });

  it("that gives up a reply which may be tried again asks for it once more, and no third time", () => {
    const ended = { type: "ended", failure: "overloaded" } as const;
    const openTry = { id: "turn_1.3", attempt: 3 };
    const again = react(ended, { openTry });
    expect(again).toMatchObject({ askAgain: openTry });
    expect(again?.change).toBeUndefined();
    expect(inputOf(again?.input)).toMatchObject({ type: "user", uuid: NEW });
    expect(react(ended, { openTry, askedAfter: "turn_1.3" })).toEqual({ change: ended });
    expect(react(ended, { openTry, askedAfter: "turn_1.2" })).toMatchObject({ askAgain: openTry });
  });

  it("with results waits for the calls that they answer", () => {
    const results = {
      type: "results",
      results: [
        { toolUseId: "toolu_1", result: { content: "one" } },
        { toolUseId: "toolu_2", result: { content: "two" } },
      ],
    } as const;
    const change = { ...results, results: [...results.results] };
    expect(react(change)).toEqual({ change });
    expect(callsOf(change)).toEqual(["toolu_1", "toolu_2"]);
    expect(callsOf({ type: "compacted", tokensBefore: 1 })).toEqual([]);
  });
});
