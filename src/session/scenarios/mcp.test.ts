import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { approvalsOf, decide } from "../../testing/approvals";
import { at, moveClock, withoutPauses } from "../../testing/faults";
import { mcpServer, type TestServer } from "../../testing/mcp";
import {
  ALICE,
  aMessage,
  ask,
  call,
  createSession,
  ended,
  eventsOf,
  lose,
  objectOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import { upstream } from "../../testing/upstream";
import type { SessionConfig } from "../rpc";

afterEach(() => vi.restoreAllMocks());

/** Creates a session with a server named `one`. */
const sessionWith = ({ config }: Pick<TestServer, "config">, more: Partial<SessionConfig> = {}) =>
  createSession({ config: { mcpServers: { one: config }, ...more } });

/** Makes calls one after the other, and returns their results. */
async function results(id: string, ...calls: string[]) {
  const message = await ask(id, [...calls, "done"].join("\n"));
  expect(message.status).toBe("completed");
  return (await eventsOf(id)).flatMap((event) =>
    event.type === "tool.completed" && event.messageId === message.id ? [event] : [],
  );
}

const newsOf = async (id: string) =>
  (await eventsOf(id)).filter(({ type }) => type.startsWith("mcp."));

/** Returns the tools that the model was offered in each call. */
const offered = (asked: { body: object }[]) =>
  asked.map(({ body }) =>
    (body as { tools?: { name: string }[] }).tools?.flatMap(({ name }) =>
      name.startsWith("mcp__") ? [name] : [],
    ),
  );

const echo = (text = "hello") => call("mcp__one__echo", { text });

describe.each(["modern", "classic"])("a server (%s)", (kind) => {
  it("gives the agent its tools, which are listed once", async () => {
    const server = mcpServer(kind);
    const id = await sessionWith(server);
    expect(await results(id, echo())).toMatchObject([{ isError: false, content: "hello" }]);
    const [added] = await results(id, call("mcp__one__add", { token: "t" }));
    expect(added).toMatchObject({ name: "mcp__one__add", content: "added t" });
    expect(await newsOf(id)).toMatchObject([{ type: "mcp.listed", server: "one" }]);
    expect(await server.state()).toMatchObject({ calls: ["t"], lists: 1 });
  });

  it("gives images, structures, notes of what can't be shown, and its own errors", async () => {
    const id = await sessionWith(mcpServer(kind));
    const names = ["image", "structured", "fail", "dots_and_more"];
    const given = await results(id, ...names.map((name) => call(`mcp__one__${name}`, {})));
    expect(given.map(({ content, isError }) => [content, isError])).toEqual([
      [
        "look\n[image]\n[An image that is not PNG, JPEG, GIF or WebP]\n[audio, audio/wav, which can't be shown]\n[A resource: a.txt, file:///a.txt]\n[Resource file:///b.txt, text/plain]\nof b",
        false,
      ],
      ['{"degrees":21}', false],
      ["no such issue", true],
      ["dotted", false],
    ]);
  });

  it("that has changed its tools is listed again, and the next turn has them", async () => {
    const server = mcpServer(kind);
    const id = await sessionWith(server);
    const asked = upstream(() => undefined);
    await results(id, call("mcp__one__grow", {}), call("mcp__one__grown", {}));
    const has = offered(asked).map((names) => names?.includes("mcp__one__grown"));
    expect(has).toEqual([false, true, true]);
    // A call of a tool that is gone makes it be listed again too.
    await server.state({ hasGrown: false });
    const [gone] = await results(id, call("mcp__one__grown", {}));
    expect(gone).toMatchObject({ isError: true });
    expect(offered(asked).at(-1)).not.toContain("mcp__one__grown");
  });
});

describe("a server with sessions", () => {
  it("that has forgotten one gets another, and the call is made once", async () => {
    const server = mcpServer("classic");
    const id = await sessionWith(server);
    const before = results(
      id,
      echo(),
      call("Bash", { command: "sleep 0.3" }),
      call("mcp__one__add", { token: "t" }),
    );
    await until(async () => (await eventsOf(id)).some(({ type }) => type === "tool.completed"));
    await server.state({ forgetsSessions: true });
    expect((await before).at(-1)).toMatchObject({ isError: false, content: "added t" });
    expect(await server.state()).toMatchObject({ calls: ["t"], begun: 2 });
  });

  it("is told when the message has ended", async () => {
    const server = mcpServer("classic");
    const id = await sessionWith(server);
    await results(id, echo());
    await until(async () => (await server.state()).ended === 1);
  });

  it("is told when a call is interrupted, and the message ends at once", async () => {
    const server = mcpServer("classic");
    const id = await sessionWith(server);
    const request = aMessage([call("mcp__one__slow", { ms: 8_000 }), "done"].join("\n"));
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => (await eventsOf(id)).some(({ type }) => type === "tool.started"));
    await scheduler.wait(50);
    await sessionOf(id).interrupt(ALICE);
    expect(await ended(id, request.id)).toMatchObject({ status: "interrupted" });
    await until(async () => (await server.state()).cancelled === 1);
  });
});

describe("a server that does not work", () => {
  it.each([
    ["html", "Unexpected content type: text/html"],
    ["redirecting", "it answered with a redirect (307), which is not followed"],
    ["endless", "it answered with more than 8192 KiB"],
    ["many", "It has 129 tools, and 128 can be offered"],
    ["endlessPages", "its list of tools has more than 32 pages"],
    ["silent", "it did not answer within 10 s"],
  ])("(%s) is an event, and the session works without it", async (kind, message) => {
    const server = mcpServer(kind);
    const id = await sessionWith(server);
    const isLate = message.includes("within");
    const made = () =>
      results(id, call("mcp__one__echo", {}), call("Bash", { command: "echo hi" }));
    const [failed, other] = await (isLate ? withoutPauses(made) : made());
    expect(failed).toMatchObject({
      isError: true,
      content: expect.stringMatching(
        /^There is no tool "mcp__one__echo". The tools of "one" could/,
      ),
    });
    expect(other).toMatchObject({ content: "hi" });
    expect(await newsOf(id)).toMatchObject([
      { type: "mcp.failed", server: "one", message: expect.stringContaining(message) },
    ]);
  });

  it("at first is tried again with the next message, once with each", async () => {
    const server = mcpServer("modern");
    await server.state({ isDown: true });
    const id = await sessionWith(server);
    await results(id);
    const { requests } = await server.state({ isDown: false });
    expect(await results(id, echo())).toMatchObject([{ content: "hello" }]);
    expect((await newsOf(id)).map(({ type }) => type)).toEqual(["mcp.failed", "mcp.listed"]);
    expect(requests).toBeLessThan(3);
  });

  it("later keeps its tools, whose calls fail", async () => {
    const server = mcpServer("modern");
    const id = await sessionWith(server);
    await results(id, echo());
    await server.state({ isDown: true });
    const [failed] = await results(id, echo());
    expect(failed).toMatchObject({
      isError: true,
      content: 'The MCP server "one" failed: it answered 503: The service is down..',
    });
    await server.state({ isDown: false });
    expect(await results(id, echo())).toMatchObject([{ content: "hello" }]);
  });

  it("in time stops the call, and the message goes on", async () => {
    const id = await sessionWith(mcpServer("modern", { timeoutMs: 100 }));
    const [late, other] = await results(id, call("mcp__one__slow", { ms: 5_000 }), echo());
    expect(late?.content).toBe(
      "The call took longer than 0.1 seconds and was stopped. What it had done until then is not known.",
    );
    expect(other).toMatchObject({ content: "hello" });
  });

  it.each(["modern", "classic"])("within bounds (%s) is cut", async (kind) => {
    const id = await sessionWith(mcpServer(kind));
    const [long, tooLong] = await results(
      id,
      call("mcp__one__huge", { size: 300_000 }),
      call("mcp__one__huge", { size: 9_000_000 }),
    );
    expect(long?.content).toHaveLength(
      100_000 + "\n\n[... 200,000 characters left out ...]\n\n".length,
    );
    expect(tooLong).toMatchObject({
      isError: true,
      content: 'The MCP server "one" failed: it answered with more than 8192 KiB.',
    });
  });
});

it("tools that the model's API would refuse are left out, with the reason", async () => {
  const id = await sessionWith(mcpServer("strange"));
  const asked = upstream(() => undefined);
  await results(id);
  expect(offered(asked)[0]).toEqual([
    "mcp__one____proto__",
    "mcp__one__same_name",
    "mcp__one__union",
  ]);
  expect(asked[0]?.body).toMatchObject({
    tools: expect.arrayContaining([
      {
        ...{ name: "mcp__one__union", description: "" },
        input_schema: { type: "object", properties: { a: {} } },
      },
    ]),
  });
  const [server] = value(await sessionOf(id).mcpServers(ALICE));
  expect(server?.leftOut).toMatchObject([
    { name: "spaces", reason: 'its schema has a property "a b"' },
    { name: "same/name", reason: "another tool has its name already" },
    { reason: "its name is empty or too long" },
  ]);
  const deep = await sessionWith(mcpServer("deep"));
  await results(deep);
  expect(value(await sessionOf(deep).mcpServers(ALICE))).toMatchObject([
    { tools: [{ name: "mcp__one__good" }], leftOut: [{ name: "deep" }] },
  ]);
});

it("a name that leads to a private network is not reached", async () => {
  const id = await sessionWith({ config: { url: "https://private.mcp.example.com/mcp" } });
  await results(id);
  expect(await newsOf(id)).toMatchObject([
    { type: "mcp.failed", message: expect.stringContaining("is not on the public internet") },
  ]);
});

it("tools are listed again after an hour", async () => {
  const server = mcpServer("modern");
  const id = await sessionWith(server);
  await results(id);
  await at(Date.now() + 3_600_001, () => results(id));
  expect((await server.state()).lists).toBe(2);
});

describe("the rules of a session", () => {
  it("offer and allow what they name, of a server or a tool", async () => {
    const server = mcpServer("modern");
    const asked = upstream(() => undefined);
    const id = await sessionWith(server, {
      allowedTools: ["Bash", "mcp__one__*"],
      disallowedTools: ["mcp__one__add"],
    });
    const [allowed, refused] = await results(id, echo(), call("mcp__one__add", { token: "t" }));
    expect(allowed).toMatchObject({ content: "hello" });
    expect(refused).toMatchObject({ isError: true, content: "mcp__one__add is disallowed." });
    expect(offered(asked)[0]).toContain("mcp__one__echo");
    expect(offered(asked)[0]).not.toContain("mcp__one__add");

    const other = await sessionWith(server, { allowedTools: ["Bash", "mcp__one__echo"] });
    const [, not] = await results(other, echo(), call("mcp__one__add", { token: "t" }));
    expect(not).toMatchObject({ content: "mcp__one__add is not allowed." });
    expect((await server.state()).calls).toEqual([]);
  });

  it("offer only the tools that the config chooses", async () => {
    const asked = upstream(() => undefined);
    const id = await sessionWith(mcpServer("modern", { tools: ["add", "echo"] }));
    await results(id);
    expect(offered(asked)[0]).toEqual(["mcp__one__add", "mcp__one__echo"]);
  });

  it("have a call approved first, with the input that is decided", async () => {
    const server = mcpServer("modern");
    const id = await sessionWith(server, { askTools: ["mcp__one"] });
    const request = aMessage([call("mcp__one__add", { token: "a" }), "done"].join("\n"));
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => (await approvalsOf(id, "pending")).length === 1);
    const [approval] = await approvalsOf(id, "pending");
    await decide(id, approval?.id ?? "", {
      ...{ decision: "allow", note: null, remember: false },
      input: { token: "b" },
    });
    expect(await ended(id, request.id)).toMatchObject({ status: "completed" });
    expect((await server.state()).calls).toEqual(["b"]);
  });
});

describe("headers", () => {
  const secret = "sk-live-0123456789";

  it("are sent, and secrets are stored and shown nowhere", async () => {
    const headers = { "X-Team": "red team", Authorization: { secret: `Bearer ${secret}` } };
    const server = mcpServer("modern", { headers });
    server.config.url += `?api_key=${secret}`;
    const id = await sessionWith(server);
    const [echoed] = await results(id, call("mcp__one__headers", {}));
    const seen = JSON.parse(echoed?.content ?? "");
    expect(seen).toMatchObject({ "x-team": "red team", authorization: "[redacted]" });
    const shown = JSON.stringify([
      value(await sessionOf(id).read(ALICE)),
      value(await sessionOf(id).mcpServers(ALICE)),
      await eventsOf(id),
    ]);
    expect(shown).not.toContain(secret);
    expect(value(await sessionOf(id).mcpServers(ALICE))).toMatchObject([
      { name: "one", origin: "https://mcp.example.com", authorization: "headers", error: null },
    ]);
  });

  it("with a secret are not in the words of a server that repeats them", async () => {
    const server = mcpServer("modern", { headers: { Authorization: `Bearer ${secret}` } });
    await server.state({ access: "another" });
    const id = await sessionWith(server);
    await results(id);
    expect(await newsOf(id)).toMatchObject([
      { type: "mcp.failed", message: "it answered 401: Not with [redacted]" },
    ]);
  });
});

describe("access by OAuth", () => {
  const authorized = async (kind: string, changes: object = {}) => {
    const server = mcpServer(kind);
    await server.state({ access: "none-yet" });
    server.config.oauth = { ...server.oauth, ...changes };
    return server;
  };
  const twice = `${echo("a")} & ${echo("b")} & ${echo("c")}`;

  it("is renewed before the first request, and the new tokens outlive the object", async () => {
    const server = await authorized("modern");
    const id = await sessionWith(server);
    await results(id, echo());
    await lose(id);
    expect(await results(id, twice)).toMatchObject([
      ...[{ content: "a" }, { content: "b" }, { content: "c" }],
    ]);
    expect(await server.state()).toMatchObject({ renewals: 1, reused: 0 });
  });

  it("is renewed once for all calls that are refused, also if that takes long", async () => {
    const server = await authorized("modern");
    const id = await sessionWith(server);
    await results(id, echo());
    await server.state({ access: "expired early", renewMs: 100 });
    expect(await results(id, twice)).toMatchObject([
      ...[{ content: "a" }, { content: "b" }, { content: "c" }],
    ]);
    expect(await server.state()).toMatchObject({ renewals: 2, reused: 0 });
  });

  it("that a server repeats is not in what the model reads, also if it was just renewed", async () => {
    const server = await authorized("modern");
    const id = await sessionWith(server);
    const [echoed] = await results(id, call("mcp__one__headers", {}));
    expect(JSON.parse(echoed?.content ?? "").authorization).toBe("Bearer [redacted]");
    await server.state({ access: "any", renews: false });
    const [refused] = await results(id, echo());
    expect(refused?.content).toBe(
      'The MCP server "one" failed: it answered 401: Not with Bearer [redacted].',
    );
  });

  it("is renewed a minute before it ends", async () => {
    const server = await authorized("modern");
    const id = await sessionWith(server);
    await results(id, echo());
    moveClock(3_600_000 - 59_000);
    await results(id, echo());
    expect(await server.state()).toMatchObject({ renewals: 2, reused: 0 });
  });

  it("uses the token that is given while it is valid, and renews it in the background of an interrupt", async () => {
    const server = await authorized("modern", {
      accessToken: "given",
      expiresAt: Date.now() + 600_000,
    });
    await server.state({ access: "given" });
    const id = await sessionWith(server);
    await results(id, echo());
    expect((await server.state()).renewals).toBe(0);
    await server.state({ access: "other", renewMs: 300 });
    const request = aMessage([echo(), "done"].join("\n"));
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => (await server.state()).renewals === 1);
    await sessionOf(id).interrupt(ALICE);
    expect(await results(id, echo())).toMatchObject([{ content: "hello" }]);
    expect(await server.state()).toMatchObject({ renewals: 1, reused: 0 });
  });

  it("that was revoked is an error that says what to do, and is not asked for again", async () => {
    const server = await authorized("modern", { refreshToken: "revoked" });
    const id = await sessionWith(server);
    await results(id);
    const message =
      "its access has ended and has to be authorized again (its token endpoint answered 400, invalid_grant)";
    expect(await newsOf(id)).toMatchObject([{ type: "mcp.failed", message }]);
    await results(id);
    expect((await server.state()).reused).toBe(1);
    await server.state({ reused: 0 });
    const given = { ...server.oauth, clientSecret: "client secret 1" };
    const row = value(await sessionOf(id).authorizeMcpServer(ALICE, "one", given));
    expect(row).toMatchObject({ authorization: "oauth", error: message });
    expect(await results(id, echo())).toMatchObject([{ content: "hello" }]);
    const [server_] = value(await sessionOf(id).mcpServers(ALICE));
    expect(server_).toMatchObject({ error: null });
    const none = await sessionOf(id).authorizeMcpServer(ALICE, "two", given);
    expect(none).toMatchObject({ ok: false, failure: { code: "not_found" } });
  });

  it("that is revoked while calls are made is told by one event, and by the server's error", async () => {
    const server = await authorized("modern");
    const id = await sessionWith(server);
    await results(id, echo());
    await server.state({ access: "other", refresh: "other" });
    const message = expect.stringContaining("has to be authorized again");
    expect(await results(id, twice)).toMatchObject([
      ...[{ content: message }, { content: message }, { content: message }],
    ]);
    const failures = (await newsOf(id)).filter(({ type }) => type === "mcp.failed");
    expect(failures).toMatchObject([{ server: "one", message }]);
    const [shown] = value(await sessionOf(id).mcpServers(ALICE));
    expect(shown).toMatchObject({ error: message, tools: expect.any(Array) });
    await server.state({ reused: 0 });
    const given = { ...server.oauth, refreshToken: "other" };
    value(await sessionOf(id).authorizeMcpServer(ALICE, "one", given));
    expect(await results(id, echo())).toMatchObject([{ content: "hello" }]);
    expect(value(await sessionOf(id).mcpServers(ALICE))).toMatchObject([{ error: null }]);
  });
});

it("nothing of a server is stored for a session without one", async () => {
  const id = await createSession({ config: {} });
  await results(id);
  const rows = await runInDurableObject(objectOf(id), (_, { storage }) =>
    storage.sql.exec("SELECT count(*) AS n FROM mcp_servers").one(),
  );
  expect(rows.n).toBe(0);
});
