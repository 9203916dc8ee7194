import { describe, expect, it } from "vitest";
import { z } from "zod";
import { withoutPauses } from "../../testing/faults";
import { SandboxError } from "../sandbox";
import { createApi } from "./api";

const KEY = "key_0123456789";

/** Returns an API whose calls are answered one after the other; the last answer repeats. An error is thrown. */
function anApi(...answers: (Response | Error | "silence")[]) {
  const asked: Request[] = [];
  const send = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    asked.push(new Request(input, init));
    const answer = answers[Math.min(asked.length, answers.length) - 1];
    if (answer === "silence") {
      return new Promise((_, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
      });
    }
    if (answer instanceof Error || !answer) throw answer ?? new Error("nothing is answered");
    return answer.clone();
  };
  const api = createApi({
    ...{ vendor: "Acme", baseUrl: "https://acme.test/v1", requestIdHeader: "x-request" },
    headers: { authorization: `Bearer ${KEY}` },
    secrets: [KEY],
    fetch: send as typeof fetch,
  });
  return { api, asked };
}

const said = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
const busy = (headers: Record<string, string> = {}) => said(429, { message: "slow down" }, headers);
const answer = z.object({ id: z.string() });
const get = { method: "GET", path: "/one", answer } as const;
const post = { method: "POST", path: "/one", body: { a: 1 }, answer } as const;
const failureOf = (promise: Promise<unknown>): Promise<SandboxError> =>
  promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error) => error,
  );

describe("a call of a vendor's API", () => {
  it("sends the key and the body, and parses the answer", async () => {
    const { api, asked } = anApi(said(201, { id: "x", more: true }));
    expect(await api.call(post)).toEqual({ id: "x" });
    const [request] = asked;
    expect([request?.method, request?.url]).toEqual(["POST", "https://acme.test/v1/one"]);
    expect(request?.headers.get("authorization")).toBe(`Bearer ${KEY}`);
    expect(await request?.json()).toEqual({ a: 1 });
  });

  it("of what is not there is null, or an error", async () => {
    const { api } = anApi(said(404, { message: "no such machine" }));
    expect(await api.find(get)).toBeNull();
    await expect(api.call(get)).rejects.toMatchObject({ transient: false });
  });

  it("fails with the vendor's words and request id, and without its key", async () => {
    const body = { message: `the key ${KEY} may not do this` };
    const { api, asked } = anApi(said(403, body, { "x-request": "req-7" }));
    const error = await failureOf(api.call(get));
    expect(error).toBeInstanceOf(SandboxError);
    expect([error.message, error.transient]).toEqual([
      "Acme answered 403: the key [redacted] may not do this (request req-7)",
      false,
    ]);
    expect(asked).toHaveLength(1);
  });

  it.each([
    ["a message", { message: "why" }, "why"],
    ["an error", { error: "why" }, "why"],
    ["an error with a message", { error: { message: "why" } }, "why"],
    ["a text", "<h1>why</h1>", "<h1>why</h1>"],
    ["a list", [1], "[1]"],
  ])("says what the vendor said as %s", async (_, body, words) => {
    const { api } = anApi(said(400, body));
    expect((await failureOf(api.call(get))).message).toBe(`Acme answered 400: ${words}`);
  });

  it("cuts an error that is long", async () => {
    const { api } = anApi(said(400, "x".repeat(10_000)));
    expect((await failureOf(api.call(get))).message.length).toBeLessThan(600);
  });

  it("that was refused for its rate is repeated, whatever it does, and others only if they may be", async () => {
    const { api, asked } = anApi(busy(), busy(), said(200, { id: "x" }));
    expect(await withoutPauses(() => api.call(post))).toEqual({ id: "x" });
    expect(asked).toHaveLength(3);
    for (const failure of [said(500, "no"), new Error("reset"), said(200, '{"id": "x')]) {
      const once = anApi(failure, said(200, { id: "x" }));
      await expect(once.api.call(post)).rejects.toMatchObject({ transient: true });
      expect(once.asked).toHaveLength(1);
      const twice = anApi(failure, said(200, { id: "x" }));
      expect(await withoutPauses(() => twice.api.call(get))).toEqual({ id: "x" });
      const stated = anApi(failure, said(200, { id: "x" }));
      const call = { ...post, repeatable: true };
      expect(await withoutPauses(() => stated.api.call(call))).toEqual({ id: "x" });
    }
  });

  it("gives up after five times, and at once if it would have to wait for long", async () => {
    const { api, asked } = anApi(busy());
    const error = await withoutPauses(() => failureOf(api.call(get)));
    expect([error.transient, asked.length]).toEqual([true, 5]);
    const later = anApi(busy({ "retry-after": "3600" }));
    expect(await failureOf(later.api.call(get))).toMatchObject({ transient: true });
    expect(later.asked).toHaveLength(1);
    const date = anApi(busy({ "retry-after": new Date(Date.now() + 3_600_000).toUTCString() }));
    await failureOf(date.api.call(get));
    expect(date.asked).toHaveLength(1);
  });

  it("waits as long as Retry-After says", async () => {
    const { api } = anApi(busy({ "retry-after": "0.3" }), said(200, { id: "x" }));
    const began = Date.now();
    await api.call(get);
    expect(Date.now() - began).toBeGreaterThanOrEqual(290);
  });

  it("that is not answered fails in time", async () => {
    const { api } = anApi("silence");
    const call = { ...post, timeoutMs: 50 };
    const error = await failureOf(api.call(call));
    expect(error).toMatchObject({ transient: true, message: expect.stringContaining("Acme") });
  });

  it("whose answer means something else fails for good, and says where", async () => {
    const { api, asked } = anApi(said(200, { id: 1 }));
    const error = await failureOf(api.call(get));
    expect([error.transient, asked.length]).toEqual([false, 1]);
    expect(error.message).toContain("id");
  });
});
