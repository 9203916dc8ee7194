import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ALLOW, approvalsOf, decide } from "../../testing/approvals";
import { containerOf, plantPrograms } from "../../testing/fake-claude-code";
import { mcpServer, type TestServer } from "../../testing/mcp";
import {
  ALICE,
  aMessage,
  ask,
  bash,
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
import type { SessionConfig } from "../rpc";

let uproot = () => {};
beforeAll(() => {
  uproot = plantPrograms();
});
afterAll(() => uproot());

const claudeCode = ({ config }: TestServer, more: Partial<SessionConfig> = {}) =>
  createSession({ config: { mcpServers: { one: config }, ...more, runtime: "claude-code" } });

const add = (token: string) => call("mcp__one__add", { token });

const resultsOf = async (id: string) =>
  (await eventsOf(id)).flatMap((event) =>
    event.type === "tool.completed" ? [[event.name, event.content, event.isError]] : [],
  );

/** Returns the official client, connected to a session as the process is. */
async function clientOf(
  id: string,
  server = "one",
  fetch: typeof globalThis.fetch = (input, init) => objectOf(id).fetch(new Request(input, init)),
): Promise<Client> {
  const client = new Client({ name: "program", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(`https://session/mcp/${server}`), {
    fetch,
  });
  await client.connect(transport);
  return client;
}

it("Claude Code calls tools of a server through its session, which alone has the secrets", async () => {
  const server = mcpServer("modern", {
    headers: { "X-Team": "red", Authorization: { secret: "Bearer sk-live-0123456789" } },
  });
  const id = await claudeCode(server);
  const prompt = [add("t"), call("mcp__one__headers", {}), "all done"].join("\n");
  const message = await ask(id, prompt);
  expect(message).toMatchObject({
    status: "completed",
    toolsUsed: ["mcp__one__add", "mcp__one__headers"],
  });
  const [added, headers] = await resultsOf(id);
  expect(added).toEqual(["mcp__one__add", "added t", false]);
  expect(headers?.[1]).toContain('"x-team":"red"');
  expect((await server.state()).calls).toEqual(["t"]);
  const container = containerOf(id);
  const files = [...container.files].map(([path, bytes]) => [
    path,
    new TextDecoder().decode(bytes),
  ]);
  const config = files.find(([path]) => path?.endsWith("/mcp.json"))?.[1];
  expect(JSON.parse(config ?? "")).toEqual({
    mcpServers: { one: { type: "http", url: "http://mcp.rigger/one", headers: {} } },
  });
  const inContainer = JSON.stringify([files, container.environments, container.sent]);
  expect(inContainer).not.toContain("sk-live");
  expect(inContainer).not.toContain("mcp.example.com");
});

it("the official client gets the tools of a server, and makes no call that the model has not made", async () => {
  const server = mcpServer("modern", { tools: ["add", "echo", "image"] });
  const id = await claudeCode(server, { disallowedTools: ["mcp__one__image"] });
  const request = aMessage(["/delay 1000", "all done"].join("\n"));
  value(await sessionOf(id).send(ALICE, request));
  await until(async () => (await eventsOf(id)).some(({ type }) => type === "turn.started"));
  const client = await clientOf(id);
  const { tools } = await client.listTools();
  expect(tools).toMatchObject([
    { name: "add", description: "Adds a token.", inputSchema: { required: ["token"] } },
    { name: "echo", annotations: { readOnlyHint: true } },
  ]);
  await expect(client.callTool({ name: "image", arguments: {} })).rejects.toThrow("no such tool");
  await expect(clientOf(id, "two")).rejects.toThrow("Error POSTing");
  const refused = client.callTool({ name: "add", arguments: { token: "t" } });
  expect(await ended(id, request.id)).toMatchObject({ status: "completed" });
  expect(await refused).toMatchObject({ isError: true });
  expect(await client.callTool({ name: "add", arguments: { token: "t" } })).toMatchObject({
    isError: true,
    content: [{ type: "text", text: "No message runs." }],
  });
  expect((await server.state()).calls).toEqual([]);
});

it("a call of the model is made once, with its input, and as its rules allow", async () => {
  const server = mcpServer("modern");
  const id = await claudeCode(server, { disallowedTools: ["mcp__one__set"] });
  const calls = `${call("mcp__one__slow", { ms: 300 })} & ${call("mcp__one__set", { token: "t" })}`;
  const request = aMessage([calls, "all done"].join("\n"));
  value(await sessionOf(id).send(ALICE, request));
  await until(async () => (await server.state()).slow === 1);
  const client = await clientOf(id);
  const others = [{ ms: 300 }, { ms: 1 }].map((input) =>
    client.callTool({ name: "slow", arguments: input }),
  );
  expect(await ended(id, request.id)).toMatchObject({ status: "completed" });
  for (const other of await Promise.all(others)) expect(other.isError).toBe(true);
  expect((await resultsOf(id)).sort()).toMatchObject([
    ["mcp__one__set", "There is no such tool.", true],
    ["mcp__one__slow", "at last", false],
  ]);
  expect((await server.state()).calls).toEqual([]);
});

it("a call is made after it was approved, with the input that was decided", async () => {
  const server = mcpServer("modern");
  const id = await claudeCode(server, { askTools: ["mcp__one__add"] });
  const asked = await ask(id, [add("a"), "all done"].join("\n"));
  expect(asked).toMatchObject({ status: "waiting" });
  const client = await clientOf(id);
  const early = await client.callTool({ name: "add", arguments: { token: "a" } });
  expect(early).toMatchObject({ isError: true });
  const [approval] = await approvalsOf(id, "pending");
  await decide(id, approval?.id ?? "", { ...ALLOW, input: { token: "b" } });
  expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
  expect((await server.state()).calls).toEqual(["b"]);
});

it("a stream that breaks off is answered when the client comes back, as it does by its last event", async () => {
  const server = mcpServer("modern");
  const id = await claudeCode(server);
  const request = aMessage([call("mcp__one__slow", { ms: 2_000 }), "done"].join("\n"));
  value(await sessionOf(id).send(ALICE, request));
  await until(async () => (await eventsOf(id)).some(({ type }) => type === "tool.started"));
  let cuts = 0;
  /** Cuts the stream of a call after its first event. */
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const response = await objectOf(id).fetch(new Request(input, init));
    if (!String(init?.body).includes("tools/call")) return response;
    cuts++;
    const reader = response.body?.getReader();
    const first = await reader?.read();
    return new Response(first?.value, response);
  };
  const client = await clientOf(id, "one", fetch);
  expect(await client.callTool({ name: "slow", arguments: { ms: 1 } })).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining("its effect is unknown") }],
  });
  expect(cuts).toBe(1);
  await sessionOf(id).interrupt(ALICE);
});

it("agents of Claude Code get the tools that their rules allow", async () => {
  const server = mcpServer("modern", { tools: ["add", "echo"] });
  const id = await claudeCode(server, {
    customAgents: {
      reader: { disallowedTools: ["mcp__one__add"] },
      clerk: { allowedTools: ["Read"] },
    },
  });
  expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
  const [, agents] =
    [...containerOf(id).files].find(([path]) => path.endsWith("/agents.json")) ?? [];
  const { reader, clerk } = JSON.parse(new TextDecoder().decode(agents));
  expect(reader.tools).toContain("mcp__one__echo");
  expect(reader.tools).not.toContain("mcp__one__add");
  expect(clerk.tools).toEqual(["Read"]);
});

it("a call whose object is lost is not made again, and the message ends", async () => {
  const server = mcpServer("modern");
  const id = await claudeCode(server);
  const prompt = [bash("echo hi"), add("once"), call("mcp__one__slow", { ms: 500 }), "all done"];
  const request = aMessage(prompt.join("\n"));
  value(await sessionOf(id).send(ALICE, request));
  await until(async () => (await server.state()).calls.length > 0);
  await lose(id);
  await until(async () => {
    const message = await sessionOf(id)
      .message(ALICE, request.id)
      .catch(() => null);
    return message?.ok === true && message.value.endedAt !== null;
  }, 10_000);
  expect((await server.state()).calls).toEqual(["once"]);
});
