import { describe, expect, it } from "vitest";
import type { StreamedEvent } from "../client/rigger.ts";
import type { SetupItem } from "./set-up.ts";
import { type MessageItem, Timeline } from "./timeline.ts";

const AT = "2026-11-28T10:00:00.000Z";
const M = { messageId: "msg_1" };
const usage = {
  ...{ inputTokens: 10, outputTokens: 5, cacheReadTokens: 30, cacheWriteTokens: 0 },
  webSearchRequests: 0,
};

/** Returns the timeline of events, which get their seq and time. */
function timelineOf(...events: object[]): Timeline {
  const timeline = new Timeline();
  let seq = 0;
  for (const event of events) {
    const isLive =
      "type" in event && (event.type === "assistant.delta" || event.type === "tool.output");
    timeline.add((isLive ? event : { seq: ++seq, at: AT, ...event }) as StreamedEvent);
  }
  return timeline;
}

const received = { type: "message.received", ...M, prompt: "Go." };
const delta = (offset: number, text: string, more = {}) => ({
  ...{ type: "assistant.delta", ...M, turnId: "turn_1", block: 0, kind: "text", offset, text },
  ...more,
});
const turn = { ...M, turnId: "turn_1", kind: "reply", model: "m", cost: 0.5, held: 0, usage };

function messageOf(timeline: Timeline): MessageItem {
  const found = timeline.items.find((item) => item.kind === "message");
  if (found?.kind !== "message") throw new Error("there is no message");
  return found;
}

const rowsOf = (timeline: Timeline, agent = "main") =>
  messageOf(timeline)
    .lanes.find((lane) => lane.agent === agent)
    ?.rows.map(({ rev: _, ...row }) => row);

describe("the timeline", () => {
  it("joins pieces of a text, and ends them with the whole", () => {
    const timeline = timelineOf(received, delta(0, "Hel"), delta(3, "lo"));
    expect(rowsOf(timeline)).toMatchObject([{ kind: "text", text: "Hello", isLive: true }]);
    timeline.add({
      seq: 9,
      at: AT,
      type: "assistant.text",
      ...M,
      turnId: "turn_1",
      block: 0,
      text: "Hello!",
    });
    expect(rowsOf(timeline)).toMatchObject([{ kind: "text", text: "Hello!", isLive: false }]);
  });

  it("shows a prompt that steers as queued, and then where it has joined the message", () => {
    const S = { messageId: "msg_2" };
    const other = { ...received, ...S, prompt: "Stop.", joins: "msg_1" };
    const timeline = timelineOf(received, { type: "message.started", ...M }, other);
    expect(timeline.items).toMatchObject([{ id: "msg_1" }, { id: "msg_2", joins: "msg_1" }]);
    const steered = { type: "message.steered", ...M, steerId: "msg_2", prompt: "Stop." };
    const joined = { type: "message.joined", ...S, joinedMessageId: "msg_1" };
    for (const event of [steered, joined]) {
      timeline.add({ seq: 9, at: AT, ...event } as StreamedEvent);
    }
    expect(timeline.items).toMatchObject([{ id: "msg_1" }]);
    expect(rowsOf(timeline)).toEqual([{ kind: "prompt", text: "Stop.", at: AT }]);
  });

  it("drops the pieces of an attempt that failed, and says so", () => {
    const failed = {
      type: "turn.retried",
      ...turn,
      attempt: 1,
      reason: "overloaded_error",
      delayMs: 500,
    };
    const timeline = timelineOf(received, delta(0, "Hel"), failed, delta(0, "Good day"));
    expect(rowsOf(timeline)).toMatchObject([
      { kind: "notice", text: "Attempt 1 failed: overloaded_error. It is tried again in 500 ms." },
      { kind: "text", text: "Good day" },
    ]);
    expect(messageOf(timeline).cost).toBe(0.5);
  });

  it("shows a call with its output while it runs, and its result after", () => {
    const call = { ...M, toolUseId: "t1", name: "Bash" };
    const timeline = timelineOf(
      received,
      { type: "tool.started", ...call, turnId: "turn_1", input: { command: "ls" } },
      { type: "tool.output", ...call, stream: "stdout", text: "a\n" },
      { type: "tool.output", ...call, stream: "stderr", text: "b\n" },
    );
    expect(rowsOf(timeline)).toMatchObject([{ kind: "tool", output: "a\nb\n", content: null }]);
    const completed = { ...call, turnId: "turn_1", isError: true, content: "a", durationMs: 7 };
    timeline.add({ seq: 9, at: AT, type: "tool.completed", ...completed });
    expect(rowsOf(timeline)).toMatchObject([{ content: "a", isError: true, durationMs: 7 }]);
  });

  it("asks for the result of a call that the caller makes, until it is there", () => {
    const call = { ...M, turnId: "turn_1", toolUseId: "t1", name: "lookup", input: { id: 1 } };
    const requested = [
      received,
      { type: "tool.started", ...call },
      { type: "tool.requested", ...call, expiresAt: AT },
    ];
    const timeline = timelineOf(...requested);
    expect(rowsOf(timeline)).toMatchObject([
      { kind: "tool", content: null, request: { expiresAt: AT } },
    ]);
    const result = { ...call, isError: false, content: "a chair", durationMs: 7 };
    timeline.add({ seq: 9, at: AT, type: "tool.completed", ...result });
    expect(rowsOf(timeline)).toMatchObject([{ content: "a chair", request: null }]);
    const end = { type: "message.interrupted", ...M, stopReason: "interrupted", result: null };
    expect(rowsOf(timelineOf(...requested, end))).toMatchObject([{ content: "", request: null }]);
  });

  it("has a lane for each agent, with its task", () => {
    const timeline = timelineOf(
      received,
      delta(0, "I ask."),
      { type: "agent.started", ...M, agent: "player1", toolUseId: "t1", prompt: "Play." },
      delta(0, "e4", { agent: "player1" }),
      {
        type: "agent.completed",
        ...M,
        agent: "player1",
        toolUseId: "t1",
        stopReason: "end_turn",
        result: "e4",
      },
    );
    expect(messageOf(timeline).lanes).toMatchObject([
      { agent: "main", task: null },
      { agent: "player1", task: "Play.", isDone: true },
    ]);
  });

  it("shows a decision where it was asked for", () => {
    const asked = { ...M, approvalId: "appr_1", toolUseId: "t1", name: "Bash" };
    const timeline = timelineOf(
      received,
      { type: "approval.requested", ...asked, input: { command: "rm" }, expiresAt: null },
      { type: "message.waiting", ...M, waitingFor: { type: "approval", approvalIds: ["appr_1"] } },
    );
    expect(messageOf(timeline).status).toBe("waiting");
    const resolved = {
      ...asked,
      status: "denied" as const,
      resolvedBy: { owner: "ann", via: "key", keyId: null },
      note: "no",
    };
    timeline.add({ seq: 9, at: AT, type: "approval.resolved", ...resolved });
    timeline.add({ seq: 10, at: AT, type: "message.resumed", ...M });
    expect(messageOf(timeline)).toMatchObject({ status: "running", waitingFor: null });
    expect(rowsOf(timeline)).toMatchObject([
      { kind: "approval", status: "denied", by: "ann", note: "no" },
    ]);
  });

  it("ends what an ended message leaves open", () => {
    const timeline = timelineOf(
      received,
      delta(0, "Hal"),
      { type: "tool.started", ...M, turnId: "turn_1", toolUseId: "t1", name: "Bash", input: {} },
      { type: "message.interrupted", ...M, stopReason: "interrupted", result: null },
    );
    expect(rowsOf(timeline)).toMatchObject([{ isLive: false }, { kind: "tool", content: "" }]);
    expect(messageOf(timeline)).toMatchObject({ status: "interrupted", endedAt: AT });
  });

  it("sums up what turns have used; a call that was refused is none", () => {
    const nothing = { ...usage, inputTokens: 0, outputTokens: 0, cacheReadTokens: 0 };
    const timeline = timelineOf(
      received,
      { type: "turn.completed", ...turn, stopReason: "end_turn" },
      { type: "turn.completed", ...turn, cost: 0, usage: nothing, stopReason: "error" },
    );
    expect(messageOf(timeline)).toMatchObject({ turns: 1, cost: 0.5 });
    expect(rowsOf(timeline)?.[0]).toMatchObject({ kind: "turn", input: 40, cached: 30, output: 5 });
  });

  it("shows the steps of a set-up, and all of them again if their container is lost", () => {
    const clone = { kind: "repository", name: "https://example.com/shop", path: "shop" };
    const first = { step: 1, steps: 2, ...clone, ref: "main", commit: "c0ffee" };
    const second = { step: 2, steps: 2, kind: "command", name: "npm ci" };
    const end = { exitCode: 0, durationMs: 7, output: "done" };
    const timeline = timelineOf(
      { type: "setup.started", ...first },
      { type: "setup.completed", ...first, ...end },
      { type: "setup.started", ...second },
    );
    const output = (text: string) => ({ type: "setup.output", step: 2, stream: "stdout", text });
    for (const text of ["a", "b"]) timeline.add(output(text) as StreamedEvent);
    expect(timeline.items).toMatchObject([
      {
        ...{ kind: "setup", count: 2 },
        steps: [
          { commit: "c0ffee", path: "shop", status: "completed", output: "done", durationMs: 7 },
          { name: "npm ci", status: "running", output: "ab" },
        ],
      },
    ]);
    const failed = { type: "setup.failed", ...first, ...end, exitCode: 128 };
    for (const event of [{ type: "setup.started", ...first }, failed]) {
      timeline.add({ seq: 9, at: AT, ...event } as StreamedEvent);
    }
    expect(timeline.items).toMatchObject([
      { steps: [{ status: "completed" }, { status: "stopped", output: "ab" }] },
      { steps: [{ status: "failed", exitCode: 128 }] },
    ]);
    const { rev } = timeline.items[1] as SetupItem;
    // A page that was opened in the middle gets the output of steps that it does not know.
    timeline.add(output("late") as StreamedEvent);
    expect(timeline.items[1]?.rev).toBe(rev);
  });

  it("says what a set-up was reused of, and which files callers have changed together", () => {
    const file = (type: string, path: string) => ({ type: `file.${type}`, path, size: 1 });
    const names = ["a", "b", "b", "c", "d", "e", "f"];
    const timeline = timelineOf(
      {
        type: "setup.reused",
        savedAt: AT,
        repositories: [{ url: "u", path: "shop", commit: "c0ffee00112233" }],
      },
      ...names.map((name) => file("written", name)),
      file("deleted", "a"),
      { type: "session.idled" },
      file("deleted", "b"),
    );
    expect(timeline.items.map((item) => item.kind === "note" && item.text)).toEqual([
      "The workspace begins with what an earlier set-up has made: shop at c0ffee0011.",
      "A caller wrote 6 files: a, b, c, d, e …",
      "A caller deleted a",
      expect.stringContaining("fell asleep"),
      "A caller deleted b",
    ]);
    expect(timeline.items[1]?.rev).toBe(6);
  });

  it("has what happens to the session between its messages", () => {
    const timeline = timelineOf(
      { type: "session.created", pattern: "hybrid" },
      received,
      { type: "sandbox.lost", savedAt: null },
      {
        type: "message.received",
        messageId: "msg_2",
        prompt: [{ type: "text", text: "More" }, { type: "image" }],
      },
    );
    expect(timeline.items.map((item) => (item.kind === "note" ? item.tone : item.prompt))).toEqual([
      ...["quiet", "Go.", "bad", "More\n[image]"],
    ]);
    expect(timeline.events).toHaveLength(4);
  });

  it("changes the revision of what looks different, and of nothing else", () => {
    const other = { ...received, messageId: "msg_2" };
    const timeline = timelineOf(received, other, delta(0, "a"));
    const [first, second] = timeline.items.map(({ rev }) => rev);
    timeline.add(delta(1, "b") as StreamedEvent);
    expect(timeline.items[0]?.rev).toBe((first ?? 0) + 1);
    expect(timeline.items[1]?.rev).toBe(second);
  });
});
