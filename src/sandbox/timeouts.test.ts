import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { aFakeSandbox } from "../testing/tool-context";
import { aCommand } from "./contract";
import type { CommandResult, Sandbox } from "./sandbox";
import { withTimeouts } from "./timeouts";

const never = () => new Promise<never>(() => {});
const ended = { exitCode: 0, stdout: "", stderr: "", ended: "exited", truncated: false } as const;

describe("a sandbox that hangs", () => {
  const hanging: Sandbox = {
    run: never,
    kill: never,
    find: never,
    readFile: never,
    writeFile: never,
    destroy: never,
  };

  it.each<[string, (sandbox: Sandbox) => Promise<unknown> | undefined]>([
    ["run", (sandbox) => sandbox.run(aCommand("ls", { timeoutMs: 10 }))],
    ["kill", (sandbox) => sandbox.kill("a")],
    ["find", (sandbox) => sandbox.find?.("a")],
    ["readFile", (sandbox) => sandbox.readFile("/a")],
    ["writeFile", (sandbox) => sandbox.writeFile("/a", new Uint8Array())],
    ["destroy", (sandbox) => sandbox.destroy()],
  ])("is given up on: %s", async (_, call) => {
    await expect(call(withTimeouts(hanging, 20))).rejects.toMatchObject({
      name: "SandboxError",
      transient: true,
      message: expect.stringContaining("did not answer"),
    });
  });

  it("has all its methods", () => {
    const programs = { begin: never, tell: never, endSince: never, listen: async function* () {} };
    const start = never;
    const others = {
      changeFile: never,
      replaceFile: never,
      snapshot: never,
      restore: never,
      suspend: never,
      reach: never,
    };
    const files = { list: never, read: never, archive: never, put: never, remove: never };
    const all: Required<Sandbox> = { ...hanging, start, find: never, ...others, files, programs };
    expect(Object.keys(withTimeouts(all)).sort()).toEqual(Object.keys(all).sort());
  });

  it("is told to stop the command that nobody waits for any more", async () => {
    const kill = vi.fn(never);
    const command = aCommand("ls", { timeoutMs: 10 });
    await expect(withTimeouts({ ...hanging, kill }, 10).run(command)).rejects.toThrow();
    expect(kill.mock.calls).toEqual([[command.id]]);
  });
});

describe("a save or restore", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  const STEPS = 10;
  /** Reports progress at this interval. */
  const transfer = async (onProgress: (() => void) | undefined, everyMs: number) => {
    for (let n = 0; n < STEPS; n++) {
      await new Promise((resolve) => setTimeout(resolve, everyMs));
      onProgress?.();
    }
  };
  const slow = (everyMs: number) =>
    withTimeouts({
      ...aFakeSandbox({}),
      snapshot: (_, options) => transfer(options?.onProgress, everyMs).then(() => null),
      restore: (_, onProgress) => transfer(onProgress, everyMs),
    });

  it.each<[string, (sandbox: Sandbox, onProgress: () => void) => Promise<unknown> | undefined]>([
    ["save", (sandbox, onProgress) => sandbox.snapshot?.("key", { onProgress })],
    ["restore", (sandbox, onProgress) => sandbox.restore?.("key", onProgress)],
  ])(
    "may take long while it makes progress, and is given up on when it stalls: %s",
    async (_, begin) => {
      const onProgress = vi.fn();
      const done = vi.fn();
      void begin(slow(179_000), onProgress)?.then(done);
      await vi.advanceTimersByTimeAsync(STEPS * 179_000);
      expect(done).toHaveBeenCalledOnce();
      expect(onProgress).toHaveBeenCalledTimes(STEPS);

      const given = vi.fn();
      void begin(slow(181_000), onProgress)?.catch(given);
      await vi.advanceTimersByTimeAsync(180_000);
      expect(given.mock.calls).toMatchObject([
        [{ transient: true, message: expect.stringContaining("did not answer") }],
      ]);
    },
  );
});

describe("a sandbox that answers", () => {
  it("has a command's own time limit, and more to tell how it ended", async () => {
    const late = () => scheduler.wait(60).then((): CommandResult => ended);
    const sandbox = withTimeouts(aFakeSandbox({ run: late }), 1_000);
    expect(await sandbox.run(aCommand("ls", { timeoutMs: 1 }))).toEqual(ended);
  });

  it("is told no more than it can do, and says itself what went wrong", async () => {
    const gone = new Error("gone");
    const sandbox = withTimeouts(aFakeSandbox({ readFile: () => Promise.reject(gone) }));
    expect("find" in sandbox).toBe(false);
    await expect(sandbox.readFile("/a")).rejects.toBe(gone);
  });
});
