import { setTimeout as wait } from "node:timers/promises";
import {
  AuthenticationError,
  CommandExitError,
  type ConnectionOpts,
  FileNotFoundError,
  InvalidArgumentError,
  RateLimitError,
  Sandbox,
  SandboxNotFoundError,
  TimeoutError,
} from "e2b";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { standInE2b } from "./e2b.ts";
import type { FaultAsked } from "./faults.ts";
import { serveHandler } from "./local-machine.ts";

// E2B's own client, against the stand-in for E2B.

let url: string;
let connection: ConnectionOpts & { apiKey: string };
const standIn = standInE2b({ maxConcurrent: 8 });
let stop: () => void;

/** Returns how to connect as a team of its own. */
function asTeam() {
  const apiKey = `e2b_${crypto.randomUUID().replaceAll("-", "")}`;
  return { apiKey, apiUrl: url, sandboxUrl: url, retries: 0, requestTimeoutMs: 5_000 };
}

const control = (path: string, body: string) =>
  fetch(url + path, { method: "POST", body, headers: { "X-API-KEY": connection.apiKey } });
const inject = (fault: FaultAsked) => control("/__faults", JSON.stringify(fault));

beforeAll(async () => {
  ({ url, close: stop } = await serveHandler(standIn.handle));
  connection = asTeam();
});
afterAll(() => {
  standIn.close();
  stop();
});

describe("a sandbox of the stand-in for E2B, by E2B's client", () => {
  it("is made, found with its metadata, and ended", async () => {
    const metadata = { session: "sess_1", "a key": "a & b = ü" };
    const sandbox = await Sandbox.create("base", { ...connection, metadata, timeoutMs: 60_000 });
    expect(await sandbox.isRunning()).toBe(true);
    expect(await sandbox.getInfo()).toMatchObject({
      sandboxId: sandbox.sandboxId,
      templateId: "base",
      metadata,
      state: "running",
      lifecycle: { onTimeout: "kill", autoResume: false },
    });
    const query = { metadata: { "a key": "a & b = ü" } };
    const listed = await Sandbox.list({ ...connection, query }).nextItems();
    expect(listed.map((one) => one.sandboxId)).toEqual([sandbox.sandboxId]);
    const others = { metadata: { "a key": "another" } };
    expect(await Sandbox.list({ ...connection, query: others }).nextItems()).toEqual([]);
    expect(await sandbox.kill()).toBe(true);
    expect(await sandbox.kill()).toBe(false);
    expect(await sandbox.isRunning()).toBe(false);
    await expect(sandbox.getInfo()).rejects.toThrow(SandboxNotFoundError);
    await expect(sandbox.commands.run("true")).rejects.toThrow(SandboxNotFoundError);
  });

  it("is listed in pages, by state", async () => {
    const mine = asTeam();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push((await Sandbox.create("base", mine)).sandboxId);
    await Sandbox.pause(ids[1] ?? "", mine);
    const pages = async (state: ("running" | "paused")[]) => {
      const paginator = Sandbox.list({ ...mine, limit: 2, query: { state } });
      const all: string[][] = [];
      while (paginator.hasNext) {
        all.push((await paginator.nextItems()).map((one) => one.sandboxId).sort());
      }
      return all;
    };
    expect((await pages(["running", "paused"])).flat().sort()).toEqual([...ids].sort());
    expect((await pages(["running", "paused"])).map((page) => page.length)).toEqual([2, 2, 1]);
    expect(await pages(["paused"])).toEqual([[ids[1]]]);
    await Promise.all(ids.map((id) => Sandbox.kill(id, mine)));
  });

  it("is another team's where the key is another, and nobody's without one", async () => {
    const sandbox = await Sandbox.create("base", connection);
    await expect(Sandbox.connect(sandbox.sandboxId, asTeam())).rejects.toThrow(
      SandboxNotFoundError,
    );
    const wrong = { ...connection, apiKey: "e2b_wrong", validateApiKey: false };
    await expect(Sandbox.create("base", wrong)).rejects.toThrow(AuthenticationError);
    await expect(Sandbox.create("no-such", connection)).rejects.toThrow(
      "404: template 'no-such' not found",
    );
    await sandbox.kill();
  });

  it("ends or pauses when its time is over, and not before if that is extended", async () => {
    const options = { ...connection, timeoutMs: 1_000 };
    const killed = await Sandbox.create("base", options);
    const paused = await Sandbox.create("base", { ...options, lifecycle: { onTimeout: "pause" } });
    const extended = await Sandbox.create("base", options);
    await extended.setTimeout(60_000);
    await wait(1_200);
    await expect(killed.getInfo()).rejects.toThrow(SandboxNotFoundError);
    expect((await paused.getInfo()).state).toBe("paused");
    expect((await extended.getInfo()).state).toBe("running");
    await expect(paused.setTimeout(60_000)).rejects.toThrow(SandboxNotFoundError);
    await Promise.all([paused.kill(), extended.kill()]);
  });

  it("takes allowed hosts only where all else is denied", async () => {
    const network = { allowOut: ["*.example.com", "8.8.8.8/32"], denyOut: ["0.0.0.0/0"] };
    const sandbox = await Sandbox.create("base", { ...connection, network });
    expect((await sandbox.getInfo()).network).toMatchObject(network);
    await sandbox.updateNetwork({ allowInternetAccess: false });
    expect(await sandbox.getInfo()).toMatchObject({ allowInternetAccess: false });
    await sandbox.kill();
    const refused = (wrong: Partial<typeof network>) =>
      expect(Sandbox.create("base", { ...connection, network: wrong })).rejects;
    await refused({ allowOut: ["example.com"] }).toThrow("must include 'ALL_TRAFFIC' in deny out");
    await refused({ denyOut: ["example.com"] }).toThrow("invalid denied CIDR example.com");
  });

  it("says when a limit is reached", async () => {
    const mine = asTeam();
    const all = await Promise.all(Array.from({ length: 8 }, () => Sandbox.create("base", mine)));
    const refused = Sandbox.create("base", mine);
    await expect(refused).rejects.toThrow(RateLimitError);
    await expect(refused).rejects.toThrow("maximum number of concurrent E2B sandboxes (8)");
    await all[0]?.pause();
    await (await Sandbox.create("base", mine)).kill();
    await Promise.all(all.map((one) => one.kill()));
    const long = { ...mine, timeoutMs: 25 * 3_600_000 };
    await expect(Sandbox.create("base", long)).rejects.toThrow("cannot be greater than 24 hours");
  });
});

describe("what runs in it", () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await Sandbox.create("base", { ...connection, envs: { EVERYWHERE: "yes" } });
  });
  afterAll(() => sandbox.kill());
  const run = (command: string, options = {}) => sandbox.commands.run(command, options);
  const begin = (command: string, options = {}) =>
    sandbox.commands.run(command, { ...options, background: true });

  it("streams its output, and gets variables, a directory and a user", async () => {
    const heard: string[] = [];
    const result = await run('echo "$A $EVERYWHERE $USER"; sleep 0.2; pwd; echo err >&2', {
      envs: { A: "hello" },
      cwd: "/workspace",
      user: "root",
      onStdout: (text: string) => void heard.push(text),
    });
    expect(result).toMatchObject({
      exitCode: 0,
      stdout: "hello yes root\n/workspace\n",
      stderr: "err\n",
    });
    expect(heard).toEqual(["hello yes root\n", "/workspace\n"]);
  });

  it("fails as a command fails, or is refused", async () => {
    const failed = run("echo out; exit 3");
    await expect(failed).rejects.toThrow(CommandExitError);
    await expect(failed).rejects.toMatchObject({ exitCode: 3, stdout: "out\n" });
    await expect(run("true", { cwd: "/not/there" })).rejects.toThrow(InvalidArgumentError);
    await expect(run("true", { user: "nobody-else" })).rejects.toThrow(AuthenticationError);
    const stranger = await Sandbox.connect(sandbox.sandboxId, connection);
    Object.assign(stranger, { envdAccessToken: "another" });
    await expect(stranger.commands.run("true")).rejects.toThrow(AuthenticationError);
  });

  it("reads its input", async () => {
    const reading = await begin("cat", { stdin: true });
    await sandbox.commands.sendStdin(reading.pid, "one\n");
    await sandbox.commands.closeStdin(reading.pid);
    expect((await reading.wait()).stdout).toBe("one\n");
  });

  it("goes on when the caller has gone, and can be joined again", async () => {
    const begun = await begin(
      "echo one; until [ -e /workspace/go ]; do sleep 0.05; done; echo two; exit 7",
    );
    await expect.poll(() => begun.stdout).toBe("one\n");
    await begun.disconnect();
    expect((await sandbox.commands.list()).map(({ pid }) => pid)).toContain(begun.pid);
    const joined = await sandbox.commands.connect(begun.pid);
    await sandbox.files.write("/workspace/go", "");
    await expect(joined.wait()).rejects.toMatchObject({ exitCode: 7, stdout: "two\n" });
    // The end of one that has ended is still told.
    const late = await sandbox.commands.connect(begun.pid);
    await expect(late.wait()).rejects.toMatchObject({ exitCode: 7, stdout: "" });
    await expect(sandbox.commands.connect(999_999_999)).rejects.toThrow("not found");
  });

  it("is killed alone, or when its own time is over", async () => {
    const sleeping = await begin("sleep 60");
    expect(await sleeping.kill()).toBe(true);
    await expect(sleeping.wait()).rejects.toMatchObject({ exitCode: -1, error: "signal: killed" });
    expect(await sandbox.commands.kill(sleeping.pid)).toBe(false);
    await expect(run("sleep 60", { timeoutMs: 300 })).rejects.toThrow(TimeoutError);
  });

  it("has files, whose directories are made", async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, n) => n % 256);
    const { buffer } = bytes;
    expect(await sandbox.files.write("/workspace/a/b", buffer)).toMatchObject({
      name: "b",
      path: "/workspace/a/b",
      type: "file",
    });
    expect(await sandbox.files.read("/workspace/a/b", { format: "bytes" })).toEqual(bytes);
    const stream = new Blob([bytes]).stream();
    await sandbox.files.write("/workspace/a/c", stream, { user: "root" });
    expect((await run("cd /workspace/a; cmp b c; wc -c < c")).stdout.trim()).toBe("100000");
    await sandbox.files.write("/workspace/empty", "");
    expect(await sandbox.files.read("/workspace/empty")).toBe("");
    await expect(sandbox.files.read("/workspace/none")).rejects.toThrow(FileNotFoundError);
    await expect(sandbox.files.read("/workspace/a")).rejects.toThrow(InvalidArgumentError);
    await expect(sandbox.files.write("/workspace/a", "x")).rejects.toThrow(InvalidArgumentError);
  });
});

describe("a paused sandbox", () => {
  it("keeps files and processes, breaks connections, and is not found until it is resumed", async () => {
    const sandbox = await Sandbox.create("base", connection);
    await sandbox.files.write("/workspace/file", "kept");
    const script =
      "for i in 1 2 3 4 5 6; do sleep 0.1; done; echo done > /workspace/late; sleep 60";
    const running = await sandbox.commands.run(script, { background: true });
    expect(await sandbox.pause()).toBe(true);
    expect(await sandbox.pause()).toBe(false);
    await expect(running.wait()).rejects.toThrow(TimeoutError);
    await expect(sandbox.commands.run("true")).rejects.toThrow(SandboxNotFoundError);
    await expect(sandbox.files.read("/workspace/file")).rejects.toThrow(TimeoutError);
    await wait(800);
    const resumed = await Sandbox.connect(sandbox.sandboxId, connection);
    expect(await resumed.files.read("/workspace/file")).toBe("kept");
    await expect(resumed.files.read("/workspace/late")).rejects.toThrow(FileNotFoundError);
    await expect.poll(() => resumed.files.read("/workspace/late").catch(() => "")).toBe("done\n");
    expect((await resumed.commands.list()).map(({ pid }) => pid)).toContain(running.pid);
    await resumed.kill();
    await expect(Sandbox.connect(sandbox.sandboxId, connection)).rejects.toThrow(
      SandboxNotFoundError,
    );
  });

  it("keeps only files where its memory is not kept", async () => {
    const sandbox = await Sandbox.create("base", connection);
    await sandbox.files.write("/workspace/file", "kept");
    const running = await sandbox.commands.run("sleep 60", { background: true });
    running.wait().catch(() => {});
    await sandbox.pause({ keepMemory: false });
    const resumed = await sandbox.connect();
    expect(await resumed.commands.list()).toEqual([]);
    expect(await resumed.files.read("/workspace/file")).toBe("kept");
    await resumed.kill();
  });
});

describe("a snapshot", () => {
  it("is a template for new sandboxes, and outlives its own", async () => {
    const sandbox = await Sandbox.create("base", connection);
    await sandbox.files.write("/workspace/file", "as it was");
    const { snapshotId } = await sandbox.createSnapshot();
    await sandbox.files.write("/workspace/file", "changed");
    const [fork] = await sandbox.fork();
    if (!(fork instanceof Sandbox)) throw fork;
    expect(await fork.files.read("/workspace/file")).toBe("changed");
    const listed = await Sandbox.listSnapshots({
      ...connection,
      sandboxId: sandbox.sandboxId,
    }).nextItems();
    expect(listed.map((one) => one.snapshotId)).toEqual([snapshotId]);
    await sandbox.kill();
    const copy = await Sandbox.create(snapshotId, connection);
    expect(await copy.files.read("/workspace/file")).toBe("as it was");
    expect(await Sandbox.deleteSnapshot(snapshotId, connection)).toBe(true);
    expect(await Sandbox.deleteSnapshot(snapshotId, connection)).toBe(false);
    await Promise.all([fork.kill(), copy.kill()]);
  });
});

describe("a fault", () => {
  const mineAfter = async () =>
    (await Sandbox.list({ ...connection, query: { metadata: { of: "fault" } } }).nextItems())
      .length;
  const create = (options = {}) =>
    Sandbox.create("base", { ...connection, metadata: { of: "fault" }, ...options });

  it("is a limit with a time to wait, which the client keeps to", async () => {
    const body = '{"code":429,"message":"Rate limit exceeded"}';
    const limit = { status: 429, headers: { "Retry-After": "1" }, body };
    await inject({ on: "^POST /v2/sandboxes$", do: limit });
    await expect(create()).rejects.toThrow(RateLimitError);
    expect(await mineAfter()).toBe(0);
    await inject({ on: "^POST /v2/sandboxes$", do: limit });
    const began = Date.now();
    await (await create({ retries: 1 })).kill();
    expect(Date.now() - began).toBeGreaterThan(950);
  });

  it("is an error or no answer after what was asked is done, or half an answer", async () => {
    const on = "^POST /v2/sandboxes$";
    await inject({ on, when: "after", do: { status: 500 } });
    await expect(create()).rejects.toThrow();
    await inject({ on, when: "after", do: "hang" });
    await expect(create({ requestTimeoutMs: 200 })).rejects.toThrow();
    await inject({ on, do: { cut: 20 } });
    await expect(create()).rejects.toThrow();
    expect(await mineAfter()).toBe(3);
    await inject({ on, do: { status: 503, body: '{"code":503,"message":"no capacity"}' } });
    await expect(create()).rejects.toThrow("no capacity");
    expect(await mineAfter()).toBe(3);
  });

  it("is a stream that is cut, or a sandbox that vanishes in the middle of it", async () => {
    const sandbox = await create();
    await inject({ on: "/process.Process/Start$", do: { cut: 70 } });
    await expect(sandbox.commands.run("echo one; sleep 0.1; echo two")).rejects.toThrow();
    const running = sandbox.commands.run("echo begun; sleep 60");
    running.catch(() => {});
    await wait(100);
    await control("/__vanish", sandbox.sandboxId);
    await expect(running).rejects.toThrow(TimeoutError);
    await expect(sandbox.getInfo()).rejects.toThrow(SandboxNotFoundError);
  });

  it("is on record, with what was asked", async () => {
    const asked = await (
      await fetch(`${url}/__requests`, { headers: { "X-API-KEY": connection.apiKey } })
    ).text();
    expect(JSON.parse(asked)).toContainEqual({
      call: "POST /v2/sandboxes",
      body: expect.objectContaining({ metadata: { of: "fault" } }),
      status: 429,
    });
    expect(asked).not.toContain(connection.apiKey);
  });
});
