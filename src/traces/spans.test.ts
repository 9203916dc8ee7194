import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EventBody, EventScope, SessionEvent } from "../events/event";
import { foldSpans, type OpenSpan, type Span } from "./spans";

const SESSION = {
  ...{ id: "sess_1", sessionId: "sdk_sess_1", owner: "alice", pattern: "hybrid", createdAt: 0 },
  ...{ terminationReason: "caller", totalCostNanos: 3_000_000, numTurns: 2 },
  agentOf: () => null,
};

const USAGE = {
  ...{ inputTokens: 1, outputTokens: 2, cacheReadTokens: 3, cacheWriteTokens: 4 },
  webSearchRequests: 0,
};
const CHARGE = { model: "m", cost: 0.001, held: 0, usage: USAGE };

/** Returns events, a second apart from one another. */
const journal = (...bodies: (EventBody & EventScope)[]): SessionEvent[] =>
  bodies.map((body, index) => ({
    ...body,
    seq: index + 1,
    at: new Date((index + 1) * 1_000).toISOString(),
  }));

const ofMessage = { messageId: "msg_1" };
const ofPlayer = { messageId: "msg_1", agent: "player" };

const JOURNAL = journal(
  { type: "session.created", pattern: "hybrid" },
  { type: "message.received", prompt: "go", ...ofMessage },
  { type: "message.received", prompt: "later", messageId: "msg_2" },
  { type: "message.started", ...ofMessage },
  { type: "turn.started", turnId: "turn_1", kind: "reply", attempt: 1, ...ofMessage },
  {
    ...{ type: "turn.retried", turnId: "turn_1", kind: "reply", attempt: 1, ...ofMessage },
    ...{ reason: "overloaded_error", delayMs: 5, ...CHARGE },
  },
  { type: "assistant.text", turnId: "turn_1", block: 0, text: "so", ...ofMessage },
  {
    ...{ type: "turn.completed", turnId: "turn_1", kind: "reply", stopReason: "tool_use" },
    ...{ ...CHARGE, ...ofMessage },
  },
  // Both agents use the same id.
  {
    ...{ type: "tool.started", turnId: "turn_1", toolUseId: "t", name: "Task", input: {} },
    ...ofMessage,
  },
  { type: "agent.started", toolUseId: "t", prompt: "play", ...ofPlayer },
  { type: "turn.started", turnId: "turn_2", kind: "reply", attempt: 1, ...ofPlayer },
  { type: "sandbox.lost", savedAt: null, ...ofMessage },
  {
    ...{ type: "turn.completed", turnId: "turn_2", kind: "reply", stopReason: "tool_use" },
    ...{ ...CHARGE, ...ofPlayer },
  },
  {
    ...{ type: "tool.started", turnId: "turn_2", toolUseId: "t", name: "Bash", input: {} },
    ...ofPlayer,
  },
  {
    ...{ type: "tool.completed", turnId: "turn_2", toolUseId: "t", name: "Bash" },
    ...{ isError: true, content: "no", durationMs: 1, ...ofPlayer },
  },
  { type: "agent.completed", toolUseId: "t", stopReason: "end_turn", result: "done", ...ofPlayer },
  {
    ...{ type: "tool.completed", turnId: "turn_1", toolUseId: "t", name: "Task" },
    ...{ isError: false, content: "done", durationMs: 1, ...ofMessage },
  },
  { type: "turn.started", turnId: "turn_3", kind: "reply", attempt: 1, ...ofMessage },
  { type: "message.interrupted", stopReason: "terminated", result: null, ...ofMessage },
  { type: "message.interrupted", stopReason: "terminated", result: null, messageId: "msg_2" },
  { type: "session.terminated", reason: "why" },
);

/** Folds a journal piece by piece, and keeps what is open as JSON in between. */
function foldPieces(ends: readonly number[]): { open: OpenSpan[]; spans: Span[] } {
  let open: OpenSpan[] = [];
  const spans: Span[] = [];
  let start = 0;
  for (const end of [...ends, JOURNAL.length]) {
    const folded = foldSpans(open, JOURNAL.slice(start, end), SESSION);
    open = JSON.parse(JSON.stringify(folded.open));
    spans.push(...folded.spans);
    start = end;
  }
  return { open, spans };
}

describe("the spans of a journal", () => {
  it("are those of what ended, each with what it is a part of", () => {
    const { open, spans } = foldPieces([]);
    expect(open).toEqual([]);
    const shown = spans.map(({ name, seq, parent, trace, startAt, endAt, error }) => [
      ...[name, seq, parent, trace, startAt / 1_000, endAt / 1_000, error],
    ]);
    expect(shown).toEqual([
      ["chat m", 5, 2, 2, 5, 8, null],
      ["chat m", 11, 10, 2, 11, 13, null],
      ["execute_tool Bash", 14, 10, 2, 14, 15, "_OTHER"],
      ["invoke_agent player", 10, 9, 2, 10, 16, null],
      ["execute_tool Task", 9, 2, 2, 9, 17, null],
      // It had no call that was settled.
      ["chat", 18, 2, 2, 18, 19, "terminated"],
      ["invoke_agent main", 2, null, 2, 4, 19, null],
      ["invoke_agent main", 3, null, 3, 3, 20, null],
      ["session", 0, null, 0, 0, 21, null],
    ]);
  });

  it("count what was spent for the turn, its agent and the message", () => {
    const spent = foldPieces([]).spans.map(({ name, spent: { costNanos, inputTokens } }) => [
      ...[name, costNanos, inputTokens],
    ]);
    expect(spent.filter(([, , tokens]) => tokens)).toEqual([
      ["chat m", 2_000_000, 16],
      ["chat m", 1_000_000, 8],
      ["invoke_agent player", 1_000_000, 8],
      ["invoke_agent main", 3_000_000, 24],
    ]);
  });

  it("show what else happened", () => {
    const events = foldPieces([]).spans.flatMap(({ name, events }) =>
      events.map((event) => [name, event.name, event.attributes]),
    );
    expect(events).toEqual([
      [
        "chat m",
        "turn.retried",
        {
          ...{ "rigger.attempt": 1, "error.type": "overloaded_error", "rigger.delay_ms": 5 },
          "rigger.cost": 0.001,
        },
      ],
      ["invoke_agent main", "sandbox.lost", {}],
    ]);
  });

  it("are the same in whatever pieces it is read", () => {
    const whole = foldPieces([]);
    const ends = fc
      .uniqueArray(fc.integer({ min: 0, max: JOURNAL.length }))
      .map((all) => all.sort((a, b) => a - b));
    fc.assert(
      fc.property(ends, (all) => {
        expect(foldPieces(all)).toEqual(whole);
      }),
    );
  });

  it("leave out what began before the journal is read", () => {
    const { open, spans } = foldSpans([], JOURNAL.slice(4), SESSION);
    expect(open).toEqual([]);
    expect(spans.map(({ name }) => name)).toEqual(["session"]);
  });

  it("have room for so many events", () => {
    const [, received, , started] = JOURNAL as SessionEvent[];
    const lost = Array.from({ length: 130 }, (_, n) => ({
      ...{ type: "sandbox.lost" as const, savedAt: null, ...ofMessage },
      ...{ seq: 100 + n, at: new Date(5_000).toISOString() },
    }));
    const end = JOURNAL[18] as SessionEvent;
    const all = [received, started, ...lost, end] as SessionEvent[];
    const [message] = foldSpans([], all, SESSION).spans;
    expect([message?.events.length, message?.lostEvents]).toEqual([128, 2]);
  });
});
