// Runs one script in an engine of its own: QuickJS in WebAssembly, in which just-bash is loaded. Time and
// memory are bounded whatever the script does: the engine is interrupted between any two of its steps, and
// its memory can't grow beyond a maximum.

import type { IFileSystem } from "just-bash/browser";
import { type CommandRules, refuseCommand, refuseRedirection } from "../command-rules";
import { messageOf } from "../sandbox";
import memoryFile from "./generated/memory.bin";
import wasm from "./generated/quickjs.wasm";
import type { Operation } from "./host-api";
import { fileHandlers, type Handlers, platformHandlers } from "./host-calls";
import { enter, type Pace } from "./pace";
import { type Addresses, type Answer, type Host, pagesOf, QuickJs } from "./quickjs";
import type { Script, ScriptResult } from "./script";

/** What one script may use, just-bash included. */
const MAX_MEMORY_BYTES = 48 * 1024 ** 2;

/** Bytes of an engine's first memory that are written between two ticks of the pace: half a millisecond's work. */
const PIECE_BYTES = 512 * 1024;

/** The memory that engines begin with: the runs that are not zero, and what stands where. */
interface InitialMemory {
  addresses: Addresses;
  commandNames: string[];
  bytes: number;
  runs: [at: number, length: number][];
  content: Uint8Array;
}

let initial: InitialMemory | undefined;

/** An engine whose script has ended, for the next one: its memory is there already. */
let idle: QuickJs | undefined;

/** Returns the names of the commands that scripts can use. */
export const commandNames = (): readonly string[] => initialMemory().commandNames;

/**
 * Runs a script over a file system. Returns null when the signal stopped it. Never rejects for what a
 * script does: without memory or with a stack that is too deep it ends with exit code 137.
 */
export async function runInEngine(
  script: Omit<Script, "restricted">,
  files: IFileSystem,
  rules: CommandRules | undefined,
  signal: AbortSignal,
): Promise<ScriptResult | null> {
  const pace = await enter(signal);
  if (!pace) return null;
  try {
    return await new Run(
      { ...script, restricted: rules !== undefined },
      files,
      rules,
      signal,
      pace,
    ).toEnd();
  } catch (error) {
    if (signal.aborted) return null;
    // A trap of the engine: its stack or its memory was used up in one of its own steps.
    return killed(messageOf(error));
  } finally {
    pace.leave();
  }
}

class Run implements Host {
  readonly #handlers: Handlers;
  readonly #signal: AbortSignal;
  readonly #pace: Pace;
  #result: ScriptResult | undefined;
  /** The ms until the guest's next timer; -1 for none. */
  #wakeMs = -1;

  constructor(
    script: Script,
    files: IFileSystem,
    rules: CommandRules | undefined,
    signal: AbortSignal,
    pace: Pace,
  ) {
    this.#signal = signal;
    this.#pace = pace;
    this.#handlers = {
      ...fileHandlers(files),
      ...platformHandlers(pace),
      script: () => script,
      finish: ([result]) => {
        this.#result = result;
        return null;
      },
      wake: ([ms]) => {
        this.#wakeMs = ms;
        return null;
      },
      refuseCommand: ([name, args]) => (rules ? refuseCommand(rules, name, args) : null),
      refuseRedirection: () => (rules ? refuseRedirection(rules) : null),
    };
  }

  /** Runs the script to its end. Rejects when it is stopped before, once its last call of the host has settled. */
  async toEnd(): Promise<ScriptResult> {
    const { addresses } = initialMemory();
    const engine = await fresh(this, this.#pace);
    await engine.call(addresses, addresses.main);
    for (;;) {
      await engine.runJobs(addresses);
      if (this.#result) {
        keep(engine);
        return this.#result;
      }
      await engine.call(addresses, addresses.runTimers);
      if (this.#wakeMs < 0) return killed("out of memory");
      await this.#pace.wait(this.#wakeMs);
      await engine.call(addresses, addresses.runTimers);
    }
  }

  interrupt(): false | Promise<false> {
    this.#goOn();
    return this.#pace.tick()?.then(() => this.#goOn()) ?? false;
  }

  /** Throws when the script is stopped: through all of the engine's frames, where no script can catch it. */
  #goOn(): false {
    if (this.#signal.aborted) throw new Error("the script was stopped");
    return false;
  }

  call(text: string, bytes: Uint8Array = new Uint8Array()): Answer | Promise<Answer> {
    this.#goOn();
    const [operation, ...args] = JSON.parse(text);
    try {
      // The guest's own calls are typed by the same table.
      const handler: AnyHandler = this.#handlers[operation as Operation];
      const value = handler(args as never, bytes);
      return value instanceof Promise ? value.then(answerOf, refusalOf) : answerOf(value);
    } catch (error) {
      return refusalOf(error);
    }
  }
}

type AnyHandler = (args: never, bytes: Uint8Array) => unknown;

const answerOf = (value: unknown): Answer =>
  value instanceof Uint8Array ? value : JSON.stringify({ value });

const refusalOf = (error: unknown): Answer =>
  JSON.stringify({ error: { message: messageOf(error), code: (error as { code?: string }).code } });

const killed = (why: string): ScriptResult => ({
  exitCode: 137,
  stdout: "",
  stderr: `bash: killed: ${why}\n`,
});

/** Makes an engine in which nothing has run yet. */
async function fresh(host: Host, pace: Pace): Promise<QuickJs> {
  const { bytes, runs, content } = initialMemory();
  const pages = { initial: pagesOf(bytes), maximum: pagesOf(MAX_MEMORY_BYTES) };
  const used = idle;
  idle = undefined;
  const engine = used ?? (await QuickJs.open(wasm, pages, host));
  engine.host = host;
  const heap = new Uint8Array(engine.memory.buffer);
  let end = 0;
  let from = 0;
  let ticked = 0;
  for (const [at, length] of runs) {
    if (used) heap.fill(0, end, at);
    heap.set(content.subarray(from, from + length), at);
    from += length;
    end = at + length;
    if (from - ticked < PIECE_BYTES) continue;
    ticked = from;
    await pace.tick();
  }
  if (used) heap.fill(0, end);
  return engine;
}

/** Keeps an engine that came to its end in good order, unless its memory has grown. */
function keep(engine: QuickJs): void {
  if (engine.memory.buffer.byteLength === initialMemory().bytes) idle = engine;
}

function initialMemory(): InitialMemory {
  if (initial) return initial;
  const file = new Uint8Array(memoryFile);
  const length = new DataView(memoryFile).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(file.subarray(4, 4 + length)));
  initial = { ...header, content: file.subarray(4 + length) };
  return initial as InitialMemory;
}
