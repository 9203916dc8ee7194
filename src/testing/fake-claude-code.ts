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

// A stand-in of Claude Code, as far as a session can tell: told a line, it asks the model through the session's
// own `fetch`, makes the calls of the reply in the session's sandbox, and says what the real one was heard to
// say, abbreviated. It lives in the tests, as a program does in a machine of its own: an object that is lost
// does not take it along. What a session calls only leaves notes, and what works is driven from the tests.

const machines = new Map<string, FakeMachine>();

/** Returns the machine of a session. */
export function machineOf(id: string): FakeMachine {
  const machine = machines.get(id) ?? new FakeMachine(id);
  machines.set(id, machine);
  return machine;
}

/** Lets every embedded sandbox keep programs, and drives these, until what it returns is called. */
export function plantPrograms(): () => void {
  const spy = vi
    .spyOn(providers, "embedded")
    .mockImplementation((env, { id, machine }, options) =>
      machineOf(id).inside(embedded(env.EMBEDDED_SANDBOXES, id, options), machine),
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

// Tests make the waits of those who are tested shorter.
const wait = scheduler.wait.bind(scheduler);

/** A machine: its programs, and the transcripts in its files. Another machine knows nothing of either. */
export class FakeMachine {
  readonly programs = new Map<string, FakeProgram>();
  /** Programs that were started here, in their order. */
  readonly started: string[] = [];
  /** The environments that they were started with. */
  readonly environments: Readonly<Record<string, string>>[] = [];
  /** Files outside of the workspace, by their paths. */
  readonly files = new Map<string, Uint8Array>();
  name = `machine_${crypto.randomUUID()}`;
  /** The bodies of the model calls that were made, as they were sent. */
  readonly sent: Record<string, unknown>[] = [];
  /** Does not stop when it is asked to. */
  deaf = false;
  /** So many times whoever listens hears three lines and no more. */
  cut = 0;
  /** Dies as soon as it is started. */
  broken = false;

  constructor(readonly sessionId: string) {}

  /** Returns the sandbox of a session with programs in it; with a name, for the machine of that name only. */
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
        listen: (id, after, signal) => {
          const lines = listen(this.programs.get(id), after, signal);
          return this.cut-- > 0 ? cutShort(lines) : lines;
        },
      },
    };
  }

  /** Returns what the command says that reads on in a transcript. */
  #tail(path: string, from: number): CommandResult {
    const file = this.files.get(path);
    const stdout = file ? toBase64(file.subarray(from - 1, from - 1 + 512 * 1024)) : "";
    const exitCode = file ? 0 : 1;
    return { exitCode, stdout, stderr: "", ended: "exited", truncated: false };
  }

  /** Returns the program that runs; undefined when none does. */
  get program(): FakeProgram | undefined {
    return [...this.programs.values()].findLast((program) => !program.dead);
  }

  /** The machine is gone, with all on it, and another stands in its place. */
  replace(): void {
    for (const program of this.programs.values()) program.dead = true;
    this.step();
    this.programs.clear();
    this.files.clear();
    this.name = `machine_${crypto.randomUUID()}`;
  }

  /** Has the programs do what there is to do. */
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
