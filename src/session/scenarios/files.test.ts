import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readEntries } from "../../sandbox/tar";
import { bashIn, createInContainer, losses, type Made } from "../../testing/container-sessions";
import { HAS_CONTAINERS, killContainer, workspaceOf } from "../../testing/containers";
import {
  containerError,
  type FakeContainer,
  installFakeContainers,
  loseContainer,
  useRealContainer,
} from "../../testing/fake-containers";
import { at } from "../../testing/faults";
import {
  ALICE,
  aSpec,
  ask,
  call,
  createSession,
  eventsOf,
  lose,
  NO_LIMITS,
  objectOf,
  read,
  sessionOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import type { SessionSpec } from "../rpc";

const MINUTE = 60_000;
const HYBRID: Partial<SessionSpec> = {
  pattern: "hybrid",
  limits: { ...NO_LIMITS, maxIdleTimeMs: MINUTE },
};
const PAGE = { recursive: true, after: "", limit: 100 };

beforeAll(installFakeContainers);
afterAll(() => {
  vi.restoreAllMocks();
});

const create = (
  changes: Partial<SessionSpec> = HYBRID,
  disturb: (machine: FakeContainer) => void = () => {},
): Promise<Made> => createInContainer(changes, disturb);

const put = (id: string, path: string, text: string, condition = {}) =>
  sessionOf(id).putFile(ALICE, path, new Blob([text]).stream(), condition);
const remove = (id: string, path: string) =>
  sessionOf(id).removeFile(ALICE, path, { recursive: true, condition: {} });

/** Returns a stream that can be sent to an object. */
const byteStream = (source: Omit<UnderlyingByteSource, "type">): ReadableStream<Uint8Array> =>
  new ReadableStream({ ...source, type: "bytes" });

/** Returns the content of a file, or the code of a refusal. */
async function textOf(id: string, path: string): Promise<string> {
  const opened = await sessionOf(id).openFile(ALICE, path, { from: 0, end: null });
  if (!opened.ok) return opened.failure.code;
  return opened.value.body ? new Response(opened.value.body).text() : "nothing";
}

/** Returns the paths of all files of a session, or the code of a refusal. */
async function pathsOf(id: string): Promise<string[] | string> {
  const page = await sessionOf(id).listFiles(ALICE, "", PAGE);
  return page.ok ? page.value.entries.map(({ path }) => path) : page.failure.code;
}

async function archiveOf(id: string): Promise<string[]> {
  const body = value(await sessionOf(id).archiveFiles(ALICE, ""));
  const bytes = new Uint8Array(await new Response(body).arrayBuffer());
  return [...readEntries(bytes)].map(({ path }) => path);
}

/** Makes the session idle, and waits until its container is released. */
async function sleep({ id }: Pick<Made, "id">): Promise<void> {
  await at(Date.now() + 2 * MINUTE, () => runDurableObjectAlarm(objectOf(id)));
  await until(async () => (await read(id)).sandbox.state !== "ready", 10_000);
  await until(async () => !(await sessionOf(id).needsContainer(id)), 10_000);
}

const seenFiles = (id: string) =>
  runInDurableObject(objectOf(id), (_, { storage }) =>
    storage.sql.exec("SELECT path, hash FROM seen_files").toArray(),
  );

describe("the files of a session in a container", () => {
  it("are read while it sleeps without a start, and a write wakes it", async () => {
    const made = await create();
    const { id, machine } = made;
    value(await put(id, "d/a.txt", "one"));
    await sleep(made);
    const steps = machine.steps.length;
    expect(await pathsOf(id)).toEqual(["d", "d/a.txt"]);
    expect(await textOf(id, "d/a.txt")).toBe("one");
    expect(await textOf(id, "none")).toBe("not_found");
    expect(await archiveOf(id)).toEqual(["d", "d/a.txt"]);
    expect(machine.steps).toHaveLength(steps);
    expect(await read(id)).toMatchObject({ status: "idle", sandbox: { state: "suspended" } });
    value(await put(id, "d/b.txt", "two"));
    expect(await read(id)).toMatchObject({ status: "active", sandbox: { state: "ready" } });
    expect(await bashIn(id, "cat d/*")).toContain("onetwo");
    expect((await typesOf(id)).filter((type) => /^file|resumed$/.test(type))).toEqual([
      "file.written",
      "session.resumed",
      "file.written",
    ]);
  });

  it("are none while it starts for the first time, and the saved ones while it starts again", async () => {
    let open = false;
    const made = await create(HYBRID, (machine) => {
      machine.before = (step) => (step === "start" ? until(() => open, 10_000) : undefined);
    });
    const { id } = made;
    expect(await pathsOf(id)).toEqual([]);
    expect(await archiveOf(id)).toEqual([]);
    const writing = put(id, "a.txt", "one");
    await until(async () => (await read(id)).status === "active");
    open = true;
    value(await writing);
    await sleep(made);
    open = false;
    const again = remove(id, "none");
    await until(async () => (await read(id)).sandbox.state === "starting");
    expect(await textOf(id, "a.txt")).toBe("one");
    open = true;
    expect(await again).toMatchObject({ ok: false, failure: { code: "not_found" } });
  });

  it("do not count as used when they are read", async () => {
    const made = await create();
    await until(async () => (await read(made.id)).sandbox.state === "ready");
    const before = await read(made.id);
    expect(await pathsOf(made.id)).toEqual([]);
    expect(made.machine.steps).toEqual(["start", "list"]);
    expect((await read(made.id)).lastActivityAt).toBe(before.lastActivityAt);
    await sleep(made);
    expect(made.machine.steps).toEqual(["start", "list", "destroy"]);
  });

  it("are read after its end if they were saved, and otherwise said to be gone", async () => {
    const kept = await create({ pattern: "long-running" });
    value(await put(kept.id, "a.txt", "kept"));
    value(await sessionOf(kept.id).terminate(ALICE, "enough"));
    await until(() => kept.machine.name === null);
    expect(await textOf(kept.id, "a.txt")).toBe("kept");
    expect(await put(kept.id, "b.txt", "x")).toMatchObject({ failure: { code: "session_ended" } });
    const lostOnes = [
      await create({ pattern: "ephemeral" }),
      await create({ pattern: "long-running" }),
    ];
    for (const { id, machine } of lostOnes) {
      machine.takesCheckpoints = false;
      value(await put(id, "a.txt", "gone"));
      const options = { discardWorkspace: true };
      value(await sessionOf(id).terminate(ALICE, "enough", options));
      await until(() => machine.name === null);
      expect(await sessionOf(id).listFiles(ALICE, "", PAGE)).toMatchObject({
        failure: { code: "not_found", details: { reason: "workspace_gone" } },
      });
    }
  });

  it("are the saved ones if it is lost while they are read", async () => {
    const made = await create({ pattern: "long-running" });
    value(await put(made.id, "a.txt", "one"));
    await until(() => made.machine.steps.includes("checkpoint"));
    await until(async () => (await savedAt(made.id)) !== null);
    loseContainer(made.machine);
    expect(await textOf(made.id, "a.txt")).toBe("one");
    expect(await losses(made.id)).toHaveLength(1);
  });

  it("are whole if it is lost while one is written: the caller is told to try again", async () => {
    const made = await create({ pattern: "long-running" });
    value(await put(made.id, "a.txt", "one"));
    await until(async () => (await savedAt(made.id)) !== null);
    made.machine.before = (step) => {
      if (step === "put") loseContainer(made.machine);
    };
    expect(await put(made.id, "a.txt", "two")).toMatchObject({ failure: { code: "unavailable" } });
    made.machine.before = () => {};
    expect(await textOf(made.id, "a.txt")).toBe("one");
    value(await put(made.id, "a.txt", "three"));
    expect(await textOf(made.id, "a.txt")).toBe("three");
    const written = (await eventsOf(made.id)).filter(({ type }) => type === "file.written");
    expect(written).toHaveLength(2);
  });

  it("that can't be reached are refused, and a read that fails does not start it", async () => {
    const made = await create({ pattern: "long-running" });
    await until(async () => (await read(made.id)).sandbox.state === "ready");
    made.machine.before = () => {
      throw containerError("it is out of order");
    };
    expect(await sessionOf(made.id).listFiles(ALICE, "", PAGE)).toMatchObject({
      failure: {
        ...{ code: "unavailable", transient: true },
        message: expect.stringContaining("out of order"),
      },
    });
  });

  it("can be asked for again after the bucket that has the saved ones could not be reached", async () => {
    const made = await create();
    const { id } = made;
    value(await put(id, "a.txt", "one"));
    await sleep(made);
    const get = vi.spyOn(env.SNAPSHOTS, "get").mockRejectedValueOnce(new Error("R2 is down"));
    const listed = await sessionOf(id).listFiles(ALICE, "", PAGE);
    get.mockRestore();
    expect(listed).toMatchObject({
      failure: {
        ...{ code: "unavailable", transient: true },
        message: "The files can't be reached: the saved workspace can't be read: R2 is down.",
      },
    });
    expect(await textOf(id, "a.txt")).toBe("one");
  });
});

/** Returns when the files of a session were saved last; null if they were not. */
const savedAt = (id: string) =>
  runInDurableObject(objectOf(id), (_, { storage }) => {
    const state = storage.kv.get<{ machine?: { saved: { at: number } | null } }>("state");
    return state?.machine?.saved?.at ?? null;
  });

describe("a write of a caller", () => {
  it("is refused while the session is paused, and when it has ended", async () => {
    const id = await createSession({
      limits: { ...NO_LIMITS, maxTurns: 1 },
      onLimit: "pause",
    });
    value(await put(id, "a.txt", "one"));
    await sessionOf(id).send(ALICE, {
      ...{ id: `msg_${crypto.randomUUID().replaceAll("-", "")}`, agent: null, background: true },
      ...{ prompt: `${call("Bash", { command: "true" })}\ndone`, maxTurns: null },
      ...{ maxBudgetNanos: null, onBusy: "queue", requestHash: "hash" },
    });
    await until(async () => (await typesOf(id)).includes("session.paused"), 5_000);
    expect(await put(id, "a.txt", "two")).toMatchObject({ failure: { code: "session_paused" } });
    expect(await remove(id, "a.txt")).toMatchObject({ failure: { code: "session_paused" } });
    expect(await textOf(id, "a.txt")).toBe("one");
  });

  it("that breaks off leaves the old file, and is told as what it is", async () => {
    const id = await createSession();
    value(await put(id, "a.txt", "old"));
    const cut = byteStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("half")),
      pull: (controller) => controller.error(new Error("the client is gone")),
    });
    const answer = await sessionOf(id)
      .putFile(ALICE, "a.txt", cut, {})
      .catch(() => null);
    expect(answer?.ok ?? false).toBe(false);
    expect(await textOf(id, "a.txt")).toBe("old");
    expect(await pathsOf(id)).toEqual(["a.txt"]);
    expect((await typesOf(id)).filter((type) => type === "file.written")).toHaveLength(1);
  });

  it("is guarded from the moment on at which it may have been made, whatever is lost then", async () => {
    const id = await createSession();
    const path = "/workspace/a.txt";
    value(await put(id, "a.txt", "one"));
    expect(await seenFiles(id)).toEqual([{ path, hash: "" }]);
    await ask(id, call("Read", { file_path: path }));
    const writing = put(id, "a.txt", "two").catch(() => null);
    await until(async () => (await seenFiles(id).catch(() => []))[0]?.hash === "", 5_000);
    await lose(id).catch(() => {});
    await writing;
    expect(["one", "two"]).toContain(await textOf(id, "a.txt"));
    const refused = await ask(id, call("Write", { file_path: path, content: "agent" }));
    expect(refused.result).toContain("has changed since you did");
    expect(await textOf(id, "a.txt")).not.toBe("agent");
  });

  it("is guarded in a session that starts from this one too", async () => {
    const id = await createSession();
    value(await put(id, "a.txt", "one"));
    const next = await createSession({ config: { resumeSessionId: id } });
    const write = call("Write", { file_path: "/workspace/a.txt", content: "agent" });
    expect((await ask(next, write)).result).toContain("you have not read it");
  });

  it("costs no row, and asks nothing, in a session where no caller writes", async () => {
    const id = await createSession();
    await ask(
      id,
      [
        call("Write", { file_path: "a.txt", content: "one" }),
        call("Read", { file_path: "a.txt" }),
        call("Edit", { file_path: "a.txt", old_string: "one", new_string: "two" }),
      ].join("\n"),
    );
    expect(await seenFiles(id)).toEqual([]);
  });
});

describe.runIf(HAS_CONTAINERS)("in a container with a runner", () => {
  it("large files pass both ways as fast as they are consumed, and go on after a save", async () => {
    const spec = aSpec({ ...HYBRID });
    const { id } = spec;
    await useRealContainer(id);
    value(await sessionOf(id).create(ALICE, spec));
    const size = 24 * 1024 ** 2;
    let sent = 0;
    const chunk = 256 * 1024;
    const content = byteStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(chunk).fill(1 + ((sent / chunk) % 251)));
        sent += chunk;
        if (sent === size) controller.close();
      },
    });
    expect(value(await sessionOf(id).putFile(ALICE, "big", content, {}))).toMatchObject({
      ...{ size, created: true },
    });

    const opened = value(await sessionOf(id).openFile(ALICE, "big", { from: 0, end: null }));
    const reader = opened.body?.getReader();
    let seen = 0;
    const check = (bytes: Uint8Array) => {
      for (let at = 0; at < bytes.length; at += 4_096) {
        const expected = 1 + (Math.floor((seen + at) / chunk) % 251);
        if (bytes[at] !== expected) throw new Error(`wrong at ${seen + at}`);
      }
      seen += bytes.length;
    };
    const next = async () => {
      const { done, value: bytes } = (await reader?.read()) ?? { done: true, value: undefined };
      if (bytes) check(bytes);
      return !done;
    };
    await next();
    // The rest comes from the saved workspace.
    await sleep({ id });
    while (await next());
    expect(seen).toBe(size);
    expect(await read(id)).toMatchObject({ status: "idle" });
    const archive = value(await sessionOf(id).archiveFiles(ALICE, ""));
    let archived = 0;
    for await (const bytes of archive) archived += bytes.length;
    expect(archived).toBeGreaterThan(size);
    await killContainer(id);
    expect((await workspaceOf(id)).length).toBeGreaterThan(0);
  }, 60_000);
});
