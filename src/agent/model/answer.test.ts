import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aLie } from "../../testing/lying-upstream";
import { type AnswerRecord, readAnswer, textOfAnswer } from "./answer";

/** A body whose bytes come in pieces that end at some places. */
function inPieces(text: string, cuts: number[]): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])];
  ends.sort((one, other) => one - other);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const end = ends.shift();
      if (end === undefined) return controller.close();
      controller.enqueue(bytes.slice(at, end));
      at = end;
    },
  });
}

/** The records of an answer, or what was wrong with it. */
async function recordsOf(text: string, cuts: number[] = []): Promise<AnswerRecord[] | string> {
  const records: AnswerRecord[] = [];
  try {
    for await (const record of readAnswer(inPieces(text, cuts))) records.push(record);
    return records;
  } catch (error) {
    return error instanceof SyntaxError ? "unreadable" : String(error);
  }
}

/** The types of the events in an answer. */
async function typesOf(text: string): Promise<string[]> {
  const records = await recordsOf(text);
  if (typeof records === "string") throw new Error(records);
  return records.flatMap(({ event }) => (event ? [event.type] : []));
}

describe("an answer", () => {
  it("is the same records however its bytes are cut", async () => {
    const cuts = fc.array(fc.nat(5_000), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(aLie, cuts, async ({ body }, cuts) => {
        const whole = await recordsOf(body);
        expect(await recordsOf(body, cuts)).toEqual(whole);
        const bytes = new TextEncoder().encode(body).length;
        if (bytes > 500) return;
        const each = Array.from({ length: bytes }, (_, n) => n);
        expect(await recordsOf(body, each)).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  it.each(["\n", "\r\n", "\r"])("may break its lines by %j", async (br) => {
    const records = [
      `event: a${br}data: {"type":"a"}${br}${br}`,
      `: a comment${br}${br}`,
      `data: {"type":"b",${br}data: "x":1}${br}${br}`,
      `data: nameless${br}${br}event: ping${br}data: {}${br}${br}`,
    ];
    expect(await typesOf(records.join(""))).toEqual(["a", "b"]);
  });

  it("that is a reply in plain JSON is the events that it would have been streamed as", async () => {
    const content = [
      { type: "thinking", thinking: "hm", signature: "s" },
      { type: "text", text: "Look:" },
      { type: "tool_use", id: "toolu_1", name: "Bash", input: { command: "ls" } },
      { type: "redacted_thinking", data: "x" },
    ];
    const usage = { input_tokens: 5, output_tokens: 7 };
    const reply = { type: "message", id: "msg_1", content, stop_reason: "tool_use", usage };
    const records = await recordsOf(
      `\n ${JSON.stringify(reply, null, 2).replaceAll("\n", "\n\n")}`,
    );
    if (typeof records === "string") throw new Error(records);
    expect(records.map(({ event }) => event)).toMatchObject([
      { type: "message_start", message: { id: "msg_1", content: [], usage } },
      { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "" } },
      { delta: { type: "thinking_delta", thinking: "hm" } },
      { delta: { type: "signature_delta", signature: "s" } },
      { type: "content_block_stop", index: 0 },
      { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
      { delta: { type: "text_delta", text: "Look:" } },
      { type: "content_block_stop", index: 1 },
      { type: "content_block_start", index: 2, content_block: { id: "toolu_1", input: {} } },
      { delta: { type: "input_json_delta", partial_json: '{"command":"ls"}' } },
      { type: "content_block_stop", index: 2 },
      { type: "content_block_start", index: 3, content_block: { data: "x" } },
      { type: "content_block_stop", index: 3 },
      { type: "message_delta", delta: { stop_reason: "tool_use" }, usage },
      { type: "message_stop" },
    ]);
    for (const { text, event } of records) expect(text).toContain(JSON.stringify(event));
  });

  it.each([
    ['{"type":"error","error":{"type":"overloaded_error"}}', ["error"]],
    ["{}", []],
    ['{"type":"message","content":7}', []],
    ["<html>", []],
    ["", []],
  ])("of %j holds %j", async (text, types) => expect(await typesOf(text)).toEqual(types));

  it.each([
    ["a record that never ends", `event: a\ndata: ${"x".repeat(5 << 20)}`],
    ["plain JSON that never ends", `{"type":"message","x":"${"x".repeat(5 << 20)}`],
    ["no end at all", ": keep-alive\n\n".repeat(2 << 20)],
    ["JSON that breaks off", '{"type":"mess'],
    ["an event of no type", "event: a\ndata: {}\n\n"],
  ])("of %s is unreadable", async (_, text) => {
    expect(await recordsOf(text)).toBe("unreadable");
  });
});

describe("an answer that is no reply", () => {
  it("is read as far as it may be of use", async () => {
    expect(await textOfAnswer(new Response("busy"))).toBe("busy");
    expect(await textOfAnswer(new Response(null))).toBe("");
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new TextEncoder().encode("x".repeat(10_000))),
    });
    expect((await textOfAnswer(new Response(endless))).length).toBe(64 << 10);
  });
});
