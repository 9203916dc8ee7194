import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSettings } from "../settings";
import { DecryptionError, type Encrypted, Encryption, type StoredText } from "./encryption";

/** Returns the key with an id; each id has a different key. */
const key = (id: string) => ({ id, base64: btoa(id.padEnd(32, "k").slice(0, 32)) });
const under = (...ids: string[]) => new Encryption(ids.map(key));
const PLACE = ["env", "sess_1", "TOKEN"];
const encrypted = (stored: StoredText): Encrypted => {
  if (typeof stored === "string") throw new Error("it is in clear");
  return stored;
};

describe("a text", () => {
  it("is decrypted to the same text, and only for its place", async () => {
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

  it("has a different ciphertext each time, which reveals nothing of it", async () => {
    const encryption = under("one");
    const stored = [
      await encryption.encrypt("s3cret", PLACE),
      await encryption.encrypt("s3cret", PLACE),
    ];
    expect(new Set(stored.map((one) => encrypted(one).encrypted)).size).toBe(2);
    expect(JSON.stringify(stored)).not.toContain("s3cret");
    expect(encrypted(stored[0] ?? "").encrypted).toMatch(/^one:[\w+/]+=*$/);
  });

  it("with a changed character can't be decrypted", async () => {
    const encryption = under("one");
    // With a 12-byte IV and a 16-byte tag the base64 has no padding, so each character matters.
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

  it("stays plaintext without keys, and plaintext stays readable with keys", async () => {
    expect(await under().encrypt("plain", PLACE)).toBe("plain");
    expect(await under("one").decrypt("plain", PLACE)).toBe("plain");
  });

  it("is decrypted with any key, and encrypted with the first", async () => {
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

  it("is current under the first key, or as plaintext without keys", async () => {
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

  it("are empty by default, and keep their order", () => {
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

it("a hash is the same for the same text and key, and can't be computed without the key", async () => {
  const hashes = [under("one", "two"), under("one"), under("two"), under()].map((encryption) =>
    encryption.digest("text"),
  );
  const [both, one, two, none] = await Promise.all(hashes);
  expect(both).toBe(one);
  expect(new Set([one, two, none]).size).toBe(3);
  expect(await under().digest("other")).not.toBe(none);
  expect(one).toMatch(/^[0-9a-f]{64}$/);
});
