import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { bash } from "../../agent/tools/bash";
import { aClient } from "../../testing/api-client";
import { alarmOf, objectOf, tablesOf } from "../../testing/sessions";
import { newSessionId } from "../ids";

const client = aClient();
const tooLarge = (message: string) => ({
  status: 413,
  body: { error: { type: "request_too_large", message } },
});

const CENTURY_MS = 100 * 366 * 86_400_000;
const create = (body: object) => client.post("/api/sessions", { pattern: "long-running", ...body });
const withConfig = (config: object) => create({ config });

afterEach(() => vi.restoreAllMocks());

/**
 * Each limit of docs/api.md: the largest accepted value, and a value just above it, with the path that the
 * error names.
 */
describe("a value at its limit is accepted, and a larger one is refused with its path:", () => {
  it.each<[string, object, object, string]>([
    ["tags", { tags: tags(50) }, { tags: tags(51) }, "tags"],
    ["a tag", { tags: ["x".repeat(100)] }, { tags: ["x".repeat(101)] }, "tags.0"],
    ["description", text("description", 10_000), text("description", 10_001), "description"],
    ["userId", text("userId", 255), text("userId", 256), "userId"],
    ["maxBudgetUsd", { maxBudgetUsd: 1e6 }, { maxBudgetUsd: 1e6 + 0.01 }, "maxBudgetUsd"],
    ...["maxIdleTimeMs", "maxLifetimeMs"].map((name): [string, object, object, string] => [
      name,
      { [name]: CENTURY_MS },
      { [name]: CENTURY_MS + 1 },
      name,
    ]),
  ])("%s, at creation and by a patch", async (_, fits, over, path) => {
    const made = await create(fits);
    expect(made.status).toBe(201);
    const { id } = made.body as { id: string };
    const refusal = {
      status: 400,
      body: { error: { type: "invalid_request_error", issues: [{ path }] } },
    };
    expect(await create(over)).toMatchObject(refusal);
    expect(await client.patch(`/api/sessions/${id}`, over)).toMatchObject(refusal);
    expect((await client.patch(`/api/sessions/${id}`, fits)).status).toBe(200);
  });

  it.each(["allowedTools", "disallowedTools"])("rules in %s", async (list) => {
    const rule = (length: number) => `Bash(${"x".repeat(length - 6)})`;
    expect((await withConfig({ [list]: Array(1_000).fill("Read") })).status).toBe(201);
    expect((await withConfig({ [list]: [rule(200)] })).status).toBe(201);
    expect(await withConfig({ [list]: Array(1_001).fill("Read") })).toMatchObject({
      status: 400,
      body: { error: { issues: [{ path: `config.${list}` }] } },
    });
    expect(await withConfig({ [list]: [rule(201)] })).toMatchObject({
      status: 400,
      body: { error: { issues: [{ path: `config.${list}.0` }] } },
    });
  });

  it("a config, its variables included", async () => {
    const overhead = JSON.stringify({ env: { A: "" } }).length;
    const variable = (length: number) => ({ env: { A: "x".repeat(length - overhead) } });
    const fits = await withConfig(variable(256 * 1024));
    expect(fits.status).toBe(201);
    expect(await withConfig(variable(256 * 1024 + 1))).toMatchObject(
      tooLarge("The config is larger than 256 KiB."),
    );
    const { id } = fits.body as { id: string };
    const { body } = await client.post(`/api/sessions/${id}/message`, {
      prompt: '/Bash {"command":"printf %s $A | wc -c"}',
    });
    expect(body).toMatchObject({
      result: expect.stringContaining(`returned: ${256 * 1024 - overhead}`),
    });
  });

  it("a reason", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/terminate`;
    expect(await client.post(url, text("reason", 201))).toMatchObject({
      status: 400,
      body: { error: { issues: [{ path: "reason" }] } },
    });
    expect((await client.post(url, text("reason", 200))).status).toBe(200);
  });

  it("an Idempotency-Key, of a session and of a message", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/message`;
    const keyed = (length: number) => ({
      headers: { "Idempotency-Key": crypto.randomUUID().padEnd(length, "x") },
    });
    const pattern = { pattern: "hybrid" };
    const refusal = { status: 400, body: { error: { issues: [{ path: "Idempotency-Key" }] } } };
    expect(await client.post("/api/sessions", pattern, keyed(256))).toMatchObject(refusal);
    expect(await client.post(url, { prompt: "hi" }, keyed(256))).toMatchObject(refusal);
    expect((await client.post("/api/sessions", pattern, keyed(255))).status).toBe(201);
    expect((await client.post(url, { prompt: "hi" }, keyed(255))).status).toBe(200);
  });

  it("a body, its levels and its values", async () => {
    const { id } = await client.create();
    const post = (body: string) => client.post(`/api/sessions/${id}/message`, body);
    const prompt = `{"prompt":"hi"`;
    expect(await post(`${prompt.padEnd(4 * 1024 ** 2)}}`)).toMatchObject(
      tooLarge("The body is larger than 4 MiB."),
    );
    expect((await post(`${prompt.padEnd(4 * 1024 ** 2 - 1)}}`)).status).toBe(200);
    const deep = `${"[".repeat(101)}${"]".repeat(101)}`;
    expect(await post(`${prompt},"x":${deep}}`)).toMatchObject({
      status: 400,
      body: { error: { message: "The body is nested more than 100 levels deep." } },
    });
    expect(await post(`${prompt},"x":[${"1,".repeat(20_000)}1]}`)).toMatchObject({
      status: 400,
      body: { error: { message: "The body holds more than 20000 values." } },
    });
  });

  it("a prompt, in bytes and as JSON", async () => {
    const { id } = await client.create();
    const post = (prompt: string) =>
      client.post(`/api/sessions/${id}/message`, { prompt, background: true });
    // A control character has one byte, and six in JSON.
    const controls = Math.floor(1_900_000 / 6);
    expect(await post("x".repeat(1024 ** 2 + 1))).toMatchObject(
      tooLarge("The prompt is larger than 1 MiB."),
    );
    expect(await post("\u0001".repeat(controls + 1))).toMatchObject(
      tooLarge("The prompt is larger than 1.9 MB as JSON."),
    );
    const fits = "\u0001".repeat(controls - 1);
    const sent = await post(fits);
    expect(sent).toMatchObject({ status: 202 });
    const { messageId } = sent.body as { messageId: string };
    const read = await client.get(`/api/sessions/${id}/messages/${messageId}`);
    expect((read.body as { prompt: string }).prompt === fits).toBe(true);
    await client.post(`/api/sessions/${id}/terminate`);
  });

  it("a queue", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/message`;
    const send = (prompt: string) => client.post(url, { prompt, background: true });
    await send("/delay 60000");
    const sent = await Promise.all(Array.from({ length: 100 }, () => send("hi")));
    expect(new Set(sent.map(({ status }) => status))).toEqual(new Set([202]));
    const refused = await send("hi");
    expect(refused).toMatchObject({
      status: 429,
      body: { error: { type: "rate_limit_error", message: "100 messages wait already." } },
    });
    expect(refused.headers.get("Retry-After")).toMatch(/^\d+$/);
    await client.post(`/api/sessions/${id}/terminate`);
  });

  it.each([
    ["", `pageSize=100&search=${"x".repeat(1_000)}&tags=${tags(20)}`],
    ["/messages", "limit=100"],
    ["/events", "limit=1000"],
  ])("a page of %s", async (path, query) => {
    const { id } = await client.create();
    const url = path === "" ? "/api/sessions" : `/api/sessions/${id}${path}`;
    expect((await client.get(`${url}?${query}`)).status).toBe(200);
    for (const [name, value] of new URLSearchParams(query)) {
      const over = /^\d+$/.test(value)
        ? Number(value) + 1
        : name === "tags"
          ? tags(21)
          : `${value}x`;
      expect(await client.get(`${url}?${name}=${over}`)).toMatchObject({
        status: 400,
        body: { error: { issues: [{ path: name }] } },
      });
    }
  });

  it("a tool's result, in the conversation and in the log", async () => {
    const { id } = await client.create({ maxBudgetUsd: null });
    const run = vi.spyOn(bash, "run");
    run.mockResolvedValueOnce({ content: "x".repeat(1_800_001) });
    run.mockResolvedValueOnce({ content: "x".repeat(1_799_000) });
    const call = '/Bash {"command":"x"}';
    const { body } = await client.post(`/api/sessions/${id}/message`, {
      prompt: `${call}\n${call}`,
    });
    expect(body).toMatchObject({
      status: "completed",
      result: expect.stringContaining("Bash failed: The result is too large to be kept."),
    });
    const log = await client.get(`/api/sessions/${id}/events?limit=1000`);
    const { events } = log.body as { events: { type: string; content?: string }[] };
    const results = events.filter(({ type }) => type === "tool.completed");
    expect(results[0]?.content).toContain("too large to be kept");
    expect(results[1]?.content?.length).toBe(1_799_000);
  });
});

function tags(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `tag-${n}`);
}

function text(name: string, length: number): object {
  return { [name]: "x".repeat(length) };
}

describe("an id without a session", () => {
  const body = JSON.stringify({ prompt: "hi" });
  it.each<[string, string, RequestInit]>([
    ["GET", "", {}],
    ["HEAD", "", {}],
    ["PATCH", "", { body: '{"tags":["a"]}' }],
    ["DELETE", "", {}],
    ["POST", "/terminate", {}],
    ["POST", "/interrupt", {}],
    ["POST", "/message", { body }],
    ["POST", "/message", { body, headers: { "Idempotency-Key": "a" } }],
    ["POST", "/message", { body: '{"prompt":"hi","streaming":true}' }],
    ["POST", "/message", { body: '{"prompt":"hi","background":true}' }],
    ["GET", "/messages", {}],
    ["GET", `/messages/msg_${"0".repeat(32)}`, {}],
    ["GET", "/events", {}],
    ["GET", "/events?after=3", { headers: { Accept: "text/event-stream" } }],
  ])("is not found, and leaves nothing behind: %s %s", async (method, path, { body, headers }) => {
    const id = await newSessionId("anybody", undefined);
    const more = { ...(headers && { headers: headers as Record<string, string> }) };
    const answer = await client.raw(method, `/api/sessions/${id}${path}`, { body, ...more });
    expect(answer.status).toBe(404);
    await answer.text();
    expect(await tablesOf(objectOf(id))).toEqual([]);
    expect(await alarmOf(objectOf(id))).toBeNull();
    const sandboxes = await listDurableObjectIds(env.EMBEDDED_SANDBOXES);
    expect(sandboxes.map(String)).not.toContain(String(env.EMBEDDED_SANDBOXES.idFromName(id)));
    expect(
      await env.DB.prepare("SELECT 1 FROM agent_sessions WHERE id = ?").bind(id).first(),
    ).toBeNull();
  });
});
