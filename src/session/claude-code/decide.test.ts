import { describe, expect, it } from "vitest";
import { callsOf, decide, type Facts } from "./decide";

const PROMPT = "00000000-0000-0000-0000-000000000001";
const NEW = "00000000-0000-0000-0000-000000000002";

const react = (event: Parameters<typeof decide>[0], facts: Partial<Facts> = {}) =>
  decide(
    event,
    {
      promptUuid: PROMPT,
      promptStarted: false,
      steers: new Map(),
      openTry: undefined,
      unfinished: "",
      askedAfter: null,
      ...facts,
    },
    NEW,
  );

const inputOf = (input: string | undefined) => JSON.parse(input ?? "null");

describe("a line of Claude Code's output", () => {
  it("causes no reaction if it has no meaning", () => {
    expect(react(null)).toBeUndefined();
  });

  it("is kept as the reason of an exit if it is not part of the protocol", () => {
    expect(react({ type: "noise", text: "no such file" })).toEqual({ noise: "no such file" });
  });

  it("records the start of this message's prompt and of no other prompt", () => {
    expect(react({ type: "begun", uuid: PROMPT })).toEqual({ promptStarted: true });
    expect(react({ type: "begun", uuid: NEW })).toBeUndefined();
  });

  it("makes the process continue if it ends a prompt that was never started", () => {
    const reaction = react({ type: "done", uuid: PROMPT });
    expect(reaction).toMatchObject({ promptStarted: true });
    expect(inputOf(reaction?.input)).toMatchObject({ type: "user", uuid: NEW });
  });

  it("causes no reaction if it ends a started prompt or another prompt", () => {
    expect(react({ type: "done", uuid: PROMPT }, { promptStarted: true })).toBeUndefined();
    expect(react({ type: "done", uuid: NEW })).toBeUndefined();
  });

  it("ends the message if it reports the end", () => {
    const ended = { type: "ended", failure: null } as const;
    expect(react(ended)).toEqual({ change: ended });
  });

  it("makes the process retry a reply that it gave up on, but only once", () => {
    const ended = { type: "ended", failure: "overloaded" } as const;
    const openTry = { id: "turn_1.3", attempt: 3 };
    const again = react(ended, { openTry });
    expect(again).toMatchObject({ askAgain: openTry });
    expect(again?.change).toBeUndefined();
    expect(inputOf(again?.input)).toMatchObject({ type: "user", uuid: NEW });
    expect(react(ended, { openTry, askedAfter: "turn_1.3" })).toEqual({ change: ended });
    expect(react(ended, { openTry, askedAfter: "turn_1.2" })).toMatchObject({ askAgain: openTry });
  });

  it("has the process started again if it could not reach the session, unless asking it may do", () => {
    const ended = { type: "ended", failure: "refused", unreached: true } as const;
    expect(react(ended)).toEqual({ unreached: "refused" });
    const openTry = { id: "turn_1.3", attempt: 3 };
    expect(react(ended, { openTry })).toMatchObject({ askAgain: openTry });
    expect(react(ended, { openTry, askedAfter: openTry.id })).toEqual({ unreached: "refused" });
  });

  it("waits for the calls whose results it contains", () => {
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
