import { describe, expect, it } from "vitest";
import { archiveOf, contentOf, imageTypeOf, textOf } from "./content.ts";

const answer = (content: BodyInit) => async () => new Response(content);
const unasked = async (): Promise<Response> => {
  throw new Error("was asked");
};

describe("contentOf", () => {
  it("shows text, also such as a browser would run", async () => {
    const text = "<script>alert(1)</script> ü";
    expect(await contentOf("page.html", 27, answer(text))).toEqual({
      ...{ kind: "text", text, isCut: false },
    });
  });

  it("asks for no more than it shows, and shows no more if it gets more", async () => {
    const asked: number[] = [];
    const text = "ü".repeat(200_000);
    const shown = await contentOf("log.txt", 400_000, async (bytes) => {
      asked.push(bytes);
      return new Response(text, { headers: { "Content-Length": "400000" } });
    });
    expect(asked).toEqual([262_144]);
    expect(shown).toEqual({ kind: "text", text: "ü".repeat(131_072), isCut: true });
  });

  it("shows neither other bytes, nor an image that is too large", async () => {
    expect(await contentOf("a.out", 3, answer(new Uint8Array([127, 0, 1])))).toMatchObject({
      kind: "none",
    });
    expect(await contentOf("a.png", 9_000_000, unasked)).toMatchObject({ kind: "none" });
    const link = async () =>
      new Response("a", { headers: { "Content-Range": "bytes 0-8388607/9000000" } });
    expect(await contentOf("link.png", null, link)).toMatchObject({ kind: "none" });
  });

  it("asks for nothing of an empty file", async () => {
    expect(await contentOf("empty", 0, unasked)).toMatchObject({ kind: "text", text: "" });
  });
});

it.each([
  ["a.PNG", "image/png"],
  ["dir.png/readme", undefined],
  ["chart.svg", "image/svg+xml"],
  ["a.constructor", undefined],
  ["png", undefined],
])("the type of the image %s is %s", (path, type) => {
  expect(imageTypeOf(path)).toBe(type);
});

it.each([
  [[0xc3, 0xbc], "ü"],
  [[0x61, 0xc3], "a"],
  [[0xff, 0x61], null],
  [[0x61, 0x00], null],
])("the bytes %j are the text %j", (bytes, text) => {
  expect(textOf(new Uint8Array(bytes))).toBe(text);
});

describe("archiveOf", () => {
  it("returns an archive that is complete, and no other", async () => {
    const whole = new Uint8Array(2_048).fill(1, 0, 1_024);
    expect((await archiveOf(new Response(whole))).size).toBe(2_048);
    for (const cut of [whole.subarray(0, 2_000), whole.subarray(0, 512), new Uint8Array()]) {
      await expect(archiveOf(new Response(cut))).rejects.toThrow("broke off");
    }
  });
});
