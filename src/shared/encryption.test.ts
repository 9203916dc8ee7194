import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSettings } from "../settings";
import { DecryptionError, type Encrypted, Encryption, type StoredText } from "./encryption";

/** A key of that id; every id has one of its own. */
const key = (id: string) => ({ id, base64: btoa(id.padEnd(32, "k").slice(0, 32)) });
const under = (...ids: string[]) => new Encryption(ids.map(key));
const PLACE = ["env", "sess_1", "TOKEN"];
const encrypted = (stored: StoredText): Encrypted => {
  if (typeof stored === "string") throw new Error("it is in clear");
  return stored;
};

describe("a text", () => {
  it("is read again as it was, in its place only", async () => {
    const place = fc.array(fc.string(), { maxLength: 3 });
    const text = fc.string({ unit: "grapheme" });
    await fc.assert(
      fc.asyncProperty(text, place, place, async (text, place, other) => {
        const encryption = under("one");
        const stored = await encryption.encrypt(text, place);
        expect(await encryption.decrypt(stored, place)).toBe(text);
        if (JSON.stringify(place) === JSON.stringify(other)) return;
        await expect(encryption.decrypt(stored, other)).rejects.toThrow(DecryptionError);
      }),
    );
  });

  it("is another ciphertext each time, which holds nothing of it", async () => {
    const encryption = under("one");
    const stored = [
      await encryption.encrypt("s3cret", PLACE),
      await encryption.encrypt("s3cret", PLACE),
    ];
    expect(new Set(stored.map((one) => encrypted(one).encrypted)).size).toBe(2);
    expect(JSON.stringify(stored)).not.toContain("s3cret");
    expect(encrypted(stored[0] ?? "").encrypted).toMatch(/^one:[\w+/]+=*$/);
  });

  it("of which a character was changed can't be read", async () => {
    const encryption = under("one");
    // With 12 bytes of IV and 16 of tag it needs no padding, so that each character matters.
    const { encrypted: whole } = encrypted(await encryption.encrypt("a secret", PLACE));
    for (let at = "one:".length; at < whole.length; at++) {
      const other = whole[at] === "A" ? "B" : "A";
      const changed = { encrypted: whole.slice(0, at) + other + whole.slice(at + 1) };
      await expect(encryption.decrypt(changed, PLACE)).rejects.toThrow(
        'the key "one" does not fit',
      );
    }
    for (const broken of ["one:", "one:?", `one:${whole}`]) {
      await expect(encryption.decrypt({ encrypted: broken }, PLACE)).rejects.toThrow(
        DecryptionError,
      );
    }
  });

  it("stays in clear without keys, and is read in clear with them", async () => {
    expect(await under().encrypt("plain", PLACE)).toBe("plain");
    expect(await under("one").decrypt("plain", PLACE)).toBe("plain");
  });

  it("is read with any key, and encrypted with the first", async () => {
    const stored = await under("old").encrypt("s3cret", PLACE);
    expect(await under("new", "old").decrypt(stored, PLACE)).toBe("s3cret");
    expect(encrypted(await under("new", "old").encrypt("s3cret", PLACE)).encrypted).toMatch(
      /^new:/,
    );
    await expect(under("new").decrypt(stored, PLACE)).rejects.toThrow(
      'ENCRYPTION_KEYS has no key "old"',
    );
    await expect(under().decrypt(stored, PLACE)).rejects.toThrow(DecryptionError);
    const impostor = new Encryption([{ id: "old", base64: key("new").base64 }]);
    await expect(impostor.decrypt(stored, PLACE)).rejects.toThrow('the key "old" does not fit');
  });

  it("is current under the first key, or in clear where there is none", async () => {
    const stored = await under("old").encrypt("s3cret", PLACE);
    const current = (...ids: string[]) =>
      [stored, "plain"].map((one) => under(...ids).isCurrent(one));
    expect(current("old")).toEqual([true, false]);
    expect(current("new", "old")).toEqual([false, false]);
    expect(current()).toEqual([true, true]);
  });
});

describe("ENCRYPTION_KEYS", () => {
  const text = (...ids: string[]) => ids.map((id) => `${id}:${key(id).base64}`).join(",");

  it("are none unless they are set, and keep their order", () => {
    expect(readSettings({}).ENCRYPTION_KEYS).toEqual([]);
    const ENCRYPTION_KEYS = text("2026-11", "older");
    expect(readSettings({ ENCRYPTION_KEYS }).ENCRYPTION_KEYS).toEqual([
      key("2026-11"),
      key("older"),
    ]);
  });

  it.each([
    "",
    key("a").base64,
    `a:${btoa("k".repeat(16))}`,
    `a:${btoa("k".repeat(33))}`,
    `:${key("a").base64}`,
    `a b:${key("a").base64}`,
    `${text("a")},`,
    text("a", "a"),
  ])("are refused by their name, and not shown: %s", (ENCRYPTION_KEYS) => {
    const read = () => readSettings({ ENCRYPTION_KEYS });
    expect(read).toThrow(/ENCRYPTION_KEYS: (must be a list|names a key twice)/);
    expect(read).not.toThrow(/[A-Za-z0-9+/]{20}/);
  });
});
