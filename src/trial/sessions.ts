import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { type Json, openTrial, type Trial, until } from "./client.ts";
import { containers, docker, killContainers, sidecars, startedSince } from "./docker.ts";

// Trials of whole sessions through the API, with real containers and the offline model.

/** Checks sessions in containers, one rule after the other. Returns the number of rules that did not hold. */
export async function trySessions(): Promise<number> {
  const trial = await openTrial({ OFFLINE_MODEL: "true" });
  await tryPatterns(trial);
  await trySetup(trial);
  for (const runtime of ["loop", "claude-code"]) await tryRuntime(trial, runtime);
  await tryEgress(trial);
  return trial.broken();
}

async function tryPatterns({ rule, create, call, bash }: Trial): Promise<void> {
  const read = (id: string) => call("GET", `/sessions/${id}`);
  // A service that is killed leaves its sidecars behind.
  const ownSidecars = startedSince(sidecars);

  await rule("a session is created at once, and active when its container is there", async () => {
    const began = Date.now();
    const id = await create({ pattern: "long-running" });
    assert(Date.now() - began < 1_000);
    assert.equal((await read(id)).status, "initializing");
    await until(async () => (await read(id)).status === "active");
    assert.equal(((await read(id)).sandbox as Json).state, "ready");
    const programs = "git rg python3 node claude";
    assert.match(await bash(id, `pwd; which ${programs} | wc -l`), /\/workspace\s+5/);
    await call("POST", `/sessions/${id}/terminate`);
  });

  await rule("an ephemeral session does one task, and its container goes", async () => {
    const id = await create({ pattern: "ephemeral" });
    assert.match(await bash(id, "echo done"), /done/);
    assert.equal((await read(id)).status, "completed");
    await until(async () => ((await read(id)).sandbox as Json).state === "none");
  });

  await rule("several agents work in one container", async () => {
    const customAgents = { player1: {}, player2: {} };
    const id = await create({ pattern: "single-container", config: { customAgents } });
    const task = (agent: string) =>
      `/Task ${JSON.stringify({
        subagent_type: agent,
        prompt: `/Bash ${JSON.stringify({ command: `echo ${agent} >> board.txt` })}`,
      })}`;
    const prompt = `${task("player1")} & ${task("player2")}`;
    await call("POST", `/sessions/${id}/message`, { prompt });
    assert.match(await bash(id, "sort board.txt"), /player1\s+player2/);
    await call("DELETE", `/sessions/${id}`);
  });

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
      for (const made of [origin, id, next]) await call("DELETE", `/sessions/${made}`);
    },
  );

  await rule("20,000 small files outlive the sleep", async () => {
    const id = await create({ pattern: "hybrid", maxIdleTimeMs: 2_000 });
    const fill = [
      "import os",
      "for n in range(20_000):",
      "  folder = 'd%d' % (n // 100)",
      "  os.makedirs(folder, exist_ok=True)",
      "  open('%s/f%d' % (folder, n), 'w').write('%d ' % n * (n % 1_000))",
    ].join("\n");
    const sum = "find . -type f | sort | xargs sha256sum | tee /tmp/sums | sha256sum";
    const look = `${sum}; wc -l < /tmp/sums`;
    const before = await bash(id, `python3 -c "${fill}"; ${look}`);
    assert.match(before, /\b20000\b/);
    await until(async () => ((await read(id)).sandbox as Json).state === "suspended");
    assert.equal(sumOf(await bash(id, look)), sumOf(before));
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("sessions that have ended leave no container behind", () =>
    until(async () => containers().length + ownSidecars().length === 0),
  );
}

async function trySetup({ rule, create, call, bash }: Trial): Promise<void> {
  const typesOf = async (id: string) => {
    const { events } = await call("GET", `/sessions/${id}/events`);
    return (events as Json[]).map(({ type }) => type);
  };

  await rule("a set-up runs once, and another session starts with what it has made", async () => {
    const config = {
      files: [{ path: "code/a.txt", text: "one\n" }],
      setup: ["git init -q code && cp code/a.txt code/b.txt", "date +%s%N > made.txt"],
    };
    const first = await create({ pattern: "hybrid", config });
    const look = "cat made.txt code/b.txt && git -C code status -s";
    const seen = await bash(first, look);
    assert.match(seen, /one\s+\?\? a.txt\s+\?\? b.txt/);
    const next = await create({ pattern: "ephemeral", config });
    assert.equal(await bash(next, look), seen);
    assert((await typesOf(first)).includes("setup.completed"));
    assert((await typesOf(next)).includes("setup.reused"));
    await call("DELETE", `/sessions/${first}`);
  });

  await rule("a set-up that fails ends the session, with what it has said", async () => {
    const config = { setup: ["true", "echo 'no lock file' >&2; exit 7"] };
    const id = await create({ pattern: "long-running", config });
    const read = () => call("GET", `/sessions/${id}`);
    await until(async () => (await read()).status === "error");
    const { message } = (await read()).error as Json;
    assert.match(String(message), /step 2 of 2.*exit code 7\.\nno lock file$/);
  });
}

/** Returns the SHA-256 sum in a reply. */
const sumOf = (said: string) => said.match(/[0-9a-f]{64}/)?.[0];

/** Checks the rules that hold for every runtime. */
async function tryRuntime(trial: Trial, runtime: string): Promise<void> {
  const { create, call, bash, begin } = trial;
  const rule = (title: string, holds: () => Promise<void>) =>
    trial.rule(`${runtime}: ${title}`, holds);
  const ofPattern = (pattern: string, more: object = {}) =>
    create({ pattern, config: { runtime }, ...more });
  const endOf = async (id: string, messageId: string): Promise<Json> => {
    const read = () => call("GET", `/sessions/${id}/messages/${messageId}`);
    await until(async () => (await read()).endedAt !== null, 120);
    return read();
  };
  const eventsOf = async (id: string, wanted: string): Promise<Json[]> => {
    const { events } = await call("GET", `/sessions/${id}/events?limit=1000`);
    return (events as Json[]).filter(({ type }) => type === wanted);
  };
  /** Creates a session and starts its container. Returns the ids of both. */
  const withContainer = async (): Promise<[string, string]> => {
    const started = startedSince(containers);
    const id = await ofPattern("long-running");
    await bash(id, "true");
    const [container] = started();
    assert(container);
    return [id, container];
  };
  const isRunning = (container: string) => containers().some(({ id }) => id === container);
  /** A script that starts three processes that are hard to find: `sleep` for so many seconds, and for one and two more. */
  const threeSleeps = (seconds: number) =>
    [
      `setsid sleep ${seconds} &`,
      `(env -i setsid sleep ${seconds + 1} &);`,
      `(env -i setsid sh -c 'sleep ${seconds + 2} & exit' &)`,
    ].join(" ");
  /** After a stopped command, the offline model first answers its result; an extra message consumes that. */
  const settle = (id: string) => bash(id, "true");

  await rule("tools, events and totals", async () => {
    const id = await ofPattern("long-running");
    await bash(id, "echo one > a.txt");
    const prompt = `/Read ${JSON.stringify({ file_path: "/workspace/a.txt" })}`;
    const message = await call("POST", `/sessions/${id}/message`, { prompt });
    assert.match(String(message.result), /one/);
    const session = await call("GET", `/sessions/${id}`);
    assert.deepEqual([session.toolsUsed, session.numTurns], [["Bash", "Read"], 4]);
    const { events } = await call("GET", `/sessions/${id}/events`);
    const sum = (events as Json[]).reduce((total, { cost }) => total + Number(cost ?? 0), 0);
    assert(sum > 0 && Math.abs(sum - Number(session.totalCost)) < 1e-9);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("an exit code is an exit code, and the shell goes on", async () => {
    const id = await ofPattern("long-running");
    assert.match(await bash(id, "exit 3"), /[Ee]xit code 3/);
    assert.match(await bash(id, "echo still here"), /still here/);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("50 MB of output are bounded where they come from", async () => {
    const id = await ofPattern("long-running");
    const said = await bash(id, "yes 0123456789 | head -c 50000000");
    assert(said.length > 0 && said.length < 200_000);
    assert.match(await bash(id, "echo still here"), /still here/);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("files outlive the sleep, for which the container is given back", async () => {
    const id = await ofPattern("hybrid", { maxIdleTimeMs: 4_000 });
    await bash(id, "mkdir -p a/b && echo kept > 'a/b/ü 1' && ln -s b a/link && chmod 700 a/b");
    const read = () => call("GET", `/sessions/${id}`);
    await until(async () => (await read()).status === "idle");
    await until(async () => ((await read()).sandbox as Json).state === "suspended");
    assert.match(await bash(id, "cat a/link/*; stat -c %a a/b"), /kept\s+700/);
    const { messages } = await call("GET", `/sessions/${id}/messages`);
    assert.equal((messages as Json[]).length, 2);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("an interrupt ends a command with all it started", async () => {
    const id = await ofPattern("long-running");
    await bash(id, "setsid sleep 604 > /dev/null 2>&1 &");
    // What an interrupt ends may have started up to a second before its message.
    await sleep(1_500);
    const messageId = await begin(id, `${threeSleeps(601)}; sleep 600; echo overslept`);
    await sleep(4_000);
    const began = Date.now();
    await call("POST", `/sessions/${id}/interrupt`);
    assert(Date.now() - began < 10_000);
    assert.equal((await endOf(id, messageId)).status, "interrupted");
    await settle(id);
    assert.match(await bash(id, "pgrep -fx 'sleep 60[0-3]' || echo none"), /none/);
    assert.doesNotMatch(await bash(id, "pgrep -fx 'sleep 604' || echo none"), /none/);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("no zombies are left", async () => {
    const id = await ofPattern("long-running");
    await bash(id, "for n in 1 2 3; do setsid sleep 0.1 & (sleep 0.2 &); done");
    const look = "grep -l ') Z ' /proc/[0-9]*/stat 2> /dev/null || echo none";
    await until(async () => /none/.test(await bash(id, look)), 20);
    await call("DELETE", `/sessions/${id}`);
  });

  if (runtime === "claude-code") {
    await rule("a process that is killed in a command takes it along", async () => {
      const id = await ofPattern("long-running");
      await bash(id, "true");
      // Its shell has a function in place of `pkill`, which spares it.
      const kill = "kill -9 $(pgrep -x claude)";
      const killed = `${threeSleeps(611)}; sleep 1; ${kill}; sleep 610; echo overslept`;
      const { status } = await endOf(id, await begin(id, killed));
      assert.equal(status, "completed");
      await settle(id);
      assert.match(await bash(id, "pgrep -fx 'sleep 61[0-3]' || echo none"), /none/);
      assert.match(await bash(id, "pgrep -x claude | wc -l"), /\b1\b/);
      await call("DELETE", `/sessions/${id}`);
    });
  }

  await rule("a container that is killed between two messages costs no files", async () => {
    const [id, container] = await withContainer();
    const sentAt = Date.now();
    await bash(id, "mkdir d; cd d; echo kept > kept; setsid sleep 700 > /dev/null 2>&1 &");
    await bash(id, "cd d; echo also > also");
    // The time for a checkpoint.
    await sleep(3_000);
    const killedAt = Date.now();
    docker("kill", container);
    await bash(id, "true");
    assert.match(await bash(id, "cat /workspace/d/*"), /also\s+kept/);
    assert.match(await bash(id, "pgrep -fx 'sleep 700' || echo none"), /none/);
    const [lost, ...others] = await eventsOf(id, "sandbox.lost");
    const savedAt = Date.parse(String(lost?.savedAt));
    assert(savedAt > sentAt && savedAt < killedAt, JSON.stringify(lost));
    assert.equal(others.length, 0);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("a session leaves a container that is told to stop, with its files", async () => {
    const [id, container] = await withContainer();
    await bash(id, "mkdir d; echo kept > d/kept");
    docker("kill", "-s", "TERM", container);
    await until(async () => !isRunning(container));
    assert.match(await bash(id, "cat /workspace/d/*"), /kept/);
    assert.deepEqual(await eventsOf(id, "sandbox.lost"), []);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("a container that is told to stop waits for a command", async () => {
    const [id, container] = await withContainer();
    const messageId = await begin(id, "echo began >> runs; sleep 20; echo slept | tee -a runs");
    await until(async () => docker("top", container).said.includes("sleep 20"));
    docker("kill", "-s", "TERM", container);
    const { status, result } = await endOf(id, messageId);
    assert.equal(status, "completed");
    assert.match(String(result), /slept/);
    await until(async () => !isRunning(container));
    assert.match(await bash(id, "cat runs | tr '\\n' ' '"), /\bbegan slept\b/);
    assert.deepEqual(await eventsOf(id, "sandbox.lost"), []);
    await call("DELETE", `/sessions/${id}`);
  });

  const endings = {
    "is deleted": [{ pattern: "long-running" }, (id: string) => call("DELETE", `/sessions/${id}`)],
    "is ephemeral and terminated": [
      { pattern: "ephemeral" },
      (id: string) => call("POST", `/sessions/${id}/terminate`),
    ],
    "has lived for its time": [
      { pattern: "hybrid", maxLifetimeMs: 12_000 },
      async (id: string) => {
        const read = () => call("GET", `/sessions/${id}`);
        await until(async () => (await read()).terminationReason === "lifetime_limit", 30);
      },
    ],
  } as const;
  for (const [how, [{ pattern, ...more }, end]] of Object.entries(endings)) {
    await rule(`a session that ${how} in a command leaves no container`, async () => {
      const [mine, mySidecars] = [startedSince(containers), startedSince(sidecars)];
      const id = await ofPattern(pattern, more);
      const messageId = await begin(id, `${threeSleeps(621)}; sleep 620; echo overslept`);
      const runs = (container: string) => docker("top", container).said.includes("sleep 620");
      await until(async () => mine().some(runs));
      await end(id);
      await until(async () => mine().length === 0, 30);
      // They go with the object of the container, which is kept in memory for ten seconds.
      await until(async () => mySidecars().length === 0, 30);
      if (how === "is deleted") return;
      assert.equal((await endOf(id, messageId)).status, "interrupted");
      await call("DELETE", `/sessions/${id}`);
    });
  }

  await rule("a container that dies in a command is a loss that the log tells of", async () => {
    const id = await ofPattern("long-running");
    await bash(id, "echo kept > kept");
    // The checkpoint after this message would give way to the next command.
    await sleep(3_000);
    const messageId = await begin(id, "echo began >> runs; sleep 20; echo slept");
    await sleep(4_000);
    killContainers();
    const { status } = await endOf(id, messageId);
    assert.equal(status, "completed");
    assert.equal((await eventsOf(id, "sandbox.lost")).length, 1);
    await settle(id);
    const files = await bash(id, "cat kept runs");
    assert.match(files, /kept$/m);
    // A new Claude Code runs the command again.
    assert.doesNotMatch(files, /began\s+began/);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("a command outlives the server, and is not run twice", async () => {
    const id = await ofPattern("long-running");
    await bash(id, "true");
    const messageId = await begin(id, "echo ran >> runs; sleep 12; echo slept; cat runs");
    await sleep(4_000);
    await trial.restart();
    assert.match(String((await endOf(id, messageId)).result), /slept\s+ran\s*$/m);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("a budget is never exceeded", async () => {
    const id = await ofPattern("long-running", { maxBudgetUsd: 0.02 });
    const read = () => call("GET", `/sessions/${id}`);
    for (let n = 0; n < 30 && (await read()).terminationReason === null; n++) {
      await bash(id, `echo ${n}`);
    }
    const { terminationReason, totalCost } = await read();
    assert.equal(terminationReason, "budget_limit");
    assert(Number(totalCost) <= 0.02);
  });
}

async function tryEgress({ rule, create, call, bash }: Trial): Promise<void> {
  await rule("what a session may not reach is refused with a word that says why", async () => {
    const id = await create({ pattern: "long-running" });
    const ask = "curl -s -m 20 https://example.com; curl -s -m 20 http://169.254.169.254";
    const said = await bash(id, ask);
    assert.equal(said.match(/may not reach/g)?.length, 2, said);
    assert.match(await bash(id, "curl -s -m 20 https://api.anthropic.com"), /may not reach/);
    await call("DELETE", `/sessions/${id}`);
  });

  await rule("a secret is no secret of the container's", async () => {
    const TOKEN = { secret: "s3cret", hosts: ["api.github.com"] };
    const id = await create({ pattern: "long-running", config: { env: { TOKEN } } });
    assert.match(await bash(id, "echo $TOKEN"), /rigger_secret_/);
    const look = "grep -rls s3[c]ret /proc/*/environ /workspace /var/lib/rigger /tmp; echo looked";
    assert.doesNotMatch(await bash(id, look), /environ|workspace\//);
    await call("DELETE", `/sessions/${id}`);
  });
}
