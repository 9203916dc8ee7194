import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { start } from "../bench/servers.ts";
import { type Json, openTrial, until } from "./client.ts";
import { containers, inside, traces } from "./docker.ts";

// Trials that need settings of a deployment: a key for the Messages API, and a pool of containers.

/**
 * Checks that the deployment's key is nowhere in a container in which Claude Code runs. Returns the number of
 * rules that did not hold.
 */
export async function tryKey(): Promise<number> {
  const model = await start({ config: "src/bench/workers/model.toml" });
  const key = `sk-trial-${randomUUID()}`;
  const trial = await openTrial({ ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: model.url });
  await trial.rule(
    "no variable, file, process or request of a container holds the key",
    async () => {
      const config = { runtime: "claude-code" };
      const id = await trial.create({ pattern: "long-running", config });
      assert.match(await trial.bash(id, "whoami"), /agent/);
      const container = containers()[0]?.id ?? "";
      const [files, processes = ""] = traces(container, key, "agent");
      assert.equal(files, "searched\n");
      assert.match(processes, /^ANTHROPIC_API_KEY=none$/m);
      assert(!processes.includes(key));
      const request = inside(container, `${CAPTURE} claude -p hello`, "agent");
      assert.match(request, /"x-api-key":"none"/);
      assert(!request.includes(key));
      await trial.call("DELETE", `/sessions/${id}`);
    },
  );
  return trial.broken();
}

/** Redirects a program's requests to a server within the container, which prints their content. */
const CAPTURE = [
  'node -e \'require("http").createServer((q, r) => { console.log(JSON.stringify(q.headers));',
  "r.writeHead(400); r.end() }).listen(9999)' & server=$!; trap 'kill $server' EXIT; sleep 1;",
  "cd /tmp; export $(tr '\\0' '\\n' < /proc/$(pgrep -o -x claude)/environ | grep -a '^ANTHROPIC_API_KEY');",
  "ANTHROPIC_BASE_URL=http://127.0.0.1:9999 timeout 20",
].join(" ");

/** Checks that a session finds a ready container if the deployment has a pool. */
export async function tryPool(): Promise<number> {
  const trial = await openTrial({ OFFLINE_MODEL: "true", WARM_POOL_TARGET: "1" });
  const pool = () => trial.call("GET", "/pool");
  await trial.rule(
    "a session takes a container that is ready, and another is started",
    async () => {
      const cold = await trial.create({ pattern: "long-running" });
      await until(async () => (await pool()).ready === 1);
      const id = await trial.create({ pattern: "long-running" });
      const { sandbox } = await trial.call("GET", `/sessions/${id}`);
      assert.match(String((sandbox as Json).id), /^warm_/);
      assert.match(await trial.bash(id, "curl -s -m 20 https://example.com"), /may not reach/);
      await until(async () => (await pool()).ready === 1);
      const { handedOut, missed } = await pool();
      assert.deepEqual([handedOut, missed], [1, 1]);
      for (const made of [cold, id]) await trial.call("DELETE", `/sessions/${made}`);
    },
  );
  return trial.broken();
}
