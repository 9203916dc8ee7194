import { describe, expect, it, vi } from "vitest";
import type { Egress } from "./egress";
import { handleOutbound } from "./outbound";

const PLACEHOLDER = `rigger_secret_${"0".repeat(32)}`;
const OWN: Egress = { to: "host", replacements: [{ placeholder: PLACEHOLDER, value: "value" }] };

/** Sends a request out of a sandbox; `sent` is what reached the world. */
async function send(
  request: Request,
  egress: Egress = OWN,
  answer: (request: Request) => Response | Promise<Response> = () => new Response("hi"),
) {
  const sent: Request[] = [];
  const fetch = async (request: Request) => {
    sent.push(request);
    return answer(request);
  };
  const callModel = vi.fn(async (_: Request) => new Response("from the model"));
  const archive = async () => new Response("from the bucket");
  const callMcp = async () => new Response("from a server's tools");
  const deps = { egress: async () => egress, archive, callModel, callMcp, fetch };
  const response = await handleOutbound(request, deps);
  return { response, sent: sent[0], callModel };
}

const aRequest = (url = "https://example.com/a?b=c", init?: RequestInit) => new Request(url, init);

describe("a request out of a sandbox", () => {
  it("arrives as it was sent, with the secret in the place of its placeholder", async () => {
    const { sent, response } = await send(
      aRequest(`https://example.com/p?key=${PLACEHOLDER}`, {
        method: "PUT",
        headers: { authorization: `Bearer ${PLACEHOLDER}`, "x-more": "more" },
        body: `body ${PLACEHOLDER}`,
      }),
    );
    expect(await response.text()).toBe("hi");
    expect(sent?.method).toBe("PUT");
    expect(sent?.url).toBe(`https://example.com/p?key=${PLACEHOLDER}`);
    expect(await sent?.text()).toBe(`body ${PLACEHOLDER}`);
    expect(sent?.headers.get("authorization")).toBe("Bearer value");
    expect(sent?.headers.get("x-more")).toBe("more");
  });

  it.each(["http://example.com/", "https://example.com:8443/", "http://example.com:443/"])(
    "keeps its placeholder where the value would not be safe: %s",
    async (url) => {
      const { sent } = await send(aRequest(url, { headers: { "x-key": PLACEHOLDER } }));
      expect(sent?.headers.get("x-key")).toBe(PLACEHOLDER);
    },
  );

  it("that is refused is told what would allow it, and nothing leaves", async () => {
    const { response, sent, callModel } = await send(aRequest(), { to: "nowhere" });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('{"allow": ["default", "example.com"]}');
    expect(sent).toBeUndefined();
    expect(callModel).not.toHaveBeenCalled();
  });

  it.each([
    ["https://1.1.1.1/", "open"],
    ["http://169.254.169.254/latest", "not on the public internet"],
  ])("that is refused is not advised what would not help: %s", async (url, advice) => {
    const { response } = await send(aRequest(url), { to: "nowhere" });
    const text = await response.text();
    expect(text).toContain(advice);
    expect(text).not.toContain('allow":');
  });

  it("to the model goes to the deployment's own, and not out", async () => {
    const url = "https://api.anthropic.com/v1/messages";
    const { response, sent, callModel } = await send(aRequest(url), { to: "model" });
    expect(await response.text()).toBe("from the model");
    expect(callModel.mock.calls[0]?.[0].url).toBe(url);
    expect(sent).toBeUndefined();
  });

  it("gets a redirect back and does not follow it", async () => {
    const location = "https://elsewhere.com/";
    const { response, sent } = await send(aRequest(), OWN, () => Response.redirect(location, 302));
    expect(sent?.redirect).toBe("manual");
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe(location);
  });

  it("leaves behind what belongs to its own connection, and the name that it claims as its host", async () => {
    const { sent } = await send(
      aRequest("https://example.com/", {
        headers: {
          connection: "keep-alive, X-Mine, b@d",
          "x-mine": "1",
          host: "other.com",
          te: "trailers",
          "proxy-authorization": "Basic eA==",
          upgrade: "h2c",
          accept: "*/*",
        },
      }),
    );
    expect(Object.fromEntries(sent?.headers ?? [])).toEqual({ accept: "*/*" });
  });

  it("streams, both ways", async () => {
    const up = new TransformStream<Uint8Array, Uint8Array>();
    const writer = up.writable.getWriter();
    const echo = async (request: Request) => new Response(request.body);
    const body = { method: "POST", body: up.readable };
    const { response } = await send(aRequest("https://example.com/", body), OWN, echo);
    const reader = response.body?.getReader();
    for (const text of ["one", "two"]) {
      writer.write(new TextEncoder().encode(text));
      const { value } = (await reader?.read()) ?? {};
      expect(new TextDecoder().decode(value)).toBe(text);
    }
    writer.close();
    expect((await reader?.read())?.done).toBe(true);
  });

  it("is answered 502 when the world or the session can't be reached, in words of ours", async () => {
    const broken = () => Promise.reject(new Error("internal detail"));
    const { response } = await send(aRequest(), OWN, broken);
    const deps = {
      egress: broken,
      archive: broken,
      callModel: broken,
      callMcp: broken,
      fetch: broken,
    };
    for (const answer of [response, await handleOutbound(aRequest(), deps)]) {
      expect(answer.status).toBe(502);
      expect(await answer.text()).toBe("Rigger: example.com could not be reached.\n");
    }
  });
});
