import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StreamedEvent } from "../client/rigger.ts";
import { promptOf, stopReasonOf, Updates } from "./acp.ts";
import { command, durationOf, numberOf, objectOf, UsageError } from "./command.ts";
import { decisionOf } from "./conversation.ts";
import { exitCodeOf } from "./run.ts";
import { ExportedLines, lineOf } from "./sessions.ts";
import { clean, jsonLine, oneLine, painter, table } from "./terminal.ts";
import { Transcript } from "./transcript.ts";

// What the command line makes of events and arguments, without a server.

const plain = painter({});

/** Everything that moves the cursor, changes colours or titles, or reverses text. */
const CONTROL = /[^\P{Cc}\n\t]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 5 }),
      fc.constantFrom("\u001b[2J", "\u001b]0;t\u0007", "\u009b31m", "\r", "\b", "\u202e", "\n"),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(""));

const at = "2026-11-28T10:00:00.000Z";
const of = { seq: 1, at, messageId: "msg_1" };

/** Returns an event of each type that has text of others. */
const eventsWith = (text: string): StreamedEvent[] => {
  const turn = { ...of, turnId: "turn_1", block: 0 };
  const call = { ...of, turnId: "turn_1", toolUseId: text, name: text };
  const live = { messageId: "msg_1", toolUseId: text, name: text };
  return [
    { ...of, type: "message.received", prompt: text },
    { ...of, type: "message.received", prompt: [{ type: "text", text }] },
    { ...turn, type: "assistant.text", text },
    { ...turn, type: "assistant.text", text, agent: text },
    { ...turn, type: "assistant.thinking", text },
    {
      messageId: "msg_1",
      type: "assistant.delta",
      turnId: "t",
      block: 0,
      kind: "text",
      offset: 0,
      text,
    },
    {
      messageId: "msg_1",
      type: "assistant.delta",
      turnId: "t",
      block: 0,
      kind: "thinking",
      offset: 0,
      text,
    },
    { ...live, type: "tool.output", stream: "stdout", text },
    { ...call, type: "tool.started", input: { command: text }, agent: text },
    { ...call, type: "tool.completed", isError: true, content: text, durationMs: 1 },
    {
      ...call,
      type: "approval.requested",
      approvalId: text,
      input: { [text]: text },
      expiresAt: null,
    },
    {
      ...call,
      type: "approval.requested",
      approvalId: text,
      input: { command: text },
      expiresAt: null,
    },
    { ...call, type: "tool.requested", input: { [text]: text }, expiresAt: null },
    { ...of, type: "agent.started", toolUseId: text, prompt: text, agent: text },
    { ...of, type: "message.failed", stopReason: "error", error: { type: "x", message: text } },
    { ...of, type: "session.terminated", reason: text },
    { ...of, type: "content.withdrawn", turnId: "t", reason: text },
  ] as unknown as StreamedEvent[];
};

describe("text of others", () => {
  it("never controls the terminal", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const transcript = new Transcript({ paint: plain, showsPrompts: true });
        for (const event of eventsWith(text)) {
          expect(transcript.next(event)).not.toMatch(CONTROL);
          expect(transcript.activity ?? "").not.toMatch(CONTROL);
          expect(lineOf(event, plain)).not.toMatch(CONTROL);
          expect(lineOf(event, plain)).not.toContain("\n");
          expect(jsonLine(event)).not.toMatch(/[\p{Cc}]/u);
        }
        expect(oneLine(text)).not.toMatch(/\n/);
        expect(table(["A", "B"], [[text, text]]).join("")).not.toMatch(CONTROL);
      }),
    );
  });

  it("keeps lines, tabs, letters of all alphabets and joined emoji", () => {
    const text = "a\tb\nÄß 東京 👩‍💻";
    expect(clean(text)).toBe(text);
    expect(clean("a\r\nb\rc")).toBe("a\nb\nc");
    expect(JSON.parse(jsonLine("\u009b2J"))).toBe("\u009b2J");
  });
});

describe("a transcript", () => {
  const delta = (text: string, more = {}) =>
    ({
      type: "assistant.delta",
      turnId: "t",
      block: 0,
      kind: "text",
      text,
      ...more,
    }) as StreamedEvent;
  const event = (type: string, more: object) => ({ ...of, type, ...more }) as StreamedEvent;
  const render = (...events: StreamedEvent[]) => {
    const transcript = new Transcript({ paint: plain, columns: () => 40 });
    return events.map((one) => transcript.next(one)).join("");
  };

  it("has the text of the main agent once, streamed or not", () => {
    const whole = event("assistant.text", { turnId: "t", block: 0, text: "Hello." });
    expect(render(delta("Hel"), delta("lo."), whole)).toBe("Hello.\n");
    expect(render(whole)).toBe("Hello.\n");
  });

  it("has the text of another agent in one piece, with its name", () => {
    const agent = "player1";
    const whole = event("assistant.text", { turnId: "u", block: 0, text: "e4", agent });
    const text = render(delta("One "), delta("e4", { turnId: "u", agent }), whole, delta("two"));
    expect(text).toBe("One \n\n▸ player1 e4\n\ntwo");
  });

  it("shows a call with the start of its result", () => {
    const call = { turnId: "t", toolUseId: "u", name: "Bash" };
    const content = ["1", "x".repeat(60), "3", "4", "5", "6"].join("\n");
    const text = render(
      event("tool.started", { ...call, input: { command: "seq\n6" } }),
      event("tool.completed", { ...call, isError: false, content, durationMs: 12 }),
    );
    const [title, ...lines] = text.split("\n");
    expect(title).toBe("● Bash seq 6 (12 ms)");
    expect(lines).toEqual(["  1", `  ${"x".repeat(36)}…`, "  3", "  4", "  … 2 more lines", ""]);
  });

  it("shows all of a call that waits for approval, however long its lines are", () => {
    const command = `echo ${"x".repeat(500)}; rm -rf /`;
    const request = { approvalId: "a", toolUseId: "u", name: "Bash", expiresAt: null };
    const text = render(event("approval.requested", { ...request, input: { command } }));
    expect(text).toContain(command);
  });

  it("adds up the cost of a message, failed attempts included", () => {
    const turn = { turnId: "t", kind: "reply", usage: {}, held: 0, model: "m" };
    const text = render(
      event("message.started", {}),
      event("turn.retried", { ...turn, cost: 0.01, reason: "overloaded", delayMs: 500 }),
      event("turn.completed", { ...turn, cost: 0.02 }),
      event("message.completed", { at: "2026-11-28T10:00:02.500Z", stopReason: "max_turns" }),
    );
    expect(text).toMatch(/\nStopped: max_turns\.\n\$0\.030 · 1 turn · 2\.5 s\n\n$/);
  });

  it("says what is waited for", () => {
    const transcript = new Transcript({ paint: plain });
    const activities = [
      event("message.received", { prompt: "x" }),
      event("turn.started", { turnId: "t", kind: "reply", attempt: 1 }),
      delta("Hello"),
      event("tool.started", {
        turnId: "t",
        toolUseId: "u",
        name: "Read",
        input: { file_path: "a" },
      }),
      event("tool.completed", { toolUseId: "u", name: "Read", content: "", durationMs: 1 }),
    ].map((one) => {
      transcript.next(one);
      return transcript.activity;
    });
    expect(activities).toEqual([
      "Waiting for its turn",
      "Thinking",
      undefined,
      undefined,
      "Thinking",
    ]);
  });
});

describe("values", () => {
  it("of options are checked", () => {
    expect(numberOf("n", "0.5")).toBe(0.5);
    expect(durationOf("d", "1.5h")).toBe(5_400_000);
    expect(objectOf("o", '{"a":1}')).toEqual({ a: 1 });
    for (const text of ["", "x", "1e999"]) expect(() => numberOf("n", text)).toThrow(UsageError);
    for (const text of ["", "5", "5y"]) expect(() => durationOf("d", text)).toThrow(UsageError);
    for (const text of ["", "1", "[]", "null"])
      expect(() => objectOf("o", text)).toThrow(UsageError);
  });
});

describe("a command", () => {
  const echo = command({
    summary: "Prints",
    args: "<a> [b…]",
    options: { flag: { type: "string", short: "f", multiple: true, help: "a flag" } },
    run: async ({ values, args }) => {
      expect(values.flag).toEqual(["1", "2"]);
      return args.length;
    },
  });

  it("gets its options and arguments", async () => {
    expect(await echo.start("echo", ["-f", "1", "x", "--flag=2", "--", "-y"], {})).toBe(2);
  });

  it("describes its options", () => {
    expect(echo.help("echo")).toMatch(/^Usage: rigger echo \[options\] <a> \[b…\]\n/);
    expect(echo.help("echo")).toMatch(/ {2}-f, --flag +a flag; can be repeated\n/);
  });
});

it.each([
  ["y", { isAllowed: true }],
  ["YES, go on", { isAllowed: true, note: "go on" }],
  ["n: use another branch", { isAllowed: false, note: "use another branch" }],
  ["always", { isAllowed: true, remember: "session" }],
  ["", undefined],
  ["yup", undefined],
  ["sure", undefined],
])("the answer %j to an approval is %j", (answer, decision) => {
  expect(decisionOf(answer)).toEqual(decision);
});

it.each([
  ["completed", "end_turn", 0, "end_turn"],
  ["completed", "max_tokens", 3, "max_tokens"],
  ["completed", "budget_limit", 3, "max_turn_requests"],
  ["completed", "refusal", 4, "refusal"],
  ["failed", "error", 4, "cancelled"],
  ["interrupted", "interrupted", 130, "cancelled"],
  ["interrupted", "lifetime_limit", 3, "max_turn_requests"],
] as const)("a message that is %s with %s ends a run with %d, and a prompt with %s", (...all) => {
  const [status, stopReason, code, reason] = all;
  expect(exitCodeOf({ status, stopReason })).toBe(code);
  expect(stopReasonOf(stopReason)).toBe(reason);
});

describe("an export", () => {
  const whole =
    '{"type":"session"}\n{"type":"message"}\n{"seq":1}\n{"type":"end","messages":1,"events":1}\n';

  it("is complete however it is cut into pieces, and not if anything is missing", () => {
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(whole.length), (cut, length) => {
        const lines = new ExportedLines();
        lines.add(whole.slice(0, cut));
        lines.add(whole.slice(cut));
        expect(() => lines.requireEnd()).not.toThrow();
        if (length === whole.length) return;
        const broken = new ExportedLines();
        broken.add(whole.slice(0, length));
        expect(() => broken.requireEnd()).toThrow("broken off");
      }),
    );
    const lost = new ExportedLines();
    lost.add(whole.replace('{"seq":1}\n', ""));
    expect(() => lost.requireEnd()).toThrow("broken off");
  });
});

describe("an editor's prompt", () => {
  it("is text, or blocks of the API", () => {
    const text = { type: "text", text: "Look at" } as const;
    const link = { type: "resource_link", name: "a.ts", uri: "file:///a.ts" } as const;
    expect(promptOf([text, link])).toBe("Look at\n[a.ts](file:///a.ts)");
    const resource = { type: "resource", resource: { uri: "file:///a.ts", text: "1" } } as const;
    const image = { type: "image", data: "AA==", mimeType: "image/png" } as const;
    expect(promptOf([text, resource, image])).toEqual([
      { type: "text", text: "Look at" },
      {
        type: "document",
        source: { type: "text", media_type: "text/plain", data: "1" },
        title: "file:///a.ts",
      },
      { type: "image", source: { type: "base64", media_type: "image/png", data: "AA==" } },
    ]);
  });

  it("is answered with a plan for a list of tasks, and with output while a command runs", () => {
    const updates = new Updates();
    const call = { ...of, turnId: "t", toolUseId: "u" };
    const todos = [{ content: "Test", status: "pending", activeForm: "Testing" }];
    const started = { ...call, type: "tool.started", name: "TodoWrite", input: { todos } };
    expect(updates.of(started as StreamedEvent).at(-1)).toEqual({
      sessionUpdate: "plan",
      entries: [{ content: "Test", status: "pending", priority: "medium" }],
    });
    const output = (text: string) =>
      updates.of({ ...call, type: "tool.output", name: "Bash", stream: "stdout", text } as const);
    output("one ");
    expect(output("two")).toMatchObject([{ content: [{ content: { text: "one two" } }] }]);
  });
});
