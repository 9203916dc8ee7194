import { describe, expect, it } from "vitest";
import { readUpTo } from "./body";

/** Returns a body of these pieces, which then stays open or ends, and whether it was cancelled. */
function bodyOf(pieces: readonly string[], { ends }: { ends: boolean }) {
  const waiting = [...pieces];
  const sent = { cancelled: false };
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = waiting.shift();
      if (piece !== undefined)
        return controller.enqueue(Uint8Array.from(new TextEncoder().encode(piece)));
      if (ends) return controller.close();
      return new Promise(() => {});
    },
    cancel() {
      sent.cancelled = true;
    },
  });
  return { body, sent };
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("a bounded read of a body", () => {
  it.each([
    ["is whole below the bound", ["ab", "c"], 4, "abc", false],
    ["is whole at the bound", ["ab", "cd"], 4, "abcd", false],
    ["is cut above the bound, within a piece", ["ab", "cde"], 4, "abcd", true],
    ["is cut above the bound, between pieces", ["abcd", "e"], 4, "abcd", true],
    ["is cut of a bound of 0", ["a"], 0, "", true],
    ["is whole without a piece", [], 4, "", false],
  ])("%s", async (_, pieces, maxBytes, text, isCut) => {
    const read = await readUpTo(bodyOf(pieces, { ends: true }).body, maxBytes);
    expect({ ...read, bytes: textOf(read.bytes) }).toEqual({ bytes: text, isCut });
  });

  it("is empty without a body", async () => {
    expect(await readUpTo(null, 4)).toEqual({ bytes: new Uint8Array(), isCut: false });
  });

  it("cancels what is above the bound, and does not wait for its end", async () => {
    const { body, sent } = bodyOf(["abcde"], { ends: false });
    expect((await readUpTo(body, 4)).isCut).toBe(true);
    expect(sent.cancelled).toBe(true);
  });

  it("ends with the reason of its signal when a sender stops sending", async () => {
    const { body, sent } = bodyOf(["ab"], { ends: false });
    const over = new AbortController();
    const reading = readUpTo(body, 4, over.signal);
    over.abort(new Error("too late"));
    await expect(reading).rejects.toThrow("too late");
    expect(sent.cancelled).toBe(true);
  });

  it("reads nothing when its signal has aborted before", async () => {
    const { body, sent } = bodyOf(["ab"], { ends: true });
    await expect(readUpTo(body, 4, AbortSignal.abort(new Error("over")))).rejects.toThrow("over");
    expect(sent.cancelled).toBe(true);
  });

  it("fails as its body does", async () => {
    const broken = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.error(new Error("broken off")),
    });
    await expect(readUpTo(broken, 4)).rejects.toThrow("broken off");
  });
});
