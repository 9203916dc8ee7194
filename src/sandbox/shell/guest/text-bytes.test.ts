import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decoded, utf8Length } from "./text-bytes";

const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Texts of all kinds, lone surrogates included. */
const texts = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes)),
);
const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes);

describe("text and bytes of the shell", () => {
  it("measure a text as UTF-8 has it", () => {
    fc.assert(fc.property(texts, (text) => utf8Length(text) === utf8.encode(text).length));
  });

  it("decode the bytes of a text", () => {
    fc.assert(
      fc.property(texts, (given) => {
        const text = given.toWellFormed();
        expect(decoded(latin1(utf8.encode(text)))).toBe(text);
      }),
    );
  });

  it("leave what is no UTF-8, and what is text already", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = latin1(bytes);
        let expected = text;
        try {
          expected = strict.decode(bytes);
        } catch {}
        expect(decoded(text)).toBe(expected);
      }),
    );
    expect(decoded("Ã¼ 世界")).toBe("Ã¼ 世界");
  });
});
