import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { aClient, local } from "../../testing/api-client";
import { createApp } from "../app";

const app = createApp(local);
const client = aClient();
let id = "";
let doomed = "";
beforeAll(async () => {
  ({ id } = await client.create());
  ({ id: doomed } = await client.create());
});
afterAll(async () => {
  await client.delete(`/api/sessions/${id}`);
});

const posts = [
  () => "/api/sessions",
  () => `/api/sessions/${id}/message`,
  () => `/api/sessions/${doomed}/terminate`,
  () => `/api/sessions/${id}/interrupt`,
  () => `/api/sessions/${id}/schedules`,
];
const gets = [
  () => "/api/sessions",
  () => "/api/sessions/stats/summary",
  () => `/api/sessions/${id}/messages`,
  () => `/api/sessions/${id}/events`,
  () => `/api/sessions/${id}`,
];

async function answers(path: string, init: RequestInit): Promise<void> {
  const response = await app.request(path, init, env);
  const text = await response.text();
  if (response.status >= 500) throw new Error(`${response.status}: ${text}`);
}

/** A value that sometimes has keys of the API. */
const keys = fc.constantFrom(
  ..."pattern config model env tags prompt type text source description userId maxTurns".split(" "),
  ..."maxBudgetUsd conversationId agent onBusy reason customAgents allowedTools __proto__ cron everyMs sandbox network allow secret hosts".split(
    " ",
  ),
);
const anything = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.jsonValue(),
    fc.constantFrom("hybrid", "ephemeral", "text", "queue", "\u0000", "\ud800", 1e308, -0),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(keys, fc.string()), tie("value"), { maxKeys: 6 }),
  ),
})).value;

describe("arbitrary input of a client", { timeout: 60_000 }, () => {
  it("as JSON is never an internal error", async () => {
    const property = fc.asyncProperty(fc.constantFrom(...posts), anything, (path, value) =>
      answers(path(), { method: "POST", body: JSON.stringify(value) ?? "" }),
    );
    await fc.assert(property, { numRuns: 300 });
  });

  it("as a prompt is never an internal error", async () => {
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\ud800", "a\u0000b"));
    const block = fc.record({ type: fc.constant("text"), text });
    const message = fc.record({
      prompt: fc.oneof(text, fc.array(block, { maxLength: 3 })),
      onBusy: fc.constantFrom("queue", "interrupt", "steer"),
      maxBudgetUsd: fc.constantFrom(null, 0, 0.01),
    });
    const property = fc.asyncProperty(message, (body) =>
      answers(`/api/sessions/${id}/message`, { method: "POST", body: JSON.stringify(body) }),
    );
    await fc.assert(property, { numRuns: 30 });
  });

  it("as a session is never an internal error", async () => {
    const create = fc.record(
      {
        pattern: fc.constantFrom("hybrid", "long-running"),
        config: fc.dictionary(keys, anything, { maxKeys: 2 }),
        tags: fc.array(fc.string({ unit: "binary", maxLength: 5 }), { maxLength: 3 }),
        description: fc.string({ unit: "binary" }),
        userId: fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
        maxBudgetUsd: fc.double({ min: 0, max: 1e6, noNaN: true }),
        maxIdleTimeMs: fc.integer({ min: 1 }),
      },
      { requiredKeys: ["pattern"] },
    );
    const property = fc.asyncProperty(create, (body) =>
      answers("/api/sessions", { method: "POST", body: JSON.stringify(body) }),
    );
    await fc.assert(property, { numRuns: 30 });
  });

  it("as a patch is never an internal error", async () => {
    const property = fc.asyncProperty(anything, (value) =>
      answers(`/api/sessions/${id}`, { method: "PATCH", body: JSON.stringify(value) ?? "" }),
    );
    await fc.assert(property);
  });

  it("as bytes is never an internal error", async () => {
    const property = fc.asyncProperty(
      fc.constantFrom(...posts),
      fc.uint8Array({ maxLength: 200 }),
      (path, body) => answers(path(), { method: "POST", body }),
    );
    await fc.assert(property);
  });

  it("as a query is never an internal error", async () => {
    const names = fc.constantFrom(
      ..."status pattern userId conversationId tags tagsMode createdAfter createdBefore".split(" "),
      ..."search sort page pageSize cursor from to after limit".split(" "),
    );
    const values = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("active", "hybrid", "any", "2026-01-01", "%", "_", "-totalCost", "0", "7"),
      fc.integer().map(String),
    );
    const pairs = fc.array(fc.tuple(fc.oneof(names, fc.string()), values), { maxLength: 4 });
    const property = fc.asyncProperty(fc.constantFrom(...gets), pairs, (path, pairs) =>
      answers(`${path()}?${new URLSearchParams(pairs)}`, {}),
    );
    await fc.assert(property, { numRuns: 300 });
  });

  it("as a path is never an internal error", async () => {
    const part = fc.oneof(
      fc.webPath(),
      fc.string().map((text) => `/${encodeURIComponent(text.toWellFormed())}`),
      fc.constantFrom("/%", "/%00", "/..", "//", "/stats"),
    );
    const property = fc.asyncProperty(
      fc.constantFrom("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"),
      fc.array(part, { maxLength: 3 }),
      (method, parts) => answers(`/api/sessions${parts.join("")}`, { method }),
    );
    await fc.assert(property);
  });
});
