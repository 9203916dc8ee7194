import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Prompt } from "../../events/event";
import { plantPrograms } from "../../testing/fake-claude-code";
import { ask, bash, call, createSession, eventsOf, lose, typesOf } from "../../testing/sessions";
import { upstream } from "../../testing/upstream";
import type { SessionConfig } from "../rpc";

// Content that the model's API refuses must cost one message at most, and never the session.

/** A prompt with an image that no API can decode. Over HTTP it would be refused at once. */
const BROKEN: Prompt = [
  { type: "text", text: "look" },
  { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
];
const REASON = "Could not process image";

/** A whole PNG, so that the tool shows it. */
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

let uproot = () => {};
beforeEach(() => {
  uproot = plantPrograms();
});
afterEach(() => {
  uproot();
  vi.restoreAllMocks();
});

const failedTurns = async (id: string) =>
  (await eventsOf(id)).filter(
    (event) => event.type === "turn.completed" && event.stopReason === "error",
  ).length;

const withdrawalsOf = async (id: string) =>
  (await eventsOf(id)).filter((event) => event.type === "content.withdrawn");

describe("a prompt that the API refuses", () => {
  it("fails its message with the reason, and no later one", async () => {
    const id = await createSession();
    const refused = await ask(id, BROKEN);
    expect(refused).toMatchObject({
      status: "failed",
      error: { type: "upstream_error", message: expect.stringContaining(REASON) },
    });
    expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
    expect(await withdrawalsOf(id)).toMatchObject([{ reason: expect.stringContaining(REASON) }]);
    const before = await failedTurns(id);
    expect(await ask(id, "and now?")).toMatchObject({ status: "completed" });
    expect(await failedTurns(id)).toBe(before);
  });

  it("stays withdrawn after a loss of the object, and in a fork", async () => {
    const id = await createSession({ pattern: "hybrid" });
    await ask(id, BROKEN);
    await ask(id, "hello");
    await lose(id);
    const before = await failedTurns(id);
    expect(await ask(id, "still there?")).toMatchObject({ status: "completed" });
    expect(await failedTurns(id)).toBe(before);
    const config: SessionConfig = { resumeSessionId: id, forkSession: true };
    const fork = await createSession({ pattern: "hybrid", config });
    expect(await ask(fork, "hello")).toMatchObject({ status: "completed" });
    expect(await failedTurns(fork)).toBe(0);
  });

  it("is no obstacle for a fork that was made before another message", async () => {
    const id = await createSession({ pattern: "hybrid" });
    await ask(id, BROKEN);
    const config: SessionConfig = { resumeSessionId: id, forkSession: true };
    const fork = await createSession({ pattern: "hybrid", config });
    expect(await ask(fork, "hello")).toMatchObject({ status: "completed" });
  });

  it("is kept if the API refuses the next one as well: the fault may be elsewhere", async () => {
    const id = await createSession();
    let refuses = true;
    const asked = upstream(() =>
      refuses
        ? Response.json(
            { error: { type: "invalid_request_error", message: "Your credit balance is too low" } },
            { status: 400 },
          )
        : undefined,
    );
    expect(await ask(id, "my name is Ada")).toMatchObject({ status: "failed" });
    expect(await ask(id, "hello")).toMatchObject({ status: "failed" });
    refuses = false;
    expect(await ask(id, "who am I?")).toMatchObject({ status: "completed" });
    expect(asked.at(-1)?.text).toContain("my name is Ada");
    expect(await withdrawalsOf(id)).toEqual([]);
  });
});

describe("a tool's result that the API refuses", () => {
  it("becomes a note, and its message goes on", async () => {
    const id = await createSession();
    const asked = upstream((_, { text }) =>
      text.includes('"type":"image"')
        ? Response.json(
            { error: { type: "invalid_request_error", message: REASON } },
            { status: 400 },
          )
        : undefined,
    );
    const make = bash(`echo ${PNG} | base64 -d > a.png`);
    const message = await ask(id, `${make}\n${call("Read", { file_path: "a.png" })}\ndone`);
    expect(message).toMatchObject({ status: "completed", toolsUsed: ["Bash", "Read"] });
    expect(asked.at(-1)?.text).toContain("The image that was here was refused");
    expect(await typesOf(id)).toContain("content.withdrawn");
    expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
    expect(await failedTurns(id)).toBe(1);
  });
});

describe("a prompt to Claude Code that the API refuses", () => {
  it("becomes a note, once, and the message goes on", async () => {
    const id = await createSession({ config: { runtime: "claude-code" } });
    expect(await ask(id, BROKEN)).toMatchObject({ status: "completed" });
    expect(await withdrawalsOf(id)).toHaveLength(1);
    const second = await ask(id, "hello");
    expect(second.error).toBeNull();
    expect(second).toMatchObject({ status: "completed" });
    expect(await failedTurns(id)).toBe(1);
  });

  it("is no obstacle after a loss of the object", async () => {
    const id = await createSession({ config: { runtime: "claude-code" } });
    await ask(id, BROKEN);
    await lose(id);
    expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
  });
});
