import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ACTOR } from "../testing/accounts";
import { loseObject, tablesOf, until } from "../testing/sessions";
import type { Powers } from "./keys";
import type { AccountRpc, KeyRequest } from "./rpc";

const ADMIN: Powers = { scopes: ["admin"], tools: null, expiresAt: null };

const stubOf = (name: string) => env.ACCOUNTS.getByName(name);
const objectOf = (name: string) => stubOf(name) as unknown as AccountRpc;

function anAccount() {
  const name = crypto.randomUUID();
  return { name, account: () => objectOf(name), stub: () => stubOf(name) };
}

const aKey = (parts: Partial<KeyRequest> = {}): KeyRequest => ({
  id: `key_${crypto.randomUUID()}`,
  owner: "acme",
  name: "ci",
  hash: crypto.randomUUID(),
  scopes: ["sessions:write"],
  tools: null,
  expiresAt: null,
  ...parts,
});

describe("an account", () => {
  it("that was never written to answers, and leaves nothing", async () => {
    const { account, stub } = anAccount();
    expect(await account().identify("x")).toEqual({ state: "unknown" });
    expect(await account().keys({ before: null, limit: 10 })).toEqual({ keys: [], next: null });
    const gone = { failure: { code: "not_found" } };
    expect(await account().key("key_1")).toMatchObject(gone);
    expect(await account().revokeKey("key_1", ACTOR)).toMatchObject(gone);
    const rotation = { hash: "h", graceMs: 0, by: ADMIN };
    expect(await account().rotateKey("key_1", rotation, ACTOR)).toMatchObject(gone);
    expect(await tablesOf(stub())).toEqual([]);
  });

  it("has its keys after each loss of its object: made, rotated and revoked once", async () => {
    const { account, stub } = anAccount();
    const key = aKey();
    const rotation = { hash: "second", graceMs: 60_000, by: ADMIN };
    const steps: (() => Promise<unknown>)[] = [
      () => account().createKey(key, ACTOR),
      () => account().rotateKey(key.id, rotation, ACTOR),
      () => account().revokeKey(key.id, ACTOR),
    ];
    for (const step of steps) {
      const first = await step();
      await loseObject(stub());
      // The caller got no answer, and asks again.
      expect(await step()).toEqual(first);
      await evictDurableObject(stub());
      expect((await account().keys({ before: null, limit: 10 })).keys).toHaveLength(1);
      const state = step === steps[2] ? "revoked" : "valid";
      expect(await account().identify(key.hash)).toMatchObject({ state });
    }
  });

  it("refuses another key with the id of one, and says which", async () => {
    const { account } = anAccount();
    const key = aKey();
    await account().createKey(key, ACTOR);
    expect(await account().createKey({ ...key, hash: "other" }, ACTOR)).toMatchObject({
      failure: { code: "idempotency_mismatch", details: { keyId: key.id } },
    });
    expect(await account().identify("other")).toEqual({ state: "unknown" });
  });

  it("lists keys page by page, the newest first", async () => {
    const { account } = anAccount();
    for (const name of ["a", "b", "c"]) await account().createKey(aKey({ name }), ACTOR);
    const first = await account().keys({ before: null, limit: 2 });
    const second = await account().keys({ before: first.next, limit: 2 });
    expect([first, second].map(({ keys }) => keys.map(({ name }) => name))).toEqual([
      ["c", "b"],
      ["a"],
    ]);
    expect(second.next).toBeNull();
  });

  it("writes once for many uses of a key", async () => {
    const { account, stub } = anAccount();
    const key = aKey();
    await account().createKey(key, ACTOR);
    const written = () =>
      runInDurableObject(stub(), (_, { storage }) =>
        Number(storage.sql.exec("SELECT total_changes() AS n").one().n),
      );
    // The audit log of all owners has its creation by then.
    await until(() =>
      runInDurableObject(
        stub(),
        (_, { storage }) =>
          storage.sql.exec("SELECT 1 FROM audit WHERE forwarded = 0").toArray().length === 0,
      ),
    );
    const before = await written();
    for (let uses = 0; uses < 5; uses++) await account().identify(key.hash);
    expect(await written()).toBe(before + 1);
    expect(await account().key(key.id)).toMatchObject({
      value: { lastUsedAt: expect.any(Number) },
    });
  });

  it("does not rotate a key that gives more than the caller has, nor one that has ended", async () => {
    const { account } = anAccount();
    const strong = aKey({ scopes: ["admin"] });
    const expired = aKey({ expiresAt: Date.now() - 1 });
    const revoked = aKey();
    for (const key of [strong, expired, revoked]) await account().createKey(key, ACTOR);
    await account().revokeKey(revoked.id, ACTOR);
    const by: Powers = { ...ADMIN, scopes: ["keys:write", "sessions:write"] };
    const rotate = (id: string, whose = ADMIN) =>
      account().rotateKey(id, { hash: "mine", graceMs: 0, by: whose }, ACTOR);
    expect(await rotate(strong.id, by)).toMatchObject({ failure: { code: "forbidden" } });
    for (const { id } of [expired, revoked]) {
      expect(await rotate(id)).toMatchObject({ failure: { code: "key_ended" } });
    }
    expect(await account().identify("mine")).toEqual({ state: "unknown" });
  });

  it("has a thousand keys that can be used at most; those of no use do not count, and are forgotten", async () => {
    const { account, stub } = anAccount();
    const [first, second] = [aKey(), aKey()];
    for (const key of [first, second]) await account().createKey(key, ACTOR);
    await addMany(stub(), 998, null);
    const refused = { failure: { code: "too_many_keys" } };
    expect(await account().createKey(aKey(), ACTOR)).toMatchObject(refused);
    await account().revokeKey(first.id, ACTOR);
    expect(await account().createKey(aKey(), ACTOR)).toMatchObject({ ok: true });
    expect(await account().createKey(aKey(), ACTOR)).toMatchObject(refused);
    await account().revokeKey(second.id, ACTOR);
    await runInDurableObject(stub(), (_, { storage }) =>
      storage.sql.exec("UPDATE keys SET revoked_at = revoked_at - ?", 90 * 86_400_000),
    );
    const listed = async () => (await account().keys({ before: null, limit: 2_000 })).keys.length;
    expect(await listed()).toBe(999);
    await account().createKey(aKey(), ACTOR);
    for (const { id } of [first, second]) {
      expect(await account().key(id)).toMatchObject({ ok: false });
    }
  });

  it("lists a thousand keys that have ended at most, the newest", async () => {
    const { account, stub } = anAccount();
    const [oldest, newest] = [aKey(), aKey()];
    await account().createKey(oldest, ACTOR);
    await addMany(stub(), 1_001, Date.now());
    await account().createKey(newest, ACTOR);
    for (const { id } of [oldest, newest]) await account().revokeKey(id, ACTOR);
    await account().createKey(aKey(), ACTOR);
    expect((await account().keys({ before: null, limit: 2_000 })).keys).toHaveLength(1_001);
    expect(await account().key(oldest.id)).toMatchObject({ ok: false });
    expect(await account().key(newest.id)).toMatchObject({ ok: true });
  });
});

/** Adds keys to an account that has some, revoked at a time or not. */
const addMany = (stub: DurableObjectStub, count: number, revokedAt: number | null) =>
  runInDurableObject(stub, (_, { storage }) => {
    storage.sql.exec(
      `WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < ?)
       INSERT INTO keys (id, name, owner, hash, scopes, created_at, revoked_at)
       SELECT 'key_' || n, 'many', 'acme', 'hash ' || n, '[]', 0, ? FROM count`,
      count,
      revokedAt,
    );
  });
