import { setTimeout as wait } from "node:timers/promises";
import {
  type CreateSandboxFromSnapshotParams,
  Daytona,
  DaytonaAuthenticationError,
  DaytonaConflictError,
  DaytonaError,
  DaytonaFileNotFoundError,
  DaytonaNotFoundError,
  DaytonaRateLimitError,
  DaytonaValidationError,
  type Sandbox,
} from "@daytona/sdk";
import { Configuration, FileSystemApi } from "@daytona/toolbox-api-client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { standInDaytona } from "./daytona.ts";
import type { FaultAsked } from "./faults.ts";
import { serveHandler } from "./local-machine.ts";

// Daytona's own client, against the stand-in for Daytona.

const apiKey = "dtn_conformance";
const standIn = standInDaytona({ minuteMs: 400 });
let url: string;
let stop: () => void;
let daytona: Daytona;

const clientOf = (key: string) =>
  new Daytona({ apiKey: key, apiUrl: `${url}/api`, target: "us", useDeprecatedPolling: true });

const inject = (fault: FaultAsked) =>
  fetch(`${url}/__faults`, {
    method: "POST",
    body: JSON.stringify(fault),
    headers: { Authorization: `Bearer ${apiKey}` },
  });

/** Creates a sandbox that stays until it is deleted. */
const make = (parts: CreateSandboxFromSnapshotParams = {}) =>
  daytona.create({ autoStopInterval: 0, ...parts });

const until = (holds: () => boolean | Promise<boolean>) => vi.waitUntil(holds, { timeout: 4_000 });

const exists = (sandbox: Sandbox) =>
  standIn.sandboxesOf(apiKey).some(({ id }) => id === sandbox.id);

beforeAll(async () => {
  ({ url, close: stop } = await serveHandler(standIn.handle, standIn.upgrade));
  daytona = clientOf(apiKey);
});
afterAll(() => {
  standIn.close();
  stop();
});

describe.concurrent("a sandbox of the stand-in for Daytona, by Daytona's client", () => {
  it("is made, found by id, name and labels, and ended", async () => {
    const labels = { session: "sess_1", "a key": "a & b = ü" };
    const sandbox = await make({ name: "first", labels, envVars: { GREETING: "hello" } });
    expect(sandbox).toMatchObject({ state: "started", name: "first", target: "us" });
    expect((await daytona.get("first")).id).toBe(sandbox.id);
    const listed: string[] = [];
    for await (const one of daytona.list({ labels: { "a key": "a & b = ü" } })) listed.push(one.id);
    expect(listed).toEqual([sandbox.id]);
    for await (const one of daytona.list({ labels: { session: "other" } })) listed.push(one.id);
    expect(listed).toHaveLength(1);
    const ran = await sandbox.process.executeCommand('echo "$GREETING"');
    expect(ran.result).toBe("hello\n");
    await sandbox.delete(60, true);
    await expect(daytona.get(sandbox.id)).rejects.toBeInstanceOf(DaytonaNotFoundError);
  });

  it("has a name that is unique until it is deleted", async () => {
    const sandbox = await make({ name: "only" });
    await expect(make({ name: "only" })).rejects.toBeInstanceOf(DaytonaConflictError);
    await sandbox.delete();
    const next = await make({ name: "only" });
    expect(next.id).not.toBe(sandbox.id);
    await next.delete();
  });

  it("belongs to the organization of its key", async () => {
    const sandbox = await make({ name: "private" });
    await expect(clientOf("dtn_other").get("private")).rejects.toBeInstanceOf(DaytonaNotFoundError);
    await expect(clientOf("wrong").get("private")).rejects.toBeInstanceOf(
      DaytonaAuthenticationError,
    );
    await sandbox.delete();
  });

  it("is listed in pages", async () => {
    const labels = { group: "pages" };
    const made = await Promise.all([1, 2, 3].map(() => make({ labels })));
    const listed: string[] = [];
    for await (const one of daytona.list({ labels, limit: 2 })) listed.push(one.id);
    expect(listed.sort()).toEqual(made.map(({ id }) => id).sort());
    await Promise.all(made.map((one) => one.delete()));
  });

  it("keeps its files when it stops, and neither its processes nor its sessions", async () => {
    const sandbox = await make();
    await sandbox.process.createSession("shell");
    await sandbox.process.executeCommand(
      "echo kept > /workspace/file; (sleep 0.4; echo late > /workspace/late) > /dev/null 2>&1 &",
    );
    await sandbox.stop();
    expect(sandbox.state).toBe("stopped");
    await expect(sandbox.process.executeCommand("true")).rejects.toThrow("Is the Sandbox started?");
    await expect(sandbox.stop()).rejects.toBeInstanceOf(DaytonaError);
    await wait(450);
    await sandbox.start();
    const ran = await sandbox.process.executeCommand("cat /workspace/file; ls /workspace");
    expect(ran.result).toBe("kept\nfile\n");
    await expect(sandbox.process.getSession("shell")).rejects.toBeInstanceOf(DaytonaNotFoundError);
    await sandbox.stop();
    await sandbox.archive();
    await until(async () => (await daytona.get(sandbox.id)).state === "archived");
    await sandbox.start();
    expect((await sandbox.process.executeCommand("ls /workspace")).result).toBe("file\n");
    await sandbox.delete();
  });

  it("of a virtual machine is paused with its processes, and no other is", async () => {
    const [vm, container] = await Promise.all([make({ snapshot: "vm" }), make()]);
    await expect(container.pause()).rejects.toThrow("Pausing is not supported for this sandbox");
    await vm.process.executeCommand(
      "(for i in 1 2 3 4; do sleep 0.1; echo $i; done > /workspace/log) > /dev/null 2>&1 &",
    );
    await vm.pause();
    const paused = Date.now();
    await wait(600);
    await vm.start();
    const log = async () => (await vm.process.executeCommand("cat /workspace/log")).result;
    await until(async () => (await log()) === "1\n2\n3\n4\n");
    expect(Date.now() - paused).toBeGreaterThan(600);
    await Promise.all([vm.delete(), container.delete()]);
  });

  it("stops when it is idle, which a request or a word of the client puts off", async () => {
    const sandbox = await make({ autoStopInterval: 1 });
    for (let i = 0; i < 6; i++) {
      await wait(120);
      if (i % 2 === 0) await sandbox.refreshActivity();
      else await sandbox.process.executeCommand("true");
    }
    await sandbox.refreshData();
    expect(sandbox.state).toBe("started");
    await until(async () => (await daytona.get(sandbox.id)).state === "stopped");
    await sandbox.delete();
  });

  it("is destroyed when its time has come, or when it stops if it is ephemeral", async () => {
    const mortal = await daytona.create({ ttlMinutes: 1, autoStopInterval: 0 });
    const ephemeral = await daytona.create({ ephemeral: true, autoStopInterval: 1 });
    const stopped = await make({ autoDeleteInterval: 1 });
    await stopped.stop();
    await until(() => ![mortal, ephemeral, stopped].some(exists));
  });

  it("is copied by a snapshot", async () => {
    const sandbox = await make();
    await sandbox.process.executeCommand("echo saved > /workspace/file");
    await sandbox.createSnapshot("saved");
    await sandbox.process.executeCommand("echo later > /workspace/file");
    const copy = await make({ snapshot: "saved" });
    expect((await copy.process.executeCommand("cat /workspace/file")).result).toBe("saved\n");
    await daytona.snapshot.delete(await daytona.snapshot.get("saved"));
    await expect(make({ snapshot: "saved" })).rejects.toThrow("Snapshot saved not found");
    await Promise.all([sandbox.delete(), copy.delete()]);
  });

  it("has a network of at most ten domains", async () => {
    const domains = Array.from({ length: 11 }, (_, n) => `host-${n}.example.com`);
    await expect(make({ domainAllowList: domains.join(",") })).rejects.toBeInstanceOf(
      DaytonaValidationError,
    );
    await expect(make({ domainAllowList: "localhost" })).rejects.toThrow("Invalid domain");
    const sandbox = await make({ domainAllowList: "*.example.com,example.org" });
    expect(sandbox.domainAllowList).toBe("*.example.com,example.org");
    await sandbox.updateNetworkSettings({ networkBlockAll: true });
    expect((await daytona.get(sandbox.id)).networkBlockAll).toBe(true);
    await sandbox.delete();
  });
});

describe("commands in the stand-in for Daytona, by Daytona's client", () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await make();
  });
  afterAll(() => sandbox.delete());

  it("give their exit code and both outputs as one, and get variables", async () => {
    const ran = await sandbox.process.executeCommand(
      'echo "$A"; echo err >&2; pwd; exit 3',
      "/workspace",
      { A: "it's\n$B" },
    );
    expect(ran.exitCode).toBe(3);
    expect(ran.result.split("\n").sort()).toEqual(["", "$B", "/workspace", "err", "it's"]);
  });

  it("end with their time", async () => {
    const late = sandbox.process.executeCommand("sleep 60", undefined, undefined, 1);
    await expect(late).rejects.toMatchObject({ statusCode: 408 });
  });

  it("of a session share a shell, whose outputs are told apart", async () => {
    await sandbox.process.createSession("shared");
    await expect(sandbox.process.createSession("shared")).rejects.toBeInstanceOf(
      DaytonaConflictError,
    );
    const exec = (command: string) => sandbox.process.executeSessionCommand("shared", { command });
    await exec("cd /workspace; X=1");
    const ran = await exec('echo "$X"; pwd; echo err >&2; false');
    expect(ran).toMatchObject({ exitCode: 1, stdout: "1\n/workspace\n", stderr: "err\n" });
    const session = await sandbox.process.getSession("shared");
    expect(session.commands).toHaveLength(2);
    await sandbox.process.deleteSession("shared");
    await expect(exec("true")).rejects.toBeInstanceOf(DaytonaNotFoundError);
  });

  it("of a session stream their lines while they run", async () => {
    await sandbox.process.createSession("stream");
    const command = "for i in 1 2 3; do echo line $i; sleep 0.15; done; echo 世界 >&2; printf end";
    const { cmdId } = await sandbox.process.executeSessionCommand("stream", {
      command,
      runAsync: true,
    });
    const heard: { stdout: [number, string][]; stderr: string } = { stdout: [], stderr: "" };
    await sandbox.process.getSessionCommandLogs(
      "stream",
      cmdId,
      (text) => heard.stdout.push([Date.now(), text]),
      (text) => {
        heard.stderr += text;
      },
    );
    expect(heard.stdout.map(([, text]) => text).join("")).toBe("line 1\nline 2\nline 3\nend\n");
    expect(heard.stderr).toBe("世界\n");
    const [first, last] = [heard.stdout[0]?.[0] ?? 0, heard.stdout.at(-1)?.[0] ?? 0];
    expect(last - first).toBeGreaterThan(250);
    const ended = await sandbox.process.getSessionCommand("stream", cmdId);
    expect(ended).toMatchObject({ command, exitCode: 0 });
  });

  it("of a session end with it", async () => {
    await sandbox.process.createSession("ends");
    const command = "sleep 2; touch /workspace/survived";
    await sandbox.process.executeSessionCommand("ends", { command, runAsync: true });
    await sandbox.process.deleteSession("ends");
    await wait(2_100);
    expect((await sandbox.process.executeCommand("ls /workspace")).result).not.toContain(
      "survived",
    );
  });
});

describe("files in the stand-in for Daytona, by Daytona's client", () => {
  it("are written with the directories above them, read, described and removed", async () => {
    const sandbox = await make();
    const bytes = Buffer.from(Uint8Array.from({ length: 70_000 }, (_, i) => i % 256));
    await sandbox.fs.uploadFile(bytes, "/workspace/new/deep/bytes");
    expect(await sandbox.fs.downloadFile("/workspace/new/deep/bytes")).toEqual(bytes);
    expect(await sandbox.fs.getFileDetails("/workspace/new/deep/bytes")).toMatchObject({
      size: 70_000,
      isDir: false,
      name: "bytes",
    });
    await sandbox.fs.deleteFile("/workspace/new/deep/bytes");
    const missing = sandbox.fs.downloadFile("/workspace/new/deep/bytes");
    await expect(missing).rejects.toBeInstanceOf(DaytonaFileNotFoundError);
    await sandbox.delete();
  });
});

describe("a toolbox of the stand-in for Daytona, by the client of its description", () => {
  it("takes a file as a form or as it is", async () => {
    const sandbox = await make();
    const basePath = `${url}/toolbox/${sandbox.id}`;
    const headers = { Authorization: `Bearer ${apiKey}` };
    const files = new FileSystemApi(new Configuration({ basePath, baseOptions: { headers } }));
    const sent = await files.uploadFile("/workspace/a/form", new File(["form"], "form"));
    expect(sent.data).toMatchObject({ name: "form", path: "/workspace/a/form" });
    const query = `path=${encodeURIComponent("/workspace/a/body")}`;
    await fetch(`${basePath}/files/upload-v2?${query}`, { method: "POST", headers, body: "body" });
    const ran = await sandbox.process.executeCommand("cat /workspace/a/*");
    expect(ran.result).toBe("bodyform");
    await sandbox.delete();
  });
});

describe("a fault of the stand-in for Daytona, by Daytona's client", () => {
  it("says when to come again", async () => {
    await inject({
      on: "^POST /api/sandbox$",
      do: { status: 429, headers: { "Retry-After-sandbox-create": "7" } },
    });
    const refused = await make().catch((error) => error);
    expect(refused).toBeInstanceOf(DaytonaRateLimitError);
    expect(refused.headers?.get("retry-after-sandbox-create")).toBe("7");
  });

  it("after a creation leaves the sandbox", async () => {
    await inject({ on: "^POST /api/sandbox$", when: "after", do: { status: 500 } });
    await expect(make({ name: "half" })).rejects.toMatchObject({ statusCode: 500 });
    const made = await daytona.get("half");
    await made.waitUntilStarted();
    await made.delete();
  });
});
