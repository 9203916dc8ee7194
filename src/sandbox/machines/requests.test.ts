import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Egress } from "../egress";
import { answerMachine } from "./requests";

const TOKEN = "0123456789abcdef";
afterEach(() => vi.restoreAllMocks());

/** Returns a session with one secret for a host, and the requests for its model. */
function aSession(egress: Egress = { to: "host", replacements: [SECRET] }) {
  const model: Request[] = [];
  return {
    model,
    ownsMachine: async (token: string) => token === TOKEN,
    egress: vi.fn(async () => egress),
    transfer: async () => null,
    fetch: async (request: Request) => {
      model.push(request);
      return new Response("thought");
    },
  };
}
const PLACEHOLDER = `rigger_secret_${"0".repeat(32)}`;
const SECRET = { placeholder: PLACEHOLDER, value: "s3cret" };

const ask = (path: string, session = aSession(), init: RequestInit = {}) =>
  answerMachine(
    new Request(`https://rigger.test/machines/x${path}`, init),
    path.replace(/\?.*/, ""),
    session,
    env.SNAPSHOTS,
  );
const withToken = (token: string, headers: Record<string, string> = {}) => ({
  headers: { "x-rigger-token": token, ...headers },
});

describe("a request from a machine", () => {
  it.each(["/model/v1/messages", "/proxy/api.github.com/user"])(
    "to %s needs the token of its session",
    async (path) => {
      const session = aSession();
      for (const init of [
        {},
        withToken("other"),
        { headers: { authorization: `Bearer ${TOKEN}` } },
      ]) {
        expect((await ask(path, session, init)).status).toBe(401);
      }
      expect(session.model).toEqual([]);
      expect(session.egress).not.toHaveBeenCalled();
    },
  );

  it.each(["", "/", "/other", "/archive", "/proxy", "/model", "/modelx/v1", "/../api/sessions"])(
    "to %j is refused",
    async (path) => {
      const { status } = await ask(path, aSession(), withToken(TOKEN));
      expect([400, 403, 404]).toContain(status);
    },
  );

  it("for the model goes to its session, with its path, body and headers", async () => {
    const session = aSession();
    const init = { method: "POST", body: "{}", headers: { "x-api-key": TOKEN, "x-beta": "1" } };
    const answer = await ask("/model/v1/messages?beta=true", session, init);
    expect(await answer.text()).toBe("thought");
    const [call] = session.model;
    expect(call?.url).toBe("https://session/model/v1/messages?beta=true");
    expect([call?.method, call?.headers.get("x-beta"), await call?.text()]).toEqual([
      "POST",
      "1",
      "{}",
    ]);
  });

  it("to a host is sent on with its secrets, and without the token", async () => {
    const sent: Request[] = [];
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      sent.push(new Request(input, init));
      return new Response("found", { status: 203 });
    });
    const headers = { authorization: `Bearer ${PLACEHOLDER}` };
    const init = { method: "PUT", body: "body", ...withToken(TOKEN, headers) };
    const answer = await ask("/proxy/api.github.com/a//b?q=1", aSession(), init);
    expect([answer.status, await answer.text()]).toEqual([203, "found"]);
    const [request] = sent;
    expect(request?.url).toBe("https://api.github.com/a//b?q=1");
    expect(request?.headers.get("authorization")).toBe("Bearer s3cret");
    expect(request?.headers.has("x-rigger-token")).toBe(false);
    expect([request?.method, await request?.text()]).toEqual(["PUT", "body"]);
  });

  it("for the model can't pass for one of the Worker itself", async () => {
    const session = aSession();
    const headers = { "x-api-key": TOKEN, "x-rigger-caller": '{"admin":true}' };
    await ask("/model/v1/messages", session, { headers });
    expect(session.model[0]?.headers.has("x-rigger-caller")).toBe(false);
    expect((await ask("/model", session, { headers })).status).toBe(404);
    expect(session.model).toHaveLength(1);
  });

  it("to a host that gets no secret is refused: the proxy is no way around the vendor's rules", async () => {
    const fetched = vi.spyOn(globalThis, "fetch");
    const session = aSession({ to: "host", replacements: [] });
    expect((await ask("/proxy/example.com/", session, withToken(TOKEN))).status).toBe(403);
    expect(fetched).not.toHaveBeenCalled();
  });

  it("to a host that the session may not reach is refused, and sent nowhere", async () => {
    const fetched = vi.spyOn(globalThis, "fetch");
    const answer = await ask("/proxy/evil.test/", aSession({ to: "nowhere" }), withToken(TOKEN));
    expect(answer.status).toBe(403);
    expect(fetched).not.toHaveBeenCalled();
  });
});
