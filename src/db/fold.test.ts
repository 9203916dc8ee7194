import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { aSessionRow, emptyMirror, putSessions } from "../testing/rows";
import { fold } from "./fold";
import { listSessions } from "./list";

const BLOCK = 0x100;

/** Yields every character that has an upper or lower case, with its neighbours. */
function* characters(): Generator<string> {
  for (let start = 0; start <= 0x10ffff; start += BLOCK) {
    const points = Array.from({ length: BLOCK }, (_, index) => start + index);
    const block = String.fromCodePoint(...points);
    if (block !== block.toLowerCase() || block !== block.toUpperCase()) yield* block;
  }
}

describe("fold", () => {
  it("is the same for a character, its upper case, its lower case and its folded form", () => {
    const wrong: string[] = [];
    for (const character of characters()) {
      const folded = fold(character);
      const others = [character.toUpperCase(), character.toLowerCase(), folded];
      if (others.some((other) => fold(other) !== folded)) wrong.push(character);
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    ["İ", "i\u0307"],
    ["Straße", "strasse"],
    ["ẞ", "ss"],
    ["ΟΔΟΣ ὁδός", "οδοσ ὁδόσ"],
    ["ﬁn", "fin"],
    ["\u212a", "k"],
    ["𐐀", "𐐨"],
    ["中a😀", "中a😀"],
  ])("makes of %s %s", (text, folded) => {
    expect(fold(text)).toBe(folded);
  });
});

describe("a search", () => {
  beforeEach(() => emptyMirror(env.DB));

  const finds = async (search: string) => {
    const { rows } = await listSessions(env.DB, {
      owner: "acme",
      sort: "createdAt",
      pageSize: 100,
      search,
    });
    return rows.map(({ description }) => description);
  };

  it.each([
    ["İ", "İstanbul"],
    ["i", "İSTANBUL"],
    ["İSTANBUL", "i\u0307stanbul"],
    ["STRASSE", "Hauptstraße 1"],
    ["straße", "HAUPTSTRASSE"],
    ["ß", "GROẞ"],
    ["ΟΔΟΣ", "ο οδος"],
    ["office", "the oﬃce"],
    ["𐐀", "a𐐨"],
  ])("for %s finds %s", async (search, description) => {
    await putSessions(env.DB, [
      aSessionRow({ description }),
      aSessionRow({ description: "other" }),
    ]);
    expect(await finds(search)).toEqual([description]);
  });

  it("finds a letter that is the end of many foldings", async () => {
    await putSessions(env.DB, [aSessionRow({ description: "μaιﬁa" })]);
    expect(await finds("ΙFI")).toEqual(["μaιﬁa"]);
  });

  it("finds texts that contain it, case-insensitive in any alphabet", {
    timeout: 60_000,
  }, async () => {
    const special = [...characters()].filter((one) => fold(one) !== one && one > "\x7f");
    const folded = special.flatMap((one) => [...fold(one)]);
    const letter = fc.oneof(
      fc.constantFrom(..."aAbfFiIkKsS \u0307\0"),
      fc.constantFrom(..."İıßẞſﬁﬃſtΣςσΐᾳǅКк𐐀𐐨"),
      fc.constantFrom(...special),
      fc.constantFrom(...folded),
    );
    const text = fc.string({ unit: letter, minLength: 1, maxLength: 6 });
    const cases = fc.record({
      descriptions: fc.array(text, { minLength: 1, maxLength: 20 }),
      search: fc.string({ unit: letter, minLength: 1, maxLength: 4 }),
      cut: fc.tuple(
        fc.nat(20),
        fc.nat(4),
        fc.nat(4),
        fc.constantFrom("upper", "lower", "as it is"),
      ),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ descriptions, search, cut: [row, from, length, form] }) => {
        await emptyMirror(env.DB);
        await putSessions(
          env.DB,
          descriptions.map((description) => aSessionRow({ description })),
        );
        const taken = [...(descriptions[row % descriptions.length] ?? "")];
        const part = taken.slice(from % taken.length).slice(0, length + 1);
        const inForm = {
          upper: part.join("").toUpperCase(),
          lower: part.join("").toLowerCase(),
          "as it is": part.join(""),
        }[form];
        for (const sought of [search, inForm]) {
          const expected = descriptions.filter((one) => fold(one).includes(fold(sought)));
          expect(await finds(sought)).toEqual(expected);
        }
      }),
      { numRuns: 50 },
    );
  });
});
