import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import type { SessionRpc } from "../session/rpc";
import { readSettings } from "../settings";
import { refuseForNow } from "../shared/result";
import { createApp } from "./app";
import { sha256Hex } from "./ids";

const local = readSettings({ ALLOW_ANONYMOUS: "true" });
const sessionId = `sess_${"0".repeat(32)}`;
const notFound = { ok: false, failure: { code: "not_found", message: "no" } } as const;

/** Returns the bindings with a fake session object; `asked` records the ids that were looked up. */
function withSession(
  session: Partial<Record<keyof SessionRpc, () => unknown>>,
  asked: string[] = [],
) {
  const getByName = (id: string) => {
    asked.push(id);
    return session;
  };
  return { ...env, SESSIONS: { getByName } } as unknown as Env;
}

const ErrorBody = z.object({
  type: z.literal("error"),
  error: z.looseObject({ type: z.string(), message: z.string() }),
  requestId: z.string(),
});
const errorOf = async (response: Response) => ErrorBody.parse(await response.json()).error;

let logged: string[] = [];
beforeEach(() => {
  logged = [];
  vi.spyOn(console, "error").mockImplementation((line) => logged.push(String(line)));
});
afterEach(() => vi.restoreAllMocks());

describe("the app", () => {
  it("answers /health without a key", async () => {
    const response = await createApp(readSettings({})).request("/health", {}, env);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
  });

  it("gives every response its own request id and ignores one that the client sends", async () => {
    const app = createApp(local);
    const headers = { "X-Request-Id": "mine" };
    const paths = ["/health", "/nowhere", "/api/sessions/x"];
    const answers = await Promise.all(paths.map((path) => app.request(path, { headers }, env)));
    const ids = answers.map((answer) => answer.headers.get("X-Request-Id"));
    for (const id of ids) expect(id).toMatch(/^req_[0-9a-f]{32}$/);
    expect(new Set(ids).size).toBe(paths.length);
    expect(await answers[1]?.json()).toMatchObject({ requestId: ids[1] });
  });

  it("answers HEAD as GET without a body", async () => {
    const response = await createApp(local).request("/health", { method: "HEAD" }, env);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toContain("application/json");
    expect(await response.text()).toBe("");
  });

  it.each([
    ["/nowhere"],
    ["/api/nowhere"],
    ["/api/sessions/"],
    [`/api/sessions/${sessionId}/snapshots`],
    [`/api/sessions/${sessionId}/schedules`],
    ["/api/conversations"],
  ])("answers 404 for %s", async (path) => {
    const response = await createApp(local).request(path, {}, env);
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({ type: "not_found_error" });
  });

  it.each([
    ["DELETE", "/health", "HEAD, GET"],
    ["PUT", "/api/sessions", "HEAD, GET, POST"],
    ["POST", "/api/sessions/stats/summary", "HEAD, GET"],
    ["POST", `/api/sessions/${sessionId}`, "HEAD, GET, DELETE, PATCH"],
    ["GET", `/api/sessions/${sessionId}/message`, "POST"],
    ["HEAD", `/api/sessions/${sessionId}/message`, "POST"],
    ["PATCH", `/api/sessions/${sessionId}/events`, "HEAD, GET"],
    ["OPTIONS", `/api/sessions/${sessionId}/terminate`, "POST"],
  ])("answers 405 to %s %s with the allowed methods", async (method, path, allow) => {
    const response = await createApp(local).request(path, { method }, env);
    expect(response.status).toBe(405);
    expect(response.headers.get("Allow")).toBe(allow);
    if (method !== "HEAD") expect((await errorOf(response)).type).toBe("method_not_allowed");
  });

  it.each([
    ["sess_xyz123"],
    [`sess_${"A".repeat(32)}`],
    [`sess_${"0".repeat(33)}`],
    ["%00"],
    ["%E0%A4%A"],
  ])("calls no object for %s, which is not an id", async (id) => {
    const asked: string[] = [];
    const response = await createApp(local).request(
      `/api/sessions/${id}`,
      {},
      withSession({}, asked),
    );
    expect(response.status).toBe(404);
    expect(asked).toEqual([]);
  });

  it("answers an internal error with the request id only and logs it without the request", async () => {
    const session = {
      ask: () => {
        throw new Error("secret internals", { cause: JSON.parse("1") });
      },
    };
    const body = JSON.stringify({ prompt: "a private prompt" });
    const response = await createApp(local).request(
      `/api/sessions/${sessionId}/message?x=private`,
      { method: "POST", body },
      withSession(session),
    );
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).toContain('"api_error"');
    expect(text).not.toContain("internals");

    expect(logged).toHaveLength(1);
    expect(JSON.parse(logged[0] ?? "")).toMatchObject({
      event: "request.failed",
      requestId: response.headers.get("X-Request-Id"),
      method: "POST",
      path: `/api/sessions/${sessionId}/message`,
      status: 500,
      message: "secret internals",
    });
    expect(logged[0]).not.toContain("private");
  });

  it("does not log the input that a parser's error quotes", async () => {
    const read = () => JSON.parse("private text");
    await createApp(local).request(`/api/sessions/${sessionId}`, {}, withSession({ read }));
    expect(logged[0]).toContain("SyntaxError");
    expect(logged[0]).not.toContain("private");
  });

  it("logs no segment of a path that is neither a word nor an id", async () => {
    const nobody = createApp({ ...local, API_KEYS: [], ALLOW_ANONYMOUS: false });
    await nobody.request("/api/sessions/a%20private%20text/Private/message", {}, env);
    expect(JSON.parse(logged[0] ?? "")).toMatchObject({ path: "/api/sessions/…/…/message" });
  });

  it("does not log client errors", async () => {
    await createApp(local).request("/api/sessions", { method: "POST", body: "{" }, env);
    expect(logged).toEqual([]);
  });
});

describe("a lost object", () => {
  const failing = (flags: object, times: number) => {
    let calls = 0;
    const call = () => {
      calls += 1;
      if (calls <= times) throw Object.assign(new Error("lost"), flags);
      return notFound;
    };
    return { call, calls: () => calls };
  };
  const url = `/api/sessions/${sessionId}`;

  it.each([[{ retryable: true }], [{ durableObjectReset: true }]])(
    "is called again after the runtime error %o",
    async (flags) => {
      const { call, calls } = failing(flags, 2);
      const response = await createApp(local).request(url, {}, withSession({ read: call }));
      expect(response.status).toBe(404);
      expect(calls()).toBe(3);
    },
  );

  it("is a 503 after three attempts, with the id of the message that may be running", async () => {
    const { call, calls } = failing({ retryable: true }, 9);
    const init = { method: "POST", body: '{"prompt":"hi"}' };
    const response = await createApp(local).request(
      `${url}/message`,
      init,
      withSession({ ask: call }),
    );
    expect(response.status).toBe(503);
    expect(response.headers.get("Retry-After")).toMatch(/^\d+$/);
    expect(await errorOf(response)).toMatchObject({
      type: "unavailable_error",
      messageId: expect.stringMatching(/^msg_[0-9a-f]{32}$/),
    });
    expect(calls()).toBe(3);
  });

  it("is not called again when it is overloaded", async () => {
    const { call, calls } = failing({ retryable: true, overloaded: true }, 9);
    const response = await createApp(local).request(url, {}, withSession({ read: call }));
    expect(response.status).toBe(503);
    expect(calls()).toBe(1);
  });

  it("is not interrupted twice", async () => {
    const { call, calls } = failing({ retryable: true }, 9);
    const init = { method: "POST" };
    const app = createApp(local);
    const response = await app.request(`${url}/interrupt`, init, withSession({ interrupt: call }));
    expect(response.status).toBe(503);
    expect(calls()).toBe(1);
  });

  it("is not called again after an internal error", async () => {
    const { call, calls } = failing({}, 9);
    const response = await createApp(local).request(url, {}, withSession({ read: call }));
    expect(response.status).toBe(500);
    expect(calls()).toBe(1);
  });
});

describe("a refusal", () => {
  const refusals = [
    ["invalid_request", 400, "invalid_request_error"],
    ["not_found", 404, "not_found_error"],
    ["session_busy", 409, "conflict_error"],
    ["session_ended", 409, "conflict_error"],
    ["idempotency_mismatch", 409, "conflict_error"],
    ["queue_full", 429, "rate_limit_error"],
    ["too_many_sessions", 429, "rate_limit_error"],
    ["spend_limit", 429, "rate_limit_error"],
    ["unavailable", 503, "unavailable_error"],
  ] as const;

  it.each(refusals)("%s becomes %i %s", async (code, status, type) => {
    const failure = { code, message: "Because.", details: { messageId: "msg_1" } };
    const response = await createApp(local).request(
      `/api/sessions/${sessionId}`,
      {},
      withSession({ read: () => ({ ok: false, failure }) }),
    );
    expect(response.status).toBe(status);
    const error = await errorOf(response);
    expect(error).toMatchObject({ type, message: "Because.", messageId: "msg_1" });
    expect(error.reason).toBe([409, 429].includes(status) ? code : undefined);
    expect(response.headers.has("Retry-After")).toBe(status === 429);
  });

  it("for now becomes 503 unavailable_error, and says when to try again", async () => {
    const response = await createApp(local).request(
      `/api/sessions/${sessionId}`,
      {},
      withSession({ read: () => refuseForNow("Not now.") }),
    );
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({
      ...{ type: "unavailable_error", message: "Not now." },
    });
    expect(response.headers.get("Retry-After")).toMatch(/^\d+$/);
  });
});

describe("a key", () => {
  const withKeys = async (allowAnonymous: string) =>
    readSettings({
      ALLOW_ANONYMOUS: allowAnonymous,
      API_KEYS: JSON.stringify([
        { name: "one", owner: "alice", sha256: await sha256Hex("key-one") },
        { name: "two", owner: "bob", sha256: await sha256Hex("key-two"), admin: true },
      ]),
    });
  /** Requests a session with these headers. Returns the caller that the session's object received. */
  async function callerWith(headers: Record<string, string>, settings = withKeys("false")) {
    const read = vi.fn(() => notFound);
    const app = createApp(await settings);
    const response = await app.request(
      `/api/sessions/${sessionId}`,
      { headers },
      withSession({ read }),
    );
    return { response, caller: read.mock.calls[0]?.at(0) };
  }

  it("identifies its owner, and whether it has admin rights", async () => {
    const one = await callerWith({ Authorization: "Bearer key-one" });
    expect(one.caller).toEqual({ owner: "alice", admin: false });
    const two = await callerWith({ Authorization: "bearer  key-two " });
    expect(two.caller).toEqual({ owner: "bob", admin: true });
  });

  it.each([
    [{}],
    [{ Authorization: "" }],
    [{ Authorization: "Bearer" }],
    [{ Authorization: "Bearer key-three" }],
    [{ Authorization: "Bearer key-one key-two" }],
    [{ Authorization: "key-one" }],
    [{ Authorization: "Basic key-one" }],
    [{ "x-api-key": "key-one" }],
  ])("must be a bearer key of the deployment: %o is refused", async (headers) => {
    const { response, caller } = await callerWith(headers);
    expect(response.status).toBe(401);
    expect(response.headers.get("WWW-Authenticate")).toContain("Bearer");
    expect((await errorOf(response)).type).toBe("authentication_error");
    expect(caller).toBeUndefined();
  });

  it("is required if API_KEYS has one, even with ALLOW_ANONYMOUS", async () => {
    const { response } = await callerWith({}, withKeys("true"));
    expect(response.status).toBe(401);
  });

  it("is not required with ALLOW_ANONYMOUS: every caller is the same admin", async () => {
    const { caller } = await callerWith({}, Promise.resolve(local));
    expect(caller).toEqual({ owner: "anonymous", admin: true });
  });

  it("is missing from the settings: the 503 names the setting", async () => {
    const { response } = await callerWith(
      { Authorization: "Bearer x" },
      Promise.resolve(readSettings({})),
    );
    expect(response.status).toBe(503);
    expect((await errorOf(response)).message).toContain("API_KEYS");
  });
});
