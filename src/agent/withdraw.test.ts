import { describe, expect, it } from "vitest";
import type { Block, Message } from "./messages";
import { replaceEntries, withdrawals } from "./withdraw";

const text = (value: string): Block => ({ type: "text", text: value });
const image = {
  type: "image",
  source: { type: "base64", media_type: "image/png", data: "AAAA" },
} as const satisfies Block;
const user = (...content: Block[]): Message => ({ role: "user", content });
const assistant = (...content: Block[]): Message => ({ role: "assistant", content });
const use: Block = { type: "tool_use", id: "toolu_1", name: "Read", input: {} };
const result = (...content: (typeof image)[]): Block => ({
  type: "tool_result",
  tool_use_id: "toolu_1",
  content,
});

const NOTE = "[The image that was here was refused by the model's API and removed: too large]";
const tried = (messages: Message[]) =>
  withdrawals(messages, "too large").map((replacements) => replaceEntries(messages, replacements));

describe("what is withdrawn from a refused conversation", () => {
  it("is nothing of a first prompt: its message fails", () => {
    expect(tried([user(image)])).toEqual([]);
  });

  it("is nothing that the API accepted before", () => {
    expect(tried([user(image), assistant(text("hi")), user(text("go on"))])).toEqual([]);
  });

  it("is an image of a tool's result, while the result stays", () => {
    const before = [user(text("look")), assistant(use)];
    const noted = { ...result(), content: [{ type: "text", text: NOTE }] };
    expect(tried([...before, user(result(image))])).toEqual([[...before, user(noted as Block)]]);
  });

  it("is first the images of earlier prompts, then these prompts, and never the newest one", () => {
    const messages = [user(text("see"), image), user(text("again"), image)];
    const whole = NOTE.replace("image", "message");
    expect(tried(messages)).toEqual([
      [user(text("see"), text(NOTE)), messages[1]],
      [user(text(whole)), messages[1]],
    ]);
  });

  it("is a whole earlier prompt if it has text only", () => {
    const messages = [user(text("one")), user(text("two"))];
    expect(tried(messages)).toEqual([
      [user(text(NOTE.replace("image", "message"))), user(text("two"))],
    ]);
  });

  it("gives a reason of bounded length", () => {
    const [first] = withdrawals([user(text("one")), user(text("two"))], "x".repeat(10_000));
    expect(JSON.stringify(first).length).toBeLessThan(500);
  });
});
