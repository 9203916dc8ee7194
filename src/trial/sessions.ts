import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { kill, newState, type Server, start } from "../bench/servers.ts";

// Sessions as a client sees them, with real containers and the offline model.

const VARS = { ALLOW_ANONYMOUS: "true", OFFLINE_MODEL: "true" };

/** Tries sessions in containers, one rule after the other; answers how many do not hold. */
export async function trySessions(): Promise<number> {
  const place = { config: "wrangler.toml", containers: true, vars: VARS, state: await newState() };
  let server: Server = await start(place);
  let broken = 0;
  const rule = async (title: string, holds: () => Promise<void>) => {
    try {
      await holds();
      console.log(`✓ ${title}`);
    } catch (error) {
      broken += 1;
      console.log(`✗ ${title}\n${error instanceof Error ? error.stack : error}`);
    }
  };
  const call = async (method: string, path: string, body?: object): Promise<Json> => {
    const init = body ? { body: JSON.stringify(body) } : {};
    const answer = await fetch(`${server.url}/api${path}`, { method, ...init });
    return answer.status === 204 ? {} : ((await answer.json()) as Json);
  };
  const create = async (body: object): Promise<string> =>
    String((await call("POST", "/sessions", body)).id);
  const read = (id: string) => call("GET", `/sessions/${id}`);
  const sandboxOf = async (id: string) => (await read(id)).sandbox as Json;
  const bash = async (id: string, command: string): Promise<string> => {
    const prompt = `/Bash ${JSON.stringify({ command })}`;
    return String((await call("POST", `/sessions/${id}/message`, { prompt })).result);
  };
  const until = async (holds: () => Promise<boolean>, seconds = 60): Promise<void> => {
    for (const giveUpAt = Date.now() + seconds * 1_000; Date.now() < giveUpAt; await sleep(200)) {
      if (await holds()) return;
    }
    throw new Error(`it did not come true within ${seconds} seconds`);
  };

  await rule(
    "a session is created at once and becomes active when its container is there",
    async () => {
      const began = Date.now();
      const id = await create({ pattern: "long-running" });
      assert(Date.now() - began < 1_000);
      assert.equal((await read(id)).status, "initializing");
      await until(async () => (await read(id)).status === "active");
      assert.equal((await sandboxOf(id)).state, "ready");
      const programs = "git rg python3 node claude";
      assert.match(await bash(id, `pwd; which ${programs} | wc -l`), /\/workspace\s+5/);
      await call("POST", `/sessions/${id}/terminate`);
    },
  );

  await rule(
    "a hybrid session's files outlive its sleep, for which it gives its container back",
    async () => {
      const id = await create({ pattern: "hybrid", maxIdleTimeMs: 3_000 });
      await bash(id, "mkdir -p a/b && echo kept > 'a/b/ü 1' && ln -s b a/link && chmod 700 a/b");
      await until(async () => (await read(id)).status === "idle");
      await until(async () => (await sandboxOf(id)).state === "suspended");
      assert.match(await bash(id, "cat a/link/*; stat -c %a a/b"), /kept\s+700/);
      await call("DELETE", `/sessions/${id}`);
    },
  );

  await rule(
    "a session that starts from another has its files, also of one that ended",
    async () => {
      const origin = await create({ pattern: "hybrid" });
      await bash(origin, "echo one > file");
      await call("POST", `/sessions/${origin}/terminate`);
      const config = { resumeSessionId: origin };
      const id = await create({ pattern: "hybrid", config });
      assert.match(await bash(id, "cat file"), /one/);
      const snapshot = await call("POST", `/sessions/${id}/snapshots`);
      await bash(id, "rm file");
      const next = await create({ pattern: "hybrid", config: { snapshotId: snapshot.id } });
      assert.match(await bash(next, "cat file"), /one/);
    },
  );

  await rule("what a session may not reach is refused with a word that says why", async () => {
    const id = await create({ pattern: "long-running" });
    const ask = "curl -s -m 20 https://example.com; curl -s -m 20 http://169.254.169.254";
    const said = await bash(id, ask);
    assert.equal(said.match(/may not reach/g)?.length, 2, said);
    assert.match(await bash(id, "curl -s -m 20 https://api.anthropic.com"), /may not reach/);
    await call("POST", `/sessions/${id}/terminate`);
  });

  await rule("a secret is no secret of the container's", async () => {
    const TOKEN = { secret: "s3cret", hosts: ["api.github.com"] };
    const id = await create({ pattern: "long-running", config: { env: { TOKEN } } });
    assert.match(await bash(id, "echo $TOKEN"), /rigger_secret_/);
    const look = "grep -rls s3[c]ret /proc/*/environ /workspace /var/lib/rigger /tmp; echo looked";
    assert.doesNotMatch(await bash(id, look), /environ|workspace\//);
    await call("POST", `/sessions/${id}/terminate`);
  });

  await rule(
    "a container that dies in a command is a loss that the model and the log tell of",
    async () => {
      const id = await create({ pattern: "long-running" });
      await bash(id, "echo lost > file");
      const running = bash(id, "sleep 60");
      await sleep(2_000);
      killContainers();
      assert.match(await running, /every file in it/);
      assert.doesNotMatch(await bash(id, "ls"), /file$/m);
      const { events } = await call("GET", `/sessions/${id}/events`);
      const types = (events as Json[]).map(({ type }) => type);
      assert.equal(types.filter((type) => type === "sandbox.lost").length, 1);
      await call("POST", `/sessions/${id}/terminate`);
    },
  );

  await rule("an interrupt ends a command with all it started", async () => {
    const id = await create({ pattern: "long-running" });
    await bash(id, "true");
    const running = bash(id, "setsid sleep 61 & sleep 61; echo overslept");
    await sleep(2_000);
    await call("POST", `/sessions/${id}/interrupt`);
    assert.doesNotMatch(await running, /overslept$/m);
    assert.match(await bash(id, "pgrep -fx 'sleep 61' || echo none"), /none/);
    await call("POST", `/sessions/${id}/terminate`);
  });

  await rule("a command outlives the server, and is not run twice", async () => {
    const id = await create({ pattern: "long-running" });
    await bash(id, "true");
    const command = "echo ran >> runs; sleep 15; echo slept; cat runs";
    const prompt = `/Bash ${JSON.stringify({ command })}`;
    const sent = await call("POST", `/sessions/${id}/message`, { prompt, background: true });
    await sleep(3_000);
    await kill(server);
    server = await start(place);
    const path = `/sessions/${id}/messages/${sent.messageId}`;
    await until(async () => (await call("GET", path)).status === "completed", 120);
    assert.match(String((await call("GET", path)).result), /slept\s+ran\s*$/m);
    await call("DELETE", `/sessions/${id}`);
  });

  const CLAUDE_CODE = { runtime: "claude-code" };

  await rule(
    "Claude Code works as the loop does: same events, same totals, no key in its container",
    async () => {
      const id = await create({ pattern: "hybrid", maxIdleTimeMs: 5_000, config: CLAUDE_CODE });
      const said = await bash(id, "echo one > a.txt; whoami; env | grep -c ANTHROPIC_API_KEY=none");
      assert.match(said, /agent\s+1/);
      const read = `/Read ${JSON.stringify({ file_path: "/workspace/a.txt" })}`;
      const message = await call("POST", `/sessions/${id}/message`, { prompt: read });
      assert.match(String(message.result), /one/);
      const session = await call("GET", `/sessions/${id}`);
      assert.deepEqual(session.toolsUsed, ["Bash", "Read"]);
      const { events } = await call("GET", `/sessions/${id}/events`);
      const costs = (events as Json[]).map(({ cost }) => Number(cost ?? 0));
      const sum = costs.reduce((total, cost) => total + cost, 0);
      assert(sum > 0 && Math.abs(sum - Number(session.totalCost)) < 1e-9);

      await until(async () => (await sandboxOf(id)).state === "suspended");
      assert.match(await bash(id, "cat a.txt"), /one/);
      const { messages } = await call("GET", `/sessions/${id}/messages`);
      assert.equal((messages as Json[]).length, 3);
      await call("DELETE", `/sessions/${id}`);
    },
  );

  await rule(
    "Claude Code stops when it is told to, and goes on with the next message",
    async () => {
      const id = await create({ pattern: "long-running", config: CLAUDE_CODE });
      await bash(id, "true");
      const running = bash(id, "sleep 63; echo overslept");
      await sleep(3_000);
      await call("POST", `/sessions/${id}/interrupt`);
      assert.doesNotMatch(await running, /overslept$/m);
      // The offline model takes what was stopped for what it was to answer.
      await bash(id, "true");
      assert.match(await bash(id, "pgrep -fx 'sleep 63' || echo none"), /none/);
      await call("DELETE", `/sessions/${id}`);
    },
  );

  await rule("Claude Code never spends beyond its budget", async () => {
    const id = await create({ pattern: "long-running", maxBudgetUsd: 0.02, config: CLAUDE_CODE });
    let session = await call("GET", `/sessions/${id}`);
    for (let n = 0; n < 10 && session.terminationReason === null; n++) {
      await bash(id, `echo ${n}`);
      session = await call("GET", `/sessions/${id}`);
    }
    assert.equal(session.terminationReason, "budget_limit");
    assert(Number(session.totalCost) <= 0.02);
  });

  await rule("Claude Code is carried on after its server was killed", async () => {
    const id = await create({ pattern: "long-running", config: CLAUDE_CODE });
    await bash(id, "true");
    const prompt = `/Bash ${JSON.stringify({ command: "echo ran >> runs; sleep 12; cat runs" })}`;
    const sent = await call("POST", `/sessions/${id}/message`, { prompt, background: true });
    await sleep(4_000);
    await kill(server);
    server = await start(place);
    const path = `/sessions/${id}/messages/${sent.messageId}`;
    await until(async () => (await call("GET", path)).endedAt !== null, 120);
    assert.match(String((await call("GET", path)).result), /ran/);
    await call("DELETE", `/sessions/${id}`);
  });

  return broken;
}

type Json = Record<string, unknown>;

/** Kills every container of sessions as the kernel would. */
function killContainers(): void {
  const docker = process.env.WRANGLER_DOCKER_BIN ?? "docker";
  const names = ["ps", "--format", "{{.Names}}", "--filter", "name=workerd-rigger-"];
  const { stdout } = spawnSync(docker, names, { encoding: "utf8" });
  const own = stdout.split("\n").filter((name) => name !== "" && !name.endsWith("-proxy"));
  spawnSync(docker, ["kill", ...own]);
}
