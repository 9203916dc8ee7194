import fc from "fast-check";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { AppEnv } from "./context";
import { onError } from "./errors";
import { idempotencyKey, readBody, readQuery } from "./parse";
import { ListMessages, ListSessions, ReadEvents, StatsSummary } from "./queries";

const app = new Hono<AppEnv>()
  .onError(onError)
  .use(async (c, next) => {
    const nobody = { owner: "anonymous", scopes: [], tools: null, expiresAt: null, key: null };
    c.set("identity", { ...nobody, via: "anonymous" });
    await next();
  })
  .post("/any", async (c) => c.json({ body: (await readBody(c, z.unknown())) ?? "nothing" }))
  .post("/keyed", (c) => c.json({ key: idempotencyKey(c) ?? "none" }))
  .get("/list", (c) => c.json(readQuery(c, ListSessions)))
  .get("/stats", (c) => c.json(readQuery(c, StatsSummary)))
  .get("/messages", (c) => c.json(readQuery(c, ListMessages)))
  .get("/events", (c) => c.json(readQuery(c, ReadEvents)));

const post = (body: BodyInit | null, headers: Record<string, string> = {}) =>
  app.request("/any", { method: "POST", body, headers });

const ErrorBody = z.object({
  error: z.object({
    type: z.string(),
    message: z.string(),
    issues: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  }),
});

describe("a body", () => {
  it.each([
    ["text/plain;charset=UTF-8"],
    ["application/x-www-form-urlencoded"],
    ["application/json"],
  ])("is parsed as JSON with the Content-Type %s", async (type) => {
    const response = await post('{"a":1}', { "Content-Type": type });
    expect(await response.json()).toEqual({ body: { a: 1 } });
  });

  it("may be empty, or begin with a byte order mark", async () => {
    expect(await (await post(null)).json()).toEqual({ body: "nothing" });
    expect(await (await post(" \n")).json()).toEqual({ body: "nothing" });
    expect(await (await post('\ufeff{"a":"ü"}')).json()).toEqual({ body: { a: "ü" } });
  });

  it.each([
    ["{", /not JSON/],
    ["{'a': 1}", /not JSON/],
    [new Uint8Array([0x22, 0xff, 0x22]), /UTF-8/],
    [new Uint8Array([0x22, 0xc3]), /UTF-8/],
    [`${"[".repeat(102)}${"]".repeat(102)}`, /100 levels/],
    ['{"config":{"customAgents":{"__proto__":{}}}}', /has a key "__proto__"/],
    [`[${"1,".repeat(1_000_000)}1]`, /20000 values/],
    [`${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}`, /100 levels|not JSON/],
  ])("that is not JSON is a 400 that says so: %#", async (body, message) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    const { error } = ErrorBody.parse(await response.json());
    expect(error.type).toBe("invalid_request_error");
    expect(error.message).toMatch(message);
  });

  it.each([
    ['{"description":"a\\ud800"}', ["description"]],
    ['{"tags":["a","\\uDFFFb"],"userId":"\\udc00\\ud800"}', ["tags.1", "userId"]],
    ['{"config":{"env":{"\\ud83d":"x"}}}', ["config.env.\ufffd"]],
    ['"\\ud800"', [""]],
  ])("with a lone surrogate is a 400 that names its paths: %s", async (body, paths) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    const { error } = ErrorBody.parse(await response.json());
    expect(error.message).toContain("lone surrogate");
    expect(error.issues?.map(({ path }) => path)).toEqual(paths);
  });

  it("is refused for a lone surrogate anywhere, and for no other text", {
    timeout: 60_000,
  }, async () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom("\ud83d", "\ude00", "\\", "u", "d800", "\0") }),
    );
    const value = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        text,
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(text, tie("value"), { maxKeys: 3 }),
      ),
    })).value;
    const isWhole = (one: unknown): boolean => {
      if (typeof one === "string") return one.isWellFormed();
      if (typeof one !== "object" || one === null) return true;
      return Object.entries(one).every(([key, inner]) => key.isWellFormed() && isWhole(inner));
    };
    await fc.assert(
      fc.asyncProperty(value, async (given) => {
        const response = await post(JSON.stringify({ given }));
        expect(response.status).toBe(isWhole(given) ? 200 : 400);
        if (response.ok) expect(await response.json()).toEqual({ body: { given } });
      }),
      { numRuns: 100 },
    );
  });

  it("of 100 levels is accepted", async () => {
    expect((await post(`${"[".repeat(100)}${"]".repeat(100)}`)).status).toBe(200);
  });

  it("is refused above 4 MiB, as text or as a stream, and not held in memory", async () => {
    const chunk = new Uint8Array(256 * 1024).fill(0x20);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += chunk.byteLength;
        controller.enqueue(chunk);
      },
    });
    for (const body of ["x".repeat(4 * 1024 * 1024 + 1), endless]) {
      const response = await post(body);
      expect(response.status).toBe(413);
      const { error } = ErrorBody.parse(await response.json());
      expect(error.type).toBe("request_too_large");
    }
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    expect((await post(`"${"x".repeat(4 * 1024 * 1024 - 2)}"`)).status).toBe(200);
  });
});

describe("an Idempotency-Key", () => {
  it.each([
    [{}, 200],
    [{ "Idempotency-Key": "a key: 1/2" }, 200],
    [{ "Idempotency-Key": "x".repeat(255) }, 200],
    [{ "Idempotency-Key": "" }, 400],
    [{ "Idempotency-Key": "x".repeat(256) }, 400],
    [{ "Idempotency-Key": "schlüssel" }, 400],
  ])("%j is answered with %i", async (headers, status) => {
    const response = await app.request("/keyed", { method: "POST", headers });
    expect(response.status).toBe(status);
  });
});

describe("a query", () => {
  it.each(["page=1", ""])(
    "of 12,000 names and %j is refused because of the number",
    async (first) => {
      const names = Array.from({ length: 12_000 }, (_, i) => `p${i}=`);
      const response = await app.request(`/list?${[first, ...names].join("&")}`);
      expect(response.status).toBe(400);
      const { error } = ErrorBody.parse(await response.json());
      const message = "The query has more than 100 parameters.";
      expect(error.issues).toEqual([{ path: "", message }]);
    },
  );

  const read = async (path: string): Promise<unknown> => (await app.request(path)).json();

  it("has defaults for absent parameters", async () => {
    expect(await read("/list")).toEqual({ tagsMode: "all", sort: "-createdAt", pageSize: 20 });
    expect(await read("/stats")).toEqual({});
    expect(await read("/messages")).toEqual({ cursor: 0, limit: 50 });
    expect(await read("/events")).toEqual({ after: 0, limit: 1000 });
  });

  it("filters by comma-separated lists, instants and dates", async () => {
    const query =
      "status=active,idle&pattern=hybrid&tags=bug-fix,a%20b&tagsMode=any&userId=u&conversationId=-3" +
      "&createdAfter=2026-01-01&createdBefore=2026-01-01T02:00:00+01:00&search=fix&sort=totalCost" +
      "&page=2&pageSize=100";
    expect(await read(`/list?${query}`)).toEqual({
      status: ["active", "idle"],
      pattern: ["hybrid"],
      tags: ["bug-fix", "a b"],
      tagsMode: "any",
      userId: "u",
      conversationId: -3,
      createdAfter: Date.UTC(2026, 0, 1),
      createdBefore: Date.UTC(2026, 0, 1, 1),
      search: "fix",
      sort: "totalCost",
      page: 2,
      pageSize: 100,
    });
  });

  it.each([
    ["/list?status=", "status"],
    ["/list?status=active,", "status"],
    ["/list?status=running", "status"],
    ["/list?pattern=hybrid,eternal", "pattern"],
    ["/list?tags=a,,b", "tags"],
    [`/list?tags=${Array(21).fill("a").join(",")}`, "tags"],
    ["/list?tagsMode=none", "tagsMode"],
    ["/list?userId=", "userId"],
    ["/list?conversationId=1.5", "conversationId"],
    ["/list?conversationId=99999999999999999999", "conversationId"],
    ["/list?createdAfter=yesterday", "createdAfter"],
    ["/list?createdAfter=2026-02-30", "createdAfter"],
    ["/list?createdBefore=2026-01-01T00:00:00", "createdBefore"],
    ["/list?search=", "search"],
    ["/list?sort=price", "sort"],
    ["/list?page=0", "page"],
    ["/list?page=1e3", "page"],
    ["/list?page=501", "page"],
    ["/list?pageSize=101", "pageSize"],
    ["/list?pageSize=", "pageSize"],
    ["/list?cursor=made-up", "cursor"],
    ["/list?cursor=x&page=1", "cursor"],
    ["/list?state=active", "state"],
    ["/list?__proto__=x", "__proto__"],
    ["/list?page=1&page=2", "page"],
    ["/stats?from=2026-1-1", "from"],
    ["/stats?to=2026-01-01T00:00:00Z", "to"],
    ["/stats?userId=", "userId"],
    ["/stats?groupBy=month", "groupBy"],
    ["/messages?limit=101", "limit"],
    ["/messages?cursor=-1", "cursor"],
    ["/events?after=-1", "after"],
    ["/events?after=x", "after"],
    ["/events?limit=0", "limit"],
  ])("that does not parse is a 400 that names what is wrong: %s", async (path, name) => {
    const response = await app.request(path);
    expect(response.status).toBe(400);
    const { error } = ErrorBody.parse(await response.json());
    expect(new Set(error.issues?.map((issue) => issue.path))).toEqual(new Set([name]));
  });
});
