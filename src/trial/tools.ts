import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { serveHandler } from "../testing/vendors/local-machine.ts";
import { standInMcp } from "../testing/vendors/mcp.ts";
import { type Json, openTrial, until } from "./client.ts";
import { containers, startedSince, traces } from "./docker.ts";

// Trials of the tools that Claude Code in a container calls through its session.

/** Checks calls of MCP servers and of client tools. Returns the number of rules that did not hold. */
export async function tryTools(): Promise<number> {
  const { url, close } = await serveHandler(standInMcp().handle);
  const trial = await openTrial({ OFFLINE_MODEL: "true", MCP_ALLOW_PRIVATE_HOSTS: "true" });
  const { rule, create, call } = trial;
  await rule(
    "Claude Code calls an MCP server and client tools through its session, which alone has the secrets",
    async () => {
      const started = startedSince(containers);
      const secret = `sk-trial-${randomUUID()}`;
      const server = `${url}/modern/${randomUUID()}`;
      const state = async (changes: object) =>
        (
          await fetch(`${server}/state`, { method: "POST", body: JSON.stringify(changes) })
        ).json() as Promise<Json>;
      await state({ access: secret });
      const id = await create({
        pattern: "long-running",
        config: {
          runtime: "claude-code",
          mcpServers: {
            one: {
              url: `${server}/mcp`,
              headers: { Authorization: { secret: `Bearer ${secret}` } },
            },
          },
          clientTools: [
            {
              name: "lookup",
              description: "Returns a thing by its id.",
              inputSchema: { type: "object", properties: { id: { type: "integer" } } },
            },
          ],
        },
      });
      const prompt = [
        `/mcp__one__add {"token":"t"}`,
        `/lookup {"id":1} & /lookup {"id":2}`,
        "all done",
      ].join("\n");
      const asked = { prompt, background: true };
      const { messageId } = await call("POST", `/sessions/${id}/message`, asked);
      const message = () => call("GET", `/sessions/${id}/messages/${messageId}`);
      await until(async () => (await message()).status === "waiting");
      const { toolRequests } = await call("GET", `/sessions/${id}/tool-requests`);
      const results = (toolRequests as Json[]).map(({ toolUseId, input }) => ({
        toolUseId,
        content: `thing ${(input as Json).id}`,
      }));
      assert.equal(results.length, 2);
      await call("POST", `/sessions/${id}/tool-results`, { results });
      await until(async () => (await message()).endedAt !== null);
      const { status, result, toolsUsed } = await message();
      assert.equal(status, "completed");
      assert.deepEqual(toolsUsed, ["mcp__one__add", "lookup"]);
      assert.match(String(result), /thing 1[\s\S]*thing 2/);
      assert.deepEqual((await state({})).calls, ["t"]);
      const [container = ""] = started();
      for (const hidden of [secret, server]) {
        const [files, processes = ""] = traces(container, hidden, "agent");
        assert.equal(files, "searched\n");
        assert.match(processes, /claude/);
        assert(!processes.includes(hidden));
      }
      await call("DELETE", `/sessions/${id}`);
    },
  );
  close();
  return trial.broken();
}
