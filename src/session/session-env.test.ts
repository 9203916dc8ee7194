import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { emptyMirror } from "../testing/rows";
import {
  ALICE,
  aSpec,
  ask,
  bash,
  createSession,
  eventsOf,
  lose,
  newSessionId,
  objectOf,
  read,
  sessionOf,
  typesOf,
  value,
} from "../testing/sessions";
import { encryption, model } from "./deployment";
import { maintain } from "./maintenance";
import type { SessionConfig, SessionSpec } from "./rpc";
import { SnapshotBucket, snapshotKey } from "./storage/snapshot-bucket";
import { SessionStore } from "./storage/store";

const key = (id: string) => ({ id, base64: btoa(id.padEnd(32, "k").slice(0, 32)) });
const useKeys = (...ids: string[]) => {
  encryption.keys = ids.map(key);
};

const PLAIN = "plain-value-that-nobody-may-find";
const TOKEN = { secret: "s3cret-value-that-nobody-may-find", hosts: ["api.github.com"] };
const HASH = "0123456789abcdef".repeat(4);
const REPOSITORY = { url: "https://gitlab.com/a/b", token: "t0ken-value-that-nobody-may-find" };
const CLEAR = [PLAIN, TOKEN.secret, HASH, REPOSITORY.token];
const ENV = { PLAIN, TOKEN };

/** Creates a session with an environment, from which other sessions can start. */
const create = (changes: Partial<SessionSpec> = {}, config: SessionConfig = {}) =>
  createSession({
    pattern: "hybrid",
    requestHash: HASH,
    ...changes,
    config: { env: ENV, repositories: [REPOSITORY], ...config },
  });

/** Returns whether the session's commands have the value, without the value in the prompt. */
const CHECK = bash(`test "$PLAIN" = "${[...PLAIN].join('""')}" && echo same`);
const works = async (id: string) => (await ask(id, CHECK)).result?.includes("same") ?? false;
const egress = (id: string, host = "api.github.com") => sessionOf(id).egress(host);
const secretOf = async (id: string) => {
  const told = await egress(id);
  return told.to === "host" ? told.replacements.map(({ value }) => value) : [];
};

/** Returns everything that an object has stored. */
const stored = (object: DurableObjectStub): Promise<string> =>
  runInDurableObject(object, (_, { storage }) => {
    const tables = storage.sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
      .toArray()
      .filter(({ name }) => !name.startsWith("_cf"));
    const rows = tables.map(({ name }) => storage.sql.exec(`SELECT * FROM "${name}"`).toArray());
    return texts([...storage.kv.list(), ...rows]);
  });

/** Returns a value as text, including bytes. */
const texts = (value: unknown): string =>
  JSON.stringify(value, (_, one) =>
    one instanceof ArrayBuffer || ArrayBuffer.isView(one)
      ? new TextDecoder("latin1").decode(one)
      : one,
  );

/** Returns all objects of the bucket below a prefix; the whole bucket without one. */
async function inBucket(prefix = ""): Promise<string> {
  const found: string[] = [];
  for (const { key } of (await env.SNAPSHOTS.list({ prefix })).objects) {
    found.push(key, (await (await env.SNAPSHOTS.get(key))?.text()) ?? "");
  }
  return found.join("\n");
}

const inIndex = async () => {
  const tables = await env.DB.prepare(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL %'
     AND name NOT LIKE '\\_%' ESCAPE '\\'`,
  ).all<{ name: string }>();
  const rows = tables.results.map(({ name }) => env.DB.prepare(`SELECT * FROM "${name}"`).all());
  return JSON.stringify((await Promise.all(rows)).map(({ results }) => results));
};

const expectNoClearText = (text: string) => {
  for (const clear of CLEAR) expect(text).not.toContain(clear);
};

/** Returns the ids of the keys with which a text says it was encrypted. */
const keysIn = (text: string): string[] => [
  ...new Set([...text.matchAll(/"encrypted":"([\w-]+):/g)].map(([, id = ""]) => id)),
];

beforeEach(async () => {
  await emptyMirror(env.DB);
  await env.DB.exec("DELETE FROM rounds");
  const { objects } = await env.SNAPSHOTS.list();
  if (objects.length > 0) await env.SNAPSHOTS.delete(objects.map(({ key }) => key));
});
afterEach(() => {
  useKeys();
  vi.restoreAllMocks();
});

describe("with an encryption key, a session's environment", () => {
  it("is stored as plaintext in no row and in no object of the bucket", async () => {
    useKeys("k1");
    const id = await create();
    expect(await works(id)).toBe(true);
    const snapshot = value(await sessionOf(id).snapshot(ALICE));
    const resumed = await create({}, { env: undefined, resumeSessionId: id });
    expect(await works(resumed)).toBe(true);
    await lose(id);
    value(await sessionOf(id).update(ALICE, { description: "changed" }));
    for (const session of [id, resumed]) {
      const rows = await stored(objectOf(session));
      expect(rows).toContain("PLAIN");
      expect(keysIn(rows)).toEqual(["k1"]);
      expectNoClearText(rows);
      expectNoClearText(await stored(env.EMBEDDED_SANDBOXES.getByName(session)));
    }
    const bucket = await inBucket();
    expect(bucket).toContain(snapshot.id);
    expect(keysIn(bucket)).toEqual(["k1"]);
    expectNoClearText(bucket);
    expectNoClearText(await inIndex());
  });

  it("has the tokens of repositories as secrets for their hosts, and in no variable", async () => {
    useKeys("k1");
    const id = await create();
    const resumed = await create({}, { repositories: undefined, resumeSessionId: id });
    for (const session of [id, resumed]) {
      expect(await egress(session, "gitlab.com")).toMatchObject({
        replacements: [{ value: REPOSITORY.token }],
      });
      const said = (await ask(session, bash("env"))).result ?? "";
      expect(said).toContain("GIT_CONFIG_COUNT=2");
      expect(said).not.toMatch(/^git /m);
    }
    expect((await read(id)).config.repositories).toEqual([{ url: REPOSITORY.url }]);
  });

  it("reaches commands and hosts as it was given, even after a loss of the object", async () => {
    useKeys("k1");
    const id = await create();
    for (let times = 0; times < 2; times++) {
      expect(await works(id)).toBe(true);
      expect(await secretOf(id)).toEqual([TOKEN.secret]);
      await lose(id);
    }
  });

  it("is inherited by sessions that start from it, each with its own ciphertexts", async () => {
    useKeys("k1");
    const id = await create();
    const { id: snapshotId } = value(await sessionOf(id).snapshot(ALICE));
    const resumed = await create({}, { env: undefined, resumeSessionId: id });
    const forked = await create(
      {},
      { env: undefined, resumeSessionId: resumed, forkSession: true },
    );
    const branched = await create({}, { env: { PLAIN: "other" }, snapshotId });
    for (const session of [resumed, forked]) {
      expect(await works(session)).toBe(true);
      expect(await secretOf(session)).toEqual([TOKEN.secret]);
    }
    expect(await works(branched)).toBe(false);
    expect(await secretOf(branched)).toEqual([TOKEN.secret]);
    const ciphertexts = new Set<string>();
    for (const session of [id, resumed, forked, branched]) {
      for (const [, text = ""] of (await stored(objectOf(session))).matchAll(
        /"encrypted":"([^"]+)"/g,
      )) {
        expect(ciphertexts).not.toContain(text);
        ciphertexts.add(text);
      }
    }
  });

  it("can't be decrypted in another session", async () => {
    useKeys("k1");
    const [id, other] = [await create(), await create()];
    const identity = await runInDurableObject(objectOf(id), (_, { storage }) =>
      storage.kv.get<{ config: object }>("identity"),
    );
    await runInDurableObject(objectOf(other), (_, { storage }) => {
      const own = storage.kv.get<object>("identity");
      storage.kv.put("identity", { ...own, config: identity?.config });
    });
    await lose(other);
    expect(await ask(other, CHECK)).toMatchObject({
      status: "failed",
      error: { message: expect.stringContaining('the key "k1" does not fit') },
    });
  });

  it("lets a repeated create be distinguished from another one, even if both arrive at once", async () => {
    useKeys("k1");
    const spec = aSpec({ config: { env: ENV }, requestHash: HASH });
    const repeat = (requestHash: string) =>
      sessionOf(spec.id).create(ALICE, { ...spec, requestHash });
    const other = HASH.replace("0", "1");
    const made = await Promise.all([repeat(HASH), repeat(other), repeat(HASH)]);
    expect(made.map((one) => one.ok)).toEqual([true, false, true]);
    expect(await stored(objectOf(spec.id))).not.toContain(HASH);
    await lose(spec.id);
    useKeys("k2", "k1");
    expect(await repeat(HASH)).toMatchObject({ ok: true });
    expect(await repeat(other)).toMatchObject({ failure: { code: "idempotency_mismatch" } });
    useKeys("k2");
    await lose(spec.id);
    expect(await repeat(HASH)).toMatchObject({
      failure: { code: "unavailable", message: expect.stringContaining('no key "k1"') },
    });
  });

  it("does not appear in the error of a message", async () => {
    useKeys("k1");
    const id = await create();
    if (!model) throw new Error("tests have a model");
    const failure = {
      type: "x",
      message: `it was ${TOKEN.secret}`,
      status: 400,
      requestId: null,
      retryable: false,
      retryAfterMs: null,
      began: false,
    };
    const draft = { content: [], usage: { start: null, delta: null } };
    vi.spyOn(model, "call").mockResolvedValue({ ok: false, failure, draft });
    const message = await ask(id, "hello");
    expect(message.error?.message).toBe("The model failed (x): it was [redacted]");
    expectNoClearText(JSON.stringify(await eventsOf(id)));
    expectNoClearText(await inIndex());
  });

  it("causes no encryption in a session without one", async () => {
    useKeys("k1");
    const calls = [vi.spyOn(encryption, "encrypt"), vi.spyOn(encryption, "decrypt")];
    const id = await createSession({ pattern: "hybrid" });
    await ask(id, "hello");
    await egress(id, "github.com");
    await createSession({ config: { resumeSessionId: id } });
    for (const call of calls) expect(call).not.toHaveBeenCalled();
  });
});

describe("an environment that was stored as plaintext", () => {
  it("is used as before, and encrypted with the next message", async () => {
    const id = await create();
    expect(await stored(objectOf(id))).toContain(PLAIN);
    await lose(id);
    useKeys("k1");
    expect(await secretOf(id)).toEqual([TOKEN.secret]);
    expect(await works(id)).toBe(true);
    expectNoClearText(await stored(objectOf(id)));
    await lose(id);
    expect(await works(id)).toBe(true);
    expect(await secretOf(id)).toEqual([TOKEN.secret]);
  });

  it.each(["maintenance", "a snapshot", "a copy"])("is encrypted by %s", async (by) => {
    const id = await create();
    useKeys("k1");
    if (by === "maintenance") await maintain(env, Date.now() + 3_600_000);
    if (by === "a snapshot") value(await sessionOf(id).snapshot(ALICE));
    if (by === "a copy") await create({}, { env: undefined, resumeSessionId: id });
    expectNoClearText(await stored(objectOf(id)));
    expectNoClearText(await inBucket());
  });

  it("is read from a snapshot as it is, and encrypted in the session that starts from it", async () => {
    const id = await create();
    const { id: snapshotId } = value(await sessionOf(id).snapshot(ALICE));
    useKeys("k1");
    const branched = await create({}, { env: undefined, snapshotId });
    expect(await works(branched)).toBe(true);
    expectNoClearText(await stored(objectOf(branched)));
  });

  it("stays readable if the object is lost at any step of its encryption", async () => {
    const { saveEnv } = SessionStore.prototype;
    for (const when of ["before", "after"]) {
      useKeys();
      const id = await create();
      useKeys("k1");
      let times = 0;
      const spy = vi.spyOn(SessionStore.prototype, "saveEnv").mockImplementation(function (
        this: SessionStore,
        ...saved
      ) {
        times += 1;
        if (when === "after") saveEnv.apply(this, saved);
        if (times === 1) throw new Error("lost in the middle of it");
        if (when === "before") saveEnv.apply(this, saved);
      });
      expect(await works(id)).toBe(true);
      expect(await stored(objectOf(id))).toContain(PLAIN);
      await lose(id);
      expect(await works(id)).toBe(true);
      expect(times).toBe(2);
      expectNoClearText(await stored(objectOf(id)));
      spy.mockRestore();
    }
  });
});

describe("after a key rotation", () => {
  it("the new key replaces the old one, which can then be removed", async () => {
    useKeys("k1");
    const [used, idle] = [await create(), await create()];
    await lose(used);
    await lose(idle);
    useKeys("k2", "k1");
    expect(await works(used)).toBe(true);
    await maintain(env, Date.now() + 3_600_000);
    for (const id of [used, idle]) {
      expect(keysIn(await stored(objectOf(id)))).toEqual(["k2"]);
      await lose(id);
    }
    useKeys("k2");
    for (const id of [used, idle]) {
      expect(await works(id)).toBe(true);
      expect(await secretOf(id)).toEqual([TOKEN.secret]);
    }
  });

  it("earlier snapshots are decrypted with their own key, and new ones are encrypted with the new key", async () => {
    useKeys("k1");
    const id = await create();
    const before = value(await sessionOf(id).snapshot(ALICE)).id;
    await lose(id);
    useKeys("k2", "k1");
    const after = value(await sessionOf(id).snapshot(ALICE)).id;
    expect(keysIn(await inBucket(snapshotKey(before)))).toEqual(["k1"]);
    expect(keysIn(await inBucket(snapshotKey(after)))).toEqual(["k2"]);
    for (const snapshotId of [before, after]) {
      const branched = await create({}, { env: undefined, snapshotId });
      expect(await works(branched)).toBe(true);
      expect(keysIn(await stored(objectOf(branched)))).toEqual(["k2"]);
    }
  });
});

describe("without its encryption key, a session", () => {
  const NO_KEY = `The session's env can't be read: ENCRYPTION_KEYS has no key "k1".`;

  it("fails its messages with this reason, answers other calls, and works again when the key is back", async () => {
    useKeys("k1");
    const id = await create();
    await lose(id);
    useKeys("k2");
    const session = sessionOf(id);
    for (let times = 0; times < 2; times++) {
      expect(await ask(id, CHECK)).toMatchObject({
        status: "failed",
        numTurns: 0,
        error: { type: "unavailable_error", message: NO_KEY },
      });
    }
    expect(value(await session.read(ALICE))).toMatchObject({ status: "active", totalCostNanos: 0 });
    expect(value(await session.messages(ALICE, { after: 0, limit: 9 })).messages).toHaveLength(2);
    expect(await typesOf(id)).not.toContain("turn.started");
    value(await session.update(ALICE, { description: "changed" }));
    value(await session.snapshot(ALICE));
    await maintain(env, Date.now() + 3_600_000);
    expect(await egress(id, "github.com")).toEqual({ to: "host", replacements: [] });
    expect(await egress(id)).toEqual({ to: "nowhere" });
    useKeys("k2", "k1");
    expect(await works(id)).toBe(true);
    expect(await secretOf(id)).toEqual([TOKEN.secret]);
  });

  it("that is ephemeral ends with this reason", async () => {
    useKeys("k1");
    const id = await create({ pattern: "ephemeral" });
    await lose(id);
    useKeys();
    expect(await ask(id, CHECK)).toMatchObject({ status: "failed", error: { message: NO_KEY } });
    expect(value(await sessionOf(id).read(ALICE))).toMatchObject({ status: "error" });
  });

  it("can't be resumed, and the attempt leaves nothing behind", async () => {
    useKeys("k1");
    const id = await create();
    const { id: snapshotId } = value(await sessionOf(id).snapshot(ALICE));
    useKeys("k2");
    await lose(id);
    for (const origin of [{ resumeSessionId: id }, { snapshotId }]) {
      const spec = aSpec({ id: newSessionId(), config: { ...origin, env: { OTHER: "other" } } });
      expect(await sessionOf(spec.id).create(ALICE, spec)).toEqual({
        ok: false,
        failure: {
          code: "unavailable",
          message: `The env of the session to start from can't be read: ENCRYPTION_KEYS has no key "k1".`,
        },
      });
      expect(await stored(objectOf(spec.id))).toBe("[]");
    }
    await vi.waitFor(async () => expect(await inBucket("copies/")).toBe(""));
  });

  it("can be resumed if a new value is given for each variable", async () => {
    useKeys("k1");
    const id = await create();
    await lose(id);
    useKeys("k2");
    const resumed = await create({}, { resumeSessionId: id });
    expect(await works(resumed)).toBe(true);
    expect(await secretOf(resumed)).toEqual([TOKEN.secret]);
  });
});

describe("a snapshot's manifest", () => {
  it("contains the environment as plaintext if there is no encryption key", async () => {
    const id = await create();
    const snapshot = value(await sessionOf(id).snapshot(ALICE));
    const manifest = await new SnapshotBucket(env.SNAPSHOTS).manifest(snapshotKey(snapshot.id));
    expect(manifest?.env).toMatchObject(ENV);
  });
});
