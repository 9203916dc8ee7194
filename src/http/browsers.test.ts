import { describe, expect, it } from "vitest";
import { readSettings } from "../settings";
import { aClient, local } from "../testing/api-client";

const APP = "https://app.example.com";
const session = { pattern: "long-running" };
const withOrigins = (CORS_ORIGINS: string) =>
  aClient(readSettings({ ALLOW_ANONYMOUS: "true", CORS_ORIGINS }));

const count = async () => {
  const { body } = await aClient(local).get("/api/sessions?pageSize=1");
  return (body as { total: number }).total;
};

describe("every response", () => {
  it.each(["/health", "/api/me", "/nowhere", "/api/sessions/x"])(
    "is no page, and is neither framed nor kept: %s",
    async (path) => {
      const { headers } = await aClient(local).get(path);
      expect(Object.fromEntries(headers)).toMatchObject({
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "strict-transport-security": expect.stringContaining("max-age="),
        "cache-control": "no-store",
      });
    },
  );

  it("of a stream keeps its own Cache-Control", async () => {
    const client = aClient(local);
    const { id } = await client.create();
    const stream = await client.raw("GET", `/api/sessions/${id}/events`, {
      headers: { Accept: "text/event-stream" },
    });
    await stream.body?.cancel();
    expect(stream.headers.get("Cache-Control")).toBe("no-cache, no-transform");
    expect(stream.headers.get("X-Content-Type-Options")).toBe("nosniff");
  });
});

describe("a page of another origin", () => {
  const preflight = (client: ReturnType<typeof aClient>, Origin: string) =>
    client.raw("OPTIONS", "/api/sessions", {
      headers: {
        ...{ Origin, "Access-Control-Request-Method": "POST" },
        "Access-Control-Request-Headers": "authorization,idempotency-key",
      },
    });

  it("can't read anything, by default", async () => {
    const client = aClient(local);
    const answer = await client.raw("GET", "/api/sessions", { headers: { Origin: APP } });
    expect(answer.headers.get("Access-Control-Allow-Origin")).toBeNull();
    const allowed = await preflight(client, APP);
    expect(allowed.headers.get("Access-Control-Allow-Origin")).toBeNull();
  });

  it("can call the API if CORS_ORIGINS has its origin, and no other can", async () => {
    const client = withOrigins(`https://other.example.com, ${APP}`);
    const allowed = await preflight(client, APP);
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get("Access-Control-Allow-Origin")).toBe(APP);
    expect(allowed.headers.get("Access-Control-Allow-Headers")).toContain("Idempotency-Key");
    expect(allowed.headers.get("Access-Control-Allow-Credentials")).toBeNull();
    const headers = { Origin: APP, "Sec-Fetch-Site": "cross-site", Authorization: "Bearer mine" };
    const made = await client.raw("POST", "/api/sessions", { body: session, headers });
    expect(made.status).toBe(201);
    expect(made.headers.get("Access-Control-Allow-Origin")).toBe(APP);
    expect(made.headers.get("Access-Control-Expose-Headers")).toContain("X-Request-Id");
    const evil = await preflight(client, "https://evil.example.com");
    expect(evil.headers.get("Access-Control-Allow-Origin")).toBeNull();
  });

  it("is told why it is refused, if it may read that", async () => {
    const client = withOrigins(APP);
    const headers = { Origin: APP, Authorization: `Bearer rk_${"0".repeat(20)}_${"0".repeat(48)}` };
    const refused = await client.raw("GET", "/api/me", { headers });
    expect(refused.status).toBe(401);
    expect(refused.headers.get("Access-Control-Allow-Origin")).toBe(APP);
  });

  it.each<[string, Record<string, string>]>([
    ["a form", { Origin: "https://evil.example.com", "Sec-Fetch-Site": "cross-site" }],
    ["a form of a neighbour", { Origin: "http://localhost:8000", "Sec-Fetch-Site": "same-site" }],
    ["a form in an old browser", { Origin: "https://evil.example.com" }],
    ["a form in a frame without an origin", { Origin: "null" }],
  ])("changes nothing by %s", async (_, headers) => {
    const before = await count();
    const form = { ...headers, "Content-Type": "text/plain" };
    const answer = await aClient(local).post("/api/sessions", session, { headers: form });
    expect(answer).toMatchObject({ status: 403, body: { error: { type: "permission_error" } } });
    expect(await count()).toBe(before);
  });

  it.each<[string, Record<string, string>]>([
    ["the deployment's own page", { Origin: "http://localhost", "Sec-Fetch-Site": "same-origin" }],
    ["its own page in an old browser", { Origin: "http://localhost" }],
    ["no page", {}],
  ])("is not %s", async (_, headers) => {
    expect((await aClient(local).post("/api/sessions", session, { headers })).status).toBe(201);
  });

  it("can do everything with CORS_ORIGINS=*", async () => {
    const headers = {
      ...{ Origin: "https://any.example.com", "Sec-Fetch-Site": "cross-site" },
      Authorization: "Bearer mine",
    };
    const made = await withOrigins("*").raw("POST", "/api/sessions", { body: session, headers });
    expect(made.status).toBe(201);
    expect(made.headers.get("Access-Control-Allow-Origin")).toBe("*");
  });

  it.each(["*", APP])(
    "changes nothing by a form, which has no key of its own, with CORS_ORIGINS=%s",
    async (origins) => {
      const headers = { Origin: APP, "Sec-Fetch-Site": "cross-site", Cookie: "CF_Authorization=x" };
      const answer = await withOrigins(origins).post("/api/sessions", session, { headers });
      expect(answer).toMatchObject({ status: 403, body: { error: { type: "permission_error" } } });
    },
  );
});

it.each(["app.example.com", "https://app.example.com/", "ftp://app", "https://a.com/b"])(
  "CORS_ORIGINS can't be %s",
  (origin) => {
    expect(() => readSettings({ CORS_ORIGINS: origin })).toThrow("CORS_ORIGINS");
  },
);
