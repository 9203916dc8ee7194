// Runs each script in an engine of its own: QuickJS in WebAssembly, with just-bash loaded. Time and memory are
// bounded for any script: the engine can be interrupted between any two of its steps, and its memory has a
// maximum.

import { gunzipSync } from "node:zlib";
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

/** The most memory of one script, just-bash included. */
const MAX_MEMORY_BYTES = 48 * 1024 ** 2;

/**
 * The bytes of an engine's initial memory that are written between two ticks of the pace: half a millisecond's
 * work.
 */
const PIECE_BYTES = 512 * 1024;

/** What is known of the initial memory without unpacking it. */
interface Header {
  addresses: Addresses;
  commandNames: string[];
  bytes: number;
  runs: [at: number, length: number][];
}

/** The initial memory of engines: the runs that are not zero, and the addresses in it. */
interface InitialMemory extends Header {
  content: Uint8Array;
}

let initial: InitialMemory | undefined;

/** An engine whose script has ended, kept for the next one: its memory is allocated. */
let idle: QuickJs | undefined;

/** Returns the names of the commands that scripts can use. */
export const commandNames = (): readonly string[] => readHeader().header.commandNames;

/**
 * Runs a script over a file system. Resolves with null if the signal stopped it. Never rejects for what a
 * script does: if it exceeds the memory or the stack, its exit code is 137.
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
    // The engine trapped: it exceeded the stack or the memory within one of its steps.
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

  /** Runs the script to its end. If it is stopped, rejects once its last call of the host has settled. */
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

  /** Throws if the script is stopped. The error unwinds all of the engine's frames, and no script can catch it. */
  #goOn(): false {
    if (this.#signal.aborted) throw new Error("the script was stopped");
    return false;
  }

  call(text: string, bytes: Uint8Array = new Uint8Array()): Answer | Promise<Answer> {
    this.#goOn();
    const [operation, ...args] = JSON.parse(text);
    try {
      // The guest's calls are typed by the same table.
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

/** Returns an engine with the initial memory. */
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

/** Keeps an engine whose script ended regularly, unless its memory has grown. */
function keep(engine: QuickJs): void {
  if (engine.memory.buffer.byteLength === initialMemory().bytes) idle = engine;
}

function initialMemory(): InitialMemory {
  if (initial) return initial;
  const { header, packed } = readHeader();
  initial = { ...header, content: gunzipSync(packed, { maxOutputLength: header.bytes }) };
  return initial;
}

function readHeader(): { header: Header; packed: Uint8Array } {
  const length = new DataView(memoryFile).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(memoryFile, 4, length)));
  return { header, packed: new Uint8Array(memoryFile, 4 + length) };
}
