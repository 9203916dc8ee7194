import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  grantProblem,
  identify,
  isUseNew,
  type Powers,
  type StoredKey,
  USE_NOTED_MS,
} from "./keys";
import { holds, SCOPES } from "./scopes";

const KEY: StoredKey = {
  id: "key_1",
  name: "ci",
  owner: "acme",
  scopes: ["sessions:write"],
  tools: null,
  createdAt: 1_000,
  expiresAt: null,
  lastUsedAt: null,
  revokedAt: null,
  hash: "new",
  previousHash: "old",
  previousUntil: 5_000,
};

describe("a secret identifies", () => {
  it("the key that has it, without its hashes", () => {
    const { hash: _, previousHash: _p, previousUntil: _u, ...key } = KEY;
    expect(identify(KEY, "new", 9_000)).toEqual({ state: "valid", key, until: null });
  });

  it("nobody if no key has it", () => {
    expect(identify(undefined, "new", 0)).toEqual({ state: "unknown" });
  });

  it("its key until the grace is over, if it was replaced", () => {
    expect(identify(KEY, "old", 4_999)).toMatchObject({ state: "valid", until: 5_000 });
    expect(identify(KEY, "old", 5_000)).toEqual({ state: "expired" });
  });

  it("its key until that expires, also during a grace", () => {
    const key = { ...KEY, expiresAt: 4_000 };
    expect(identify(key, "new", 3_999)).toMatchObject({ state: "valid", until: 4_000 });
    expect(identify(key, "old", 3_999)).toMatchObject({ state: "valid", until: 4_000 });
    expect(identify(key, "new", 4_000)).toEqual({ state: "expired" });
  });

  it("nobody once its key was revoked, whatever else is true of it", () => {
    const key = { ...KEY, revokedAt: 2_000, expiresAt: 1_500 };
    for (const hash of ["new", "old"]) expect(identify(key, hash, 0)).toEqual({ state: "revoked" });
  });
});

it("a use is written when the last one was five minutes ago", () => {
  expect(isUseNew(KEY, 0)).toBe(true);
  expect(isUseNew({ ...KEY, lastUsedAt: 0 }, USE_NOTED_MS - 1)).toBe(false);
  expect(isUseNew({ ...KEY, lastUsedAt: 0 }, USE_NOTED_MS)).toBe(true);
});

describe("nobody grants", () => {
  const ALL: Powers = { scopes: ["admin"], tools: null, expiresAt: null };
  const tool = fc.constantFrom("Read", "Write", "Bash(git *)");
  const powers: fc.Arbitrary<Powers> = fc.record({
    scopes: fc.uniqueArray(fc.constantFrom(...SCOPES)),
    tools: fc.option(fc.uniqueArray(tool)),
    expiresAt: fc.option(fc.nat(5)),
  });

  it("more than they have: neither a scope, nor a tool, nor a time", () => {
    fc.assert(
      fc.property(powers, powers, (own, given) => {
        const mayGrant = grantProblem(own, given) === null;
        const hasScopes = given.scopes.every((scope) => holds(own.scopes, scope));
        const hasTools =
          own.tools === null || given.tools?.every((one) => own.tools?.includes(one)) === true;
        const hasTime = own.expiresAt === null || (given.expiresAt ?? Infinity) <= own.expiresAt;
        expect(mayGrant).toBe(hasScopes && hasTools && hasTime);
      }),
    );
  });

  it.each<[string, Powers, Partial<Powers>, string]>([
    ["a scope", { ...ALL, scopes: ["keys:write"] }, { scopes: ["admin"] }, "admin"],
    ["all tools", { ...ALL, tools: ["Read"] }, {}, "limited to some tools"],
    ["more time", { ...ALL, expiresAt: 5 }, {}, "expires before"],
  ])("%s, and is told why", (_, own, given, why) => {
    expect(grantProblem(own, { ...ALL, ...given })).toContain(why);
  });
});

it("sessions:write includes sessions:read, admin includes all, and nothing else includes another", () => {
  for (const scope of SCOPES) {
    const included = SCOPES.filter((other) => holds([scope], other));
    if (scope === "admin") expect(included).toEqual(SCOPES);
    else if (scope === "sessions:write") expect(included).toEqual(["sessions:read", scope]);
    else expect(included).toEqual([scope]);
  }
});
