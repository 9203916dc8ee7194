import { describe, expect, it, vi } from "vitest";
import { Supervisor } from "./supervisor";

/** Creates a supervisor over a given state, and records what it does. */
function supervised(work: (messageId: string, signal: AbortSignal) => Promise<void>) {
  const state: { running: string | null } = { running: null };
  const did: string[] = [];
  const supervisor = new Supervisor({
    running: () => state.running,
    work(messageId, signal) {
      did.push(`work ${messageId}`);
      signal.addEventListener("abort", () => did.push(`stop ${messageId}`));
      return work(messageId, signal);
    },
    fail: (messageId, error) => void did.push(`fail ${messageId}: ${error}`),
    waitUntil: () => {},
  });
  return { state, did, supervisor };
}

const settle = () => scheduler.wait(5);

describe("a supervisor", () => {
  it("starts one worker for the running message, however often `drive` is called", async () => {
    const { state, did, supervisor } = supervised(() => new Promise(() => {}));
    state.running = "a";
    supervisor.drive();
    supervisor.drive();
    await settle();
    supervisor.drive();
    expect(did).toEqual(["work a"]);
  });

  it("continues with the next message when one has ended", async () => {
    const { state, did, supervisor } = supervised(async (messageId) => {
      state.running = messageId === "a" ? "b" : null;
    });
    state.running = "a";
    supervisor.drive();
    await settle();
    expect(did).toEqual(["work a", "stop a", "work b", "stop b"]);
  });

  it("lets other tasks run between two queued messages", async () => {
    const rest = ["b", "c", null];
    const { state, did, supervisor } = supervised(async (messageId) => {
      setTimeout(() => did.push(`other after ${messageId}`), 0);
      state.running = rest.shift() ?? null;
      supervisor.drive();
    });
    state.running = "a";
    supervisor.drive();
    await settle();
    await vi.waitFor(() => expect(did.at(-1)).toBe("other after c"));
    expect(did.filter((what) => /^(work|other)/.test(what))).toEqual([
      "work a",
      "other after a",
      "work b",
      "other after b",
      "work c",
      "other after c",
    ]);
  });

  it("stops work on a message that another call ended, and waits until the work has ended", async () => {
    let gone = false;
    const { state, did, supervisor } = supervised(async (_, signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await scheduler.wait(20);
      gone = true;
    });
    state.running = "a";
    supervisor.drive();
    await settle();
    state.running = null;
    supervisor.drive();
    await supervisor.stopped();
    expect(gone).toBe(true);
    expect(did).toEqual(["work a", "stop a"]);
  });

  it("does not restart work in a loop if it leaves its message running", async () => {
    const { state, did, supervisor } = supervised(async () => {});
    state.running = "a";
    supervisor.drive();
    await settle();
    expect(did).toEqual(["work a", "stop a"]);
    supervisor.drive();
    await settle();
    expect(did).toHaveLength(4);
  });

  it("ends a message whose work rejected, and aborts its remaining calls", async () => {
    const { state, did, supervisor } = supervised(() => Promise.reject("a fault"));
    state.running = "a";
    supervisor.drive();
    await settle();
    expect(did).toEqual(["work a", "fail a: a fault", "stop a"]);
  });
});
