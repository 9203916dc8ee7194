import { vi } from "vitest";
import { embedded } from "../sandbox/embedded";
import { providers } from "../sandbox/providers";
import {
  type CommandResult,
  type ProgramLine,
  type Sandbox,
  SandboxError,
} from "../sandbox/sandbox";
import { toBase64 } from "../shared/bytes";
import { FakeProgram } from "./fake-program";

// A fake of Claude Code, as a session sees it. For each input line, it calls the model through the session's
// own `fetch`, runs the tool calls of the reply in the session's sandbox, and writes the same output lines as
// the real program, abbreviated. It runs in the test process, as the real program runs in its own container: if
// the object is lost, the fake continues. Calls of a session only record requests; the test process does the
// work.

const machines = new Map<string, FakeContainer>();

/** Returns the fake container of a session. */
export function containerOf(id: string): FakeContainer {
  const machine = machines.get(id) ?? new FakeContainer(id);
  machines.set(id, machine);
  return machine;
}

/** Makes every embedded sandbox support programs and runs them until the returned function is called. */
export function plantPrograms(): () => void {
  const spy = vi
    .spyOn(providers, "embedded")
    .mockImplementation((env, { id, machine }, options) =>
      containerOf(id).inside(embedded(env.EMBEDDED_SANDBOXES, id, options), machine),
    );
  let over = false;
  const drive = async () => {
    while (!over) {
      for (const machine of machines.values()) machine.step();
      await wait(2);
    }
  };
  void drive();
  return () => {
    over = true;
    spy.mockRestore();
    machines.clear();
  };
}

// The original function: tests shorten the waits of the code under test.
const wait = scheduler.wait.bind(scheduler);

/** A fake container: its programs, and the transcripts in its files. Containers share neither. */
export class FakeContainer {
  readonly programs = new Map<string, FakeProgram>();
  /** Programs that were started here, in order. */
  readonly started: string[] = [];
  /** Programs whose processes since an input line were ended, and the number of that line. */
  readonly ended: { id: string; n: number }[] = [];
  /** The environments of the started programs. */
  readonly environments: Readonly<Record<string, string>>[] = [];
  /** Files outside the workspace, by path. */
  readonly files = new Map<string, Uint8Array>();
  name = `machine_${crypto.randomUUID()}`;
  /** The bodies of the model calls, as sent. */
  readonly sent: Record<string, unknown>[] = [];
  /** If true, programs ignore requests to stop. */
  deaf = false;
  /** If true, the processes that programs have started can't be ended. */
  stuck = false;
  /** The number of times that a listener receives only three lines. */
  cut = 0;
  /** If true, programs can't reach their session. */
  isCutOff = false;
  /** If true, programs die as soon as they are started. */
  broken = false;

  constructor(readonly sessionId: string) {}

  /**
   * Returns a session's sandbox with support for programs. With a name, it works only for the container with
   * that name.
   */
  inside(sandbox: Sandbox, name: string | undefined): Sandbox {
    const stands = () => {
      if (name === undefined || name === this.name) return;
      throw new SandboxError("the machine is gone", { transient: true, lost: true });
    };
    return {
      ...sandbox,
      run: async (command, onOutput) => {
        stands();
        const [, path, from] = /^\[ -f '([^']+)' \] && tail -c \+(\d+)/.exec(command.command) ?? [];
        if (path === undefined) return sandbox.run(command, onOutput);
        return this.#tail(path, Number(from));
      },
      kill: async (id) => {
        stands();
        const program = this.programs.get(id);
        if (program) program.dead = true;
        else await sandbox.kill(id);
      },
      readFile: (path) => sandbox.readFile(path),
      writeFile: async (path, bytes) => {
        stands();
        if (path.startsWith("/home/")) this.files.set(path, bytes);
        else await sandbox.writeFile(path, bytes);
      },
      // A checkpoint would wait for commands that are being stopped.
      snapshot: async (key, { mode } = {}) =>
        mode === "yield" ? null : ((await sandbox.snapshot?.(key)) ?? null),
      destroy: () => sandbox.destroy(),
      start: async () => this.name,
      programs: {
        begin: async ({ id, command, env }) => {
          stands();
          if (this.programs.has(id)) return;
          this.programs.set(id, new FakeProgram(this, command));
          this.started.push(id);
          this.environments.push(env ?? {});
        },
        tell: async (id, n, line) => {
          stands();
          this.programs.get(id)?.lines.set(n, line);
        },
        endSince: async (id, n) => {
          stands();
          if (this.stuck) throw new SandboxError("it has gone silent", { transient: true });
          this.ended.push({ id, n });
        },
        listen: (id, after, signal) => {
          const lines = listen(this.programs.get(id), after, signal);
          return this.cut-- > 0 ? cutShort(lines) : lines;
        },
      },
    };
  }

  /** Returns the result of the command that reads a transcript from an offset. */
  #tail(path: string, from: number): CommandResult {
    const file = this.files.get(path);
    const stdout = file ? toBase64(file.subarray(from - 1, from - 1 + 512 * 1024)) : "";
    const exitCode = file ? 0 : 1;
    return { exitCode, stdout, stderr: "", ended: "exited", truncated: false };
  }

  /** Returns the running program; undefined if there is none. */
  get program(): FakeProgram | undefined {
    return [...this.programs.values()].findLast((program) => !program.dead);
  }

  /** Replaces the container by a new one. Its programs and files are lost. */
  replace(): void {
    for (const program of this.programs.values()) program.dead = true;
    this.step();
    this.programs.clear();
    this.files.clear();
    this.name = `machine_${crypto.randomUUID()}`;
  }

  /** Makes the programs process their pending work. */
  step(): void {
    for (const program of this.programs.values()) program.step();
  }
}

async function* listen(
  program: FakeProgram | undefined,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<ProgramLine> {
  if (!program) return;
  for (let at = 0; !signal.aborted; ) {
    const next = program.output[at];
    if (next) {
      at += 1;
      if (next.end > after) yield next;
    } else if (program.dead) return;
    else await wait(2);
  }
}

async function* cutShort(lines: AsyncIterable<ProgramLine>): AsyncGenerator<ProgramLine> {
  let heard = 0;
  for await (const line of lines) {
    yield line;
    heard += 1;
    if (heard === 3) throw new SandboxError("it has gone silent", { transient: true });
  }
}
