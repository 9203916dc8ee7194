import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isSessionId } from "../shared/session-id";
import { hashOf, isMessageId, newMessageId, newSessionId } from "./ids";

describe("ids", () => {
  it("are the same for the same owner and key, and for no other pair", async () => {
    const first = await newSessionId("a", "bc");
    expect(first).toBe(await newSessionId("a", "bc"));
    expect(first).not.toBe(await newSessionId("ab", "c"));
    expect(first).not.toBe(await newSessionId('a","b', "c"));
    expect(first.slice(5)).not.toBe((await newMessageId("a", "bc")).slice(4));
  });

  it("are random without a key", async () => {
    const made = await Promise.all([newSessionId("a", undefined), newSessionId("a", undefined)]);
    expect(made[0]).not.toBe(made[1]);
  });

  it("are recognised by their form", async () => {
    expect(isSessionId(await newSessionId("a", undefined))).toBe(true);
    expect(isSessionId(await newSessionId("a", "key"))).toBe(true);
    expect(isMessageId(await newMessageId("a", "key"))).toBe(true);
    expect(isSessionId(await newMessageId("a", "key"))).toBe(false);
    expect(isSessionId(`${await newSessionId("a", "key")}\n`)).toBe(false);
  });
});

describe("hashOf", () => {
  it("does not depend on the order of keys", async () => {
    expect(await hashOf({ a: 1, b: { c: [1, 2], d: null } })).toBe(
      await hashOf({ b: { d: null, c: [1, 2] }, a: 1 }),
    );
  });

  it("differs for different values", async () => {
    const value = fc.jsonValue();
    const property = fc.asyncProperty(value, value, async (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      if (!same && (await hashOf(a)) === (await hashOf(b))) expect(a).toEqual(b);
      if (same) expect(await hashOf(a)).toBe(await hashOf(b));
    });
    await fc.assert(property);
  });
});
