import { describe, expect, it } from "vitest";
import { aClient } from "../../testing/api-client";

const client = aClient();

const book = {
  type: "object",
  properties: {
    title: { type: "string", minLength: 3 },
    year: { type: "integer", minimum: 1450 },
    authors: {
      type: "array",
      minItems: 1,
      items: { $ref: "#/$defs/Author" },
    },
  },
  required: ["title", "year"],
  $defs: {
    Author: {
      type: "object",
      properties: { name: { type: "string" }, born: { type: ["integer", "null"] } },
      required: ["name"],
    },
  },
};
const EMMA = { title: "Emma", year: 1815, authors: [{ name: "Austen", born: 1775 }] };

const create = (outputSchema: unknown = book, more: object = {}) =>
  client.create({ config: { outputSchema, ...more } });
const say = (value: unknown) => `Which book?\n/say ${JSON.stringify(value)}`;
const send = (id: string, prompt: string, more: object = {}) =>
  client.post(`/api/sessions/${id}/message`, { prompt, ...more });
const newest = async (id: string) => {
  const { body } = await client.get(`/api/sessions/${id}/messages`);
  return (body as { messages: unknown[] }).messages.at(-1);
};

describe("a session with an outputSchema", () => {
  it("answers with a value that matches, and its text", async () => {
    const { id } = await create();
    const output = { title: "offline", year: 1450, authors: [{ name: "offline", born: 0 }] };
    expect(await client.ask(id, { prompt: "Which book?" })).toMatchObject({
      status: "completed",
      stopReason: "end_turn",
      result: JSON.stringify(output),
      output,
      error: null,
    });
  });

  it("answers with the JSON that the prompt gives", async () => {
    const { id } = await create();
    expect(await client.ask(id, { prompt: say(EMMA) })).toMatchObject({ output: EMMA });
    expect(await newest(id)).toMatchObject({ output: EMMA });
  });

  it("may call tools first, and uses only the final answer as the result", async () => {
    const { id } = await create();
    const prompt = `Look first.\n/say Let me see.\n/Bash {"command":"echo hi"}\n/say ${JSON.stringify(EMMA)}`;
    expect(await client.ask(id, { prompt })).toMatchObject({
      status: "completed",
      output: EMMA,
      toolsUsed: ["Bash"],
      numTurns: 2,
    });
  });

  it.each([
    ["is not JSON", "Which?\n/say It is Emma.", "it is not JSON"],
    ["lacks a property", say({ title: "Emma" }), 'required property "year"'],
    [
      "breaks a bound that the API does not support",
      say({ ...EMMA, year: 3 }),
      "at /year: 3 is less than 1450",
    ],
    ["is wrong deep inside", say({ ...EMMA, authors: [{ name: 7 }] }), "at /authors/0/name"],
  ])("fails a message whose reply %s, and keeps the text", async (_, prompt, why) => {
    const { id } = await create();
    const { status, body } = await send(id, prompt);
    expect(status).toBe(502);
    const error = {
      type: "upstream_error",
      reason: "output_mismatch",
      message: expect.stringContaining(why),
    };
    expect(body).toMatchObject({ error: { ...error, messageId: expect.any(String) } });
    expect(await newest(id)).toMatchObject({
      status: "failed",
      stopReason: "error",
      result: prompt.split("/say ")[1],
      output: null,
      error,
    });
    // The session continues, and the next reply is independent.
    expect(await client.ask(id, { prompt: say(EMMA) })).toMatchObject({ output: EMMA });
  });

  it("ends in error if it is ephemeral and its reply does not match", async () => {
    const { id } = await client.create({ pattern: "ephemeral", config: { outputSchema: book } });
    await send(id, "/say no");
    expect((await client.get(`/api/sessions/${id}`)).body).toMatchObject({
      status: "error",
      error: { reason: "output_mismatch" },
    });
  });

  it("has no output, and does not fail, if the reply reached its maximum length", async () => {
    const { id } = await create();
    const long = say({ ...EMMA, title: "x".repeat(70_000) });
    expect(await client.ask(id, { prompt: long })).toMatchObject({
      status: "completed",
      stopReason: "max_tokens",
      output: null,
      error: null,
    });
  });

  it("has no output if the budget was used up first", async () => {
    const { id } = await create();
    const long = say({ ...EMMA, title: "x".repeat(20_000) });
    expect(await send(id, long, { maxBudgetUsd: 0.06 })).toMatchObject({
      status: 200,
      body: { status: "completed", stopReason: "budget_limit", output: null, error: null },
    });
  });

  it("has no output if the turns were used up first", async () => {
    const { id } = await create();
    const prompt = `/say ${JSON.stringify(EMMA)}\n/Bash {"command":"true"}`;
    expect(await send(id, prompt, { maxTurns: 1 })).toMatchObject({
      body: { status: "completed", stopReason: "max_turns", output: null },
    });
  });

  it("has the output, or the failure, in its events too", async () => {
    const { id } = await create();
    await client.ask(id, { prompt: say(EMMA) });
    await send(id, "/say no");
    const { body } = await client.get(`/api/sessions/${id}/events`);
    const { events } = body as { events: { type: string }[] };
    const ends = events.filter(({ type }) => /^message\.(completed|failed)$/.test(type));
    expect(ends).toMatchObject([
      { type: "message.completed", output: EMMA },
      { type: "message.failed", error: { reason: "output_mismatch" } },
    ]);
  });

  it("has no output without a schema", async () => {
    const { id } = await client.create();
    expect(await client.ask(id, { prompt: say(EMMA) })).toMatchObject({
      result: JSON.stringify(EMMA),
      output: null,
    });
    const { body } = await client.get(`/api/sessions/${id}/events`);
    expect(JSON.stringify(body)).not.toContain('"output"');
  });

  it.each([
    [{}, "config.outputSchema"],
    [{ type: "table" }, "config.outputSchema.type"],
    [{ $ref: "#/$defs/None" }, "config.outputSchema"],
    [{ type: "object", properties: { a: {} } }, "config.outputSchema.properties.a"],
    ["a book", "config.outputSchema"],
  ])("is not created with %j, and the error names the path", async (outputSchema, path) => {
    const { status, body } = await client.post("/api/sessions", {
      pattern: "hybrid",
      config: { outputSchema },
    });
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { issues: [{ path }] } });
  });

  it("returns the schema unchanged", async () => {
    const { config } = await create();
    expect(config.outputSchema).toEqual(book);
  });
});
