import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  aContainer,
  aContainerSandbox,
  containerObjects,
  HAS_CONTAINERS,
  killContainer,
  workspaceOf,
} from "../testing/containers";
import { cloudflare } from "./cloudflare";
import { aCommand, testSandbox } from "./contract";
import type { ProgramLine, Sandbox } from "./sandbox";

// Each call starts a process or two.
vi.setConfig({ testTimeout: 20_000 });

describe.runIf(HAS_CONTAINERS)("containers", () => {
  testSandbox("cloudflare", aContainerSandbox, { containers: containerObjects });
});

afterEach(() => vi.restoreAllMocks());

async function started() {
  const made = await aContainerSandbox();
  const machine = await made.sandbox.start?.();
  return { ...made, machine: machine ?? "" };
}

const again = async ({ id, machine }: { id: string; machine: string }): Promise<Sandbox> =>
  (await aContainerSandbox({ id, machine })).sandbox;

/**
 * Starts three processes that are hard to find and to end, as `a`, `b` and `c`. Each adds to the file of its name for
 * half a minute: one in a session of its own, one without its environment, and one without its parent too.
 */
const ESCAPE = `cat > tick <<'END'
trap '' TERM
n=0; while [ $n -lt 600 ]; do n=$((n+1)); echo $n >> $1; sleep 0.05; done
END
setsid sh tick a &
env -i setsid sh tick b &
(env -i setsid sh -c 'sh tick c & exit' &)
until [ -s a ] && [ -s b ] && [ -s c ]; do sleep 0.05; done
`;

/** Returns which of these files still grow. */
async function growing(sandbox: Sandbox, ...files: string[]): Promise<string[]> {
  const sizes = `wc -c ${files.join(" ")}`;
  const { stdout } = await sandbox.run(aCommand(`${sizes}; echo; sleep 0.5; ${sizes}`));
  const [before = "", after = ""] = stdout.split("\n\n");
  const lines = new Set(before.split("\n").map((line) => line.trim()));
  return files.filter((file) =>
    after.split("\n").some((line) => line.endsWith(` ${file}`) && !lines.has(line.trim())),
  );
}

/** Waits until a command succeeds in a sandbox. */
const untilTrue = (sandbox: Sandbox, condition: string) =>
  sandbox.run(aCommand(`until ${condition}; do sleep 0.05; done`));

describe.runIf(HAS_CONTAINERS)("a machine", () => {
  it("has one name from its start on", async () => {
    const { sandbox, machine, id } = await started();
    expect(await sandbox.start?.()).toBe(machine);
    expect(await (await again({ id, machine })).start?.()).toBe(machine);
  });

  it("that died is another one: every call says that it is lost, and nothing runs there", async () => {
    const one = await started();
    await one.sandbox.run(aCommand("echo kept > file"));
    await killContainer(one.id);
    const lost = { lost: true, message: expect.stringContaining("gone, and every file in it") };
    const sandbox = await again(one);
    const path = `${one.workspace}/new`;
    await expect(sandbox.run(aCommand(`touch ${path}`))).rejects.toMatchObject(lost);
    await expect(sandbox.find?.("x")).rejects.toMatchObject(lost);
    await expect(sandbox.readFile(path)).rejects.toMatchObject(lost);
    await expect(sandbox.writeFile(path, new Uint8Array(10))).rejects.toMatchObject(lost);
    await expect(sandbox.writeFile(path, new Uint8Array(300_000))).rejects.toMatchObject(lost);
    await expect(sandbox.snapshot?.("lost")).rejects.toMatchObject(lost);
    const next = (await aContainerSandbox({ id: one.id })).sandbox;
    expect(await next.start?.()).not.toBe(one.machine);
    expect((await next.run(aCommand("ls -A"))).stdout).toBe("");
  });

  it("that dies in a command is lost, and the command does not run a second time", async () => {
    const one = await started();
    const heard = Promise.withResolvers<void>();
    const running = one.sandbox.run(aCommand("echo begun; sleep 60"), () => heard.resolve());
    await heard.promise;
    await killContainer(one.id);
    await expect(running).rejects.toMatchObject({ lost: true });
  });
});

describe.runIf(HAS_CONTAINERS)("a command", () => {
  it("is found again by whoever comes after a restart, with all its output and its end", async () => {
    const one = await started();
    const command = aCommand(
      "echo once >> log; echo one; until [ -e go ]; do sleep 0.05; done; cat log",
    );
    const heard = Promise.withResolvers<void>();
    const first = one.sandbox.run(command, () => heard.resolve());
    await heard.promise;
    const other = await again(one);
    expect(await other.find?.(command.id)).toEqual({ state: "running" });
    const output: string[] = [];
    const second = other.run(command, (_, text) => output.push(text));
    await other.run(aCommand("touch go"));
    expect(await second).toMatchObject({ exitCode: 0, stdout: "one\nonce\n" });
    expect(await first).toEqual(await second);
    expect(output.join("")).toBe("one\nonce\n");
  });

  it("is heard once though the connection breaks: it is read from where it was", async () => {
    const { sandbox, id } = await started();
    const flaky = aContainer(id);
    const { execStream } = flaky;
    let calls = 0;
    flaky.execStream = async (...args) => {
      const stream = await execStream(...args);
      return ++calls === 2 ? stream.pipeThrough(cutAfter(4)) : stream;
    };
    const again = cloudflare(flaky, { workspace: await workspaceOf(id), bucket: env.SNAPSHOTS });
    await again.start?.();
    let heard = "";
    const script = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done";
    const result = await again.run(aCommand(script), (_, text) => {
      heard += text;
    });
    expect(calls).toBe(3);
    expect(result.stdout).toBe("1\n2\n3\n4\n5\n6\n7\n8\n");
    expect(heard).toBe(result.stdout);
    await sandbox.destroy();
  });

  it("is known to nobody but the runner: no command line and no path holds any of it", async () => {
    const { id } = await started();
    const sdk = aContainer(id);
    const exec = vi.spyOn(sdk, "execStream");
    const write = vi.spyOn(sdk, "writeFile");
    const sandbox = cloudflare(sdk, { workspace: await workspaceOf(id), bucket: env.SNAPSHOTS });
    const long = `# ${"secret ".repeat(40_000)}\necho "$TOKEN"`;
    const result = await sandbox.run(aCommand(long, { env: { TOKEN: "secret" } }));
    expect(result.stdout).toBe("secret\n");
    for (const [command] of exec.mock.calls) expect(command).toBe("rigger-run");
    expect(write.mock.calls.map(([path]) => path).join()).not.toContain("secret");
  });

  it("keeps its result for a day, and no longer", async () => {
    const { sandbox } = await started();
    const [old, young] = [aCommand("echo old"), aCommand("echo young")];
    await sandbox.run(old);
    // Every command knows its own folder, which stands beside those of the others.
    const folders = '$(dirname "$RIGGER_CALL")';
    await sandbox.run(aCommand(`touch -d '25 hours ago' ${folders}/*/result ${folders}/../pruned`));
    await sandbox.run(young);
    expect(await sandbox.find?.(old.id)).toEqual({ state: "unknown" });
    expect(await sandbox.find?.(young.id)).toMatchObject({ state: "finished" });
  });

  it("is killed with all it started, also what left its group", async () => {
    const one = await started();
    const script =
      "setsid sleep 300 & (sleep 301 &) ; nohup bash -c 'sleep 302' & echo begun; sleep 303";
    const command = aCommand(script);
    const heard = Promise.withResolvers<void>();
    const running = one.sandbox.run(command, () => heard.resolve());
    await heard.promise;
    await (await again(one)).kill(command.id);
    expect(await running).toMatchObject({ exitCode: 137, ended: "killed", stdout: "begun\n" });
    const look = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null";
    const left = await one.sandbox.run(aCommand(look));
    expect(left.stdout).not.toMatch(/^sleep 30[0-3]/m);
  });

  it("is killed or timed out with all that tries to escape, and has ended only then", async () => {
    const { sandbox } = await started();
    const command = aCommand(`${ESCAPE}echo begun; sleep 60`);
    const heard = Promise.withResolvers<void>();
    const running = sandbox.run(command, () => heard.resolve());
    await heard.promise;
    expect(await growing(sandbox, "a", "b", "c")).toEqual(["a", "b", "c"]);
    await sandbox.kill(command.id);
    expect(await growing(sandbox, "a", "b", "c")).toEqual([]);
    expect(await running).toMatchObject({ ended: "killed" });

    await sandbox.run(aCommand("rm a b c"));
    const late = await sandbox.run(aCommand(`${ESCAPE}sleep 60`, { timeoutMs: 2_000 }));
    expect(late).toMatchObject({ ended: "timed_out" });
    expect(await growing(sandbox, "a", "b", "c")).toEqual([]);
    await sandbox.destroy();
  });

  it("that ends leaves running what it detached", async () => {
    const { sandbox } = await started();
    await sandbox.run(aCommand(ESCAPE));
    expect(await growing(sandbox, "a", "b", "c")).toEqual(["a", "b", "c"]);
    await sandbox.destroy();
  });

  it("is killed also where it has ended its own supervisor", async () => {
    const { sandbox } = await started();
    const command = aCommand("kill -9 $PPID; echo $$ > pid; sleep 304");
    await expect(sandbox.run(command)).rejects.toMatchObject({
      transient: false,
      message: expect.stringContaining("interrupted, its effect is unknown"),
    });
    // Of one that has ended and that nobody has reaped the command line is empty.
    const look =
      "until [ -s pid ]; do sleep 0.05; done; tr '\\0' ' ' < /proc/$(cat pid)/cmdline | wc -w";
    expect((await sandbox.run(aCommand(look))).stdout).not.toBe("0\n");
    await sandbox.kill(command.id);
    expect((await sandbox.run(aCommand(look))).stdout).toBe("0\n");
    await sandbox.destroy();
  });

  it.each([
    ["TERM", 143],
    ["SEGV", 139],
    ["KILL", 137],
  ])("that ends by a signal says by which: %s", async (signal, exitCode) => {
    const { sandbox } = await started();
    const result = await sandbox.run(aCommand(`kill -${signal} $$`));
    expect(result).toMatchObject({ exitCode, ended: "exited" });
    await sandbox.destroy();
  });

  it("is killed at once while it waits for a snapshot, and nothing of it has run", async () => {
    const { sandbox } = await started();
    const before = aCommand("echo begun; sleep 60");
    const heard = Promise.withResolvers<void>();
    const holding = sandbox.run(before, () => heard.resolve());
    await heard.promise;
    const saving = sandbox.snapshot?.(`held/${crypto.randomUUID()}`);
    await scheduler.wait(1_000);
    const command = aCommand("echo ran > ran");
    const waiting = sandbox.run(command);
    await sandbox.kill(command.id);
    expect(await waiting).toMatchObject({ ended: "killed", exitCode: 137 });
    await sandbox.kill(before.id);
    await Promise.all([holding, saving]);
    expect((await sandbox.run(aCommand("ls"))).stdout).toBe("");
    await sandbox.destroy();
  });

  it("takes no supervisor for one of its own programs by its name", async () => {
    const { sandbox } = await started();
    const look = "tr '\\0' ' ' < /proc/$PPID/cmdline; cat /proc/$PPID/comm";
    expect((await sandbox.run(aCommand(look))).stdout).not.toContain("node");
    await sandbox.destroy();
  });

  it("leaves what it started in the background running, and ends itself", async () => {
    const { sandbox } = await started();
    const script = "(sleep 0.5; seq 100000; echo later > file; sleep 60) & echo $PPID";
    const began = Date.now();
    const { exitCode, stdout: supervisor } = await sandbox.run(aCommand(script));
    expect(exitCode).toBe(0);
    expect(Date.now() - began).toBeLessThan(15_000);
    // Nothing of ours has to stay for what it goes on writing.
    const gone = aCommand(`while [ -e /proc/${supervisor.trim()} ]; do sleep 0.05; done`);
    expect(await sandbox.run(gone)).toMatchObject({ ended: "exited" });
    const look = aCommand("until [ -e file ]; do sleep 0.05; done; cat file");
    expect((await sandbox.run(look)).stdout).toBe("later\n");
    await sandbox.destroy();
  });

  it("keeps the ends of its output in bounded memory, characters whole", async () => {
    const { sandbox } = await started();
    const script = "yes 'äöü€🎉' | head -c 30000000";
    const result = await sandbox.run(aCommand(script, { maxOutputBytes: 1_001 }));
    expect(result.truncated).toBe(true);
    expect(result.stdout).not.toContain("\uFFFD");
    expect(result.stdout).toMatch(/^äöü€🎉\n[\s\S]*\n\[\.\.\. 2999\d{4} bytes left out \.\.\.\]\n/);
  });
});

describe.runIf(HAS_CONTAINERS)("a workspace", () => {
  const LOOK = "find . | LC_ALL=C sort | od -c";
  const CHURN = "for n in 1 2 3 4 5 6 7 8; do (while : > f$n; do rm f$n; done) & done";

  it("is saved and restored with names of any bytes, pipes and hard links", async () => {
    const { sandbox } = await started();
    await sandbox.run(
      aCommand(
        "mkdir $'d\\xfe' -- -d; echo 1 > $'d\\xfe/\\xff'; ln -- $'d\\xfe/\\xff' $'a\\nb'; mkfifo pipe",
      ),
    );
    const before = await sandbox.run(aCommand(LOOK));
    const key = `odd/${crypto.randomUUID()}`;
    await sandbox.snapshot?.(key);
    await sandbox.run(aCommand("echo old > $'old\\xff'"));
    await sandbox.restore?.(key);
    expect((await sandbox.run(aCommand(LOOK))).stdout).toBe(before.stdout);
    expect((await sandbox.run(aCommand("cat a?b d*/*"))).stdout).toBe("1\n1\n");
    await sandbox.destroy();
  });

  it("is saved though something in the background makes and removes files", async () => {
    const { sandbox } = await started();
    await sandbox.run(aCommand(`echo kept > kept; exec > /dev/null 2>&1; ${CHURN}`));
    for (let times = 0; times < 5; times++) {
      expect((await sandbox.snapshot?.("churn"))?.sizeBytes).toBeGreaterThan(0);
    }
    await sandbox.destroy();
  });

  it("has pipes and devices, which are not read nor written as files are", async () => {
    const { sandbox, workspace } = await started();
    await sandbox.run(aCommand("mkfifo pipe"));
    const refused = { transient: false, message: expect.stringContaining("no regular file") };
    for (const path of [`${workspace}/pipe`, "/dev/zero"]) {
      await expect(sandbox.readFile(path)).rejects.toMatchObject(refused);
      await expect(sandbox.writeFile(path, new Uint8Array(1))).rejects.toMatchObject(refused);
    }
    await sandbox.destroy();
  });
});

describe.runIf(HAS_CONTAINERS)("a container that is destroyed", () => {
  it("is not started again by a late call, or by a call that is tried again", async () => {
    const { id, sandbox } = await started();
    const sdk = aContainer(id);
    const workspace = await workspaceOf(id);
    let isOpen = true;
    const facts = { workspace, bucket: env.SNAPSHOTS, isOpen: () => isOpen };
    const late = cloudflare(sdk, facts);
    const exec = vi.spyOn(sdk, "execStream").mockImplementation(async () => {
      isOpen = false;
      throw new Error("the container was stopped");
    });
    const write = vi.spyOn(sdk, "writeFile");
    await expect(late.run(aCommand("echo late"))).rejects.toMatchObject({ lost: true });
    const path = `${workspace}/large`;
    await expect(late.writeFile(path, new Uint8Array(300_000))).rejects.toMatchObject({
      lost: true,
    });
    expect([exec.mock.calls.length, write.mock.calls.length]).toEqual([1, 0]);
    await sandbox.destroy();
  });
});

describe("a save", () => {
  it("makes no progress with heartbeats alone", async () => {
    const frames = [{ beat: true }, { progress: true }, { beat: true }, { answer: null }];
    const lines = frames.map((frame) => ({ type: "stdout", data: `${JSON.stringify(frame)}\n` }));
    const sse = lines.map((line) => `data: ${JSON.stringify(line)}\n\n`).join("");
    const sdk = { ...aContainer(), execStream: async () => new Response(sse).body as never };
    const sandbox = cloudflare(sdk, { workspace: "/workspace", bucket: env.SNAPSHOTS });
    const onProgress = vi.fn();
    const key = `workspaces/${crypto.randomUUID()}/1`;
    expect(await sandbox.snapshot?.(key, { onProgress })).toBeNull();
    expect(onProgress).toHaveBeenCalledTimes(1);
  });
});

describe.runIf(HAS_CONTAINERS)("a connection", () => {
  it("that does not come about is tried again, and then a readable error that may pass", async () => {
    const { id, sandbox } = await started();
    const sdk = aContainer(id);
    const refused = Object.assign(new Error("No container instance is available"), { code: "X" });
    const exec = vi.spyOn(sdk, "execStream").mockRejectedValueOnce(refused);
    const other = cloudflare(sdk, { workspace: await workspaceOf(id), bucket: env.SNAPSHOTS });
    expect((await other.run(aCommand("echo there"))).stdout).toBe("there\n");
    exec.mockRejectedValue(refused);
    vi.spyOn(scheduler, "wait").mockResolvedValue();
    await expect(other.run(aCommand("echo there"))).rejects.toMatchObject({
      transient: true,
      lost: false,
      message: "the container failed: No container instance is available",
    });
    await sandbox.destroy();
  });
});

describe.runIf(HAS_CONTAINERS)("a program", () => {
  const lines = async (from: AsyncIterable<ProgramLine>, count: number): Promise<string[]> => {
    const heard: string[] = [];
    for await (const { line } of from) if (heard.push(line) === count) break;
    return heard;
  };
  const never = () => new AbortController().signal;
  const ECHO = 'while IFS= read -r line; do echo "$line, $NAME"; [ "$line" = bye ] && exit 3; done';

  it("gets each line once and in order, and is heard from any place on, by anybody", async () => {
    const one = await started();
    const { programs } = one.sandbox;
    if (!programs) throw new Error("no programs");
    const program = { id: "p1", command: ECHO, env: { NAME: "Zoë" } };
    await programs.begin(program);
    await programs.begin(program);
    await programs.tell("p1", 2, "two");
    await programs.tell("p1", 1, "one");
    await programs.tell("p1", 1, "one again");
    const first: ProgramLine[] = [];
    for await (const line of programs.listen("p1", 0, never())) if (first.push(line) === 2) break;
    expect(first.map(({ line }) => line)).toEqual(["one, Zoë", "two, Zoë"]);

    const other = (await again(one)).programs;
    await other?.tell("p1", 3, "bye");
    const rest = other?.listen("p1", first[0]?.end ?? 0, never());
    expect(rest && (await lines(rest, 9))).toEqual(["two, Zoë", "bye, Zoë"]);
  });

  it("is killed as a command is, and is not begun a second time", async () => {
    const { sandbox, workspace } = await started();
    const program = { id: "p2", command: "echo $$ >> begun; cat" };
    await sandbox.programs?.begin(program);
    await sandbox.programs?.tell("p2", 1, "hello");
    const listening = sandbox.programs?.listen("p2", 0, never());
    const heard = listening && lines(listening, 9);
    await sandbox.run(aCommand("until [ -s begun ]; do sleep 0.05; done"));
    await sandbox.kill("p2");
    expect(await heard).toEqual(["hello"]);
    await sandbox.programs?.begin(program);
    const begun = await sandbox.readFile(`${workspace}/begun`);
    expect(
      new TextDecoder()
        .decode(begun ?? undefined)
        .trim()
        .split("\n"),
    ).toHaveLength(1);
  });

  it("that is killed from inside leaves nothing running, nor does one that ends by itself", async () => {
    const { sandbox } = await started();
    const { programs } = sandbox;
    for (const [id, end] of [
      ["killed", "kill -9 $$"],
      ["ended", "exit 3"],
    ] as const) {
      await programs?.begin({ id, command: `rm -f a b c; ${ESCAPE}${end}` });
      expect(programs && (await lines(programs.listen(id, 0, never()), 1))).toEqual([]);
      expect(await growing(sandbox, "a", "b", "c")).toEqual([]);
    }
  });

  it("whose supervisor was killed ends when another one begins", async () => {
    const { sandbox } = await started();
    const command = `${ESCAPE}echo "$RIGGER_CALL" > folder; sleep 60`;
    await sandbox.programs?.begin({ id: "first", command });
    await untilTrue(sandbox, "[ -s folder ]");
    await sandbox.run(aCommand("kill -9 $(cut -d ' ' -f 1 < $(cat folder)/supervisor)"));
    expect(await growing(sandbox, "a", "b", "c")).toEqual(["a", "b", "c"]);
    await sandbox.programs?.begin({ id: "second", command: "cat" });
    expect(await growing(sandbox, "a", "b", "c")).toEqual([]);
    await sandbox.kill("second");
  });

  it("ends what it has started since a line of input, and continues as what is older does", async () => {
    const { sandbox } = await started();
    const { programs } = sandbox;
    const command = `${ESCAPE}sh tick own & while read -r line; do setsid sh tick $line & done`;
    await programs?.begin({ id: "p4", command });
    await programs?.tell("p4", 1, "old");
    await untilTrue(sandbox, "[ -s old ]");
    await scheduler.wait(1_500);
    await programs?.tell("p4", 2, "new");
    await untilTrue(sandbox, "[ -s new ]");
    await programs?.endSince("p4", 2);
    const all = ["a", "b", "c", "own", "old"];
    expect(await growing(sandbox, ...all, "new")).toEqual(all);
    await programs?.tell("p4", 3, "next");
    await untilTrue(sandbox, "[ -s next ]");
    // A line that it has not got yet.
    await programs?.endSince("p4", 4);
    expect(await growing(sandbox, ...all, "next")).toEqual([...all, "next"]);
    await programs?.endSince("p4", 1);
    expect(await growing(sandbox, "own", "old", "next")).toEqual(["own"]);
    await sandbox.kill("p4");
    await programs?.endSince("p4", 1);
    expect(await growing(sandbox, ...all, "next")).toEqual([]);
  }, 60_000);

  it("leaves no zombies while it runs", async () => {
    const { sandbox } = await started();
    const command = "for n in 1 2 3; do (sleep 0.1 &); done; echo $PPID > parent; sleep 60";
    await sandbox.programs?.begin({ id: "p5", command });
    await untilTrue(sandbox, "[ -s parent ]");
    const children = `cat /proc/[0-9]*/stat 2> /dev/null | grep -c ") [A-Z] $(cat parent) "`;
    await untilTrue(sandbox, `[ "$(${children})" = 1 ]`);
    await sandbox.kill("p5");
  });

  it("may say lines of megabytes", async () => {
    const { sandbox } = await started();
    const command = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end";
    await sandbox.programs?.begin({ id: "p3", command });
    const heard = sandbox.programs && (await lines(sandbox.programs.listen("p3", 0, never()), 2));
    expect(heard?.map(({ length }) => length)).toEqual([3_000_000, 3]);
  });
});

/** A stream that breaks after so many pieces. */
function cutAfter(pieces: number): TransformStream<Uint8Array, Uint8Array> {
  let left = pieces;
  return new TransformStream({
    transform(piece, controller) {
      if (left-- > 0) controller.enqueue(piece);
      else
        controller.error(new Error("ReadableStream received over RPC disconnected prematurely."));
    },
  });
}
