// The only file that uses QuickJS's WebAssembly module: how it is instantiated, and how calls and values pass
// between it and the host. Node runs it too, when `build.ts` creates the initial memory.

import createModule from "@jitl/quickjs-wasmfile-release-sync/emscripten-module";

const PAGE_BYTES = 64 * 1024;

/**
 * The engine's own bound on its stack. It is below the platform's, so that deep recursion is an exception in
 * the script.
 */
const MAX_STACK_BYTES = 256 * 1024;

/** Serves the guest. A promise suspends the engine until it settles. */
export interface Host {
  /** Answers a call with JSON text or bytes. An error ends the engine: it cannot be used again. */
  call(call: string, bytes: Uint8Array | undefined): Answer | Promise<Answer>;
  /**
   * Decides whether the guest continues; called several times a millisecond while it computes. A promise
   * suspends it. An error ends the engine.
   */
  interrupt(): false | Promise<false>;
}
export type Answer = string | Uint8Array;

/** Addresses in the engine's memory that never change. */
export interface Addresses {
  runtime: number;
  context: number;
  undefined: number;
  /** Four bytes for a second result of a call. */
  scratch: number;
  /** The guest's functions. */
  main: number;
  runTimers: number;
}

/** The functions of the module that are used; all numbers are addresses, sizes or flags. */
interface Module {
  _malloc(size: number): number;
  _free(address: number): void;
  _QTS_NewRuntime(): number;
  _QTS_RuntimeSetMaxStackSize(runtime: number, bytes: number): void;
  _QTS_RuntimeEnableInterruptHandler(runtime: number): void;
  _QTS_NewContext(runtime: number, intrinsics: number): number;
  _QTS_GetUndefined(): number;
  _QTS_GetGlobalObject(context: number): number;
  _QTS_GetProp(context: number, object: number, name: number): number;
  _QTS_SetProp(context: number, object: number, name: number, value: number): void;
  _QTS_NewFunction(
    context: number,
    name: number,
    length: number,
    isClass: number,
    id: number,
  ): number;
  _QTS_NewString(context: number, text: number): number;
  _QTS_NewArrayBuffer(context: number, bytes: number, length: number): number;
  _QTS_GetString(context: number, value: number): number;
  _QTS_FreeCString(context: number, text: number): void;
  _QTS_GetArrayBuffer(context: number, value: number): number;
  _QTS_GetArrayBufferLength(context: number, value: number): number;
  _QTS_ArgvGetJSValueConstPointer(values: number, index: number): number;
  _QTS_FreeValuePointer(context: number, value: number): void;
  _QTS_FreeValuePointerRuntime(runtime: number, value: number): void;
  _QTS_Eval(
    context: number,
    code: number,
    length: number,
    name: number,
    detect: number,
    flags: number,
  ): number;
  _QTS_Dump(context: number, value: number): number;
  _QTS_ResolveException(context: number, value: number): number;
  _QTS_Call(context: number, fn: number, self: number, count: number, values: number): number;
  _QTS_ExecutePendingJob(runtime: number, max: number, context: number): number;
}

type Suspends = { Suspending: new (fn: unknown) => unknown; promising: (fn: unknown) => never };
const { Suspending, promising } = WebAssembly as unknown as Suspends;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** One engine in its memory. */
export class QuickJs {
  readonly memory: WebAssembly.Memory;
  /** Answers the guest. */
  host: Host;
  readonly #module: Module;
  readonly #call: (...args: number[]) => Promise<number>;
  readonly #executePendingJob: (...args: number[]) => Promise<number>;

  private constructor(memory: WebAssembly.Memory, module: Module, host: Host) {
    this.memory = memory;
    this.host = host;
    this.#module = module;
    this.#call = promising(module._QTS_Call);
    this.#executePendingJob = promising(module._QTS_ExecutePendingJob);
  }

  /** Instantiates the engine in a memory of `initial` pages of 64 KiB, which may grow to `maximum`. */
  static async open(
    wasm: WebAssembly.Module,
    pages: { initial: number; maximum: number },
    host: Host,
  ): Promise<QuickJs> {
    const memory = new WebAssembly.Memory(pages);
    // The module imports these by name.
    const callFunction = (context: number, _self: number, count: number, values: number) =>
      engine.#answer(context, count, values);
    const shouldInterrupt = () => {
      const pause = engine.host.interrupt();
      return pause ? pause.then(Number) : 0;
    };
    const module = (await createModule({
      wasmMemory: memory,
      instantiateWasm(
        imports: WebAssembly.Imports,
        done: (instance: WebAssembly.Instance) => void,
      ) {
        const own = replaced(imports, { callFunction, shouldInterrupt });
        done(new WebAssembly.Instance(wasm, own));
        return {};
      },
    } as never)) as unknown as Module;
    const engine = new QuickJs(memory, module, host);
    return engine;
  }

  /** Creates a runtime and loads the guest's code. Its calls of `__host` reach the host. */
  load(code: string): Addresses {
    const module = this.#module;
    const runtime = module._QTS_NewRuntime();
    module._QTS_RuntimeSetMaxStackSize(runtime, MAX_STACK_BYTES);
    const context = module._QTS_NewContext(runtime, 0);
    const global = module._QTS_GetGlobalObject(context);
    const name = this.#cString("__host");
    const host = module._QTS_NewFunction(context, name, 2, 0, 1);
    module._QTS_SetProp(context, global, module._QTS_NewString(context, name), host);
    this.evaluate(context, code);
    module._QTS_RuntimeEnableInterruptHandler(runtime);
    const functionOf = (key: string) =>
      module._QTS_GetProp(context, global, module._QTS_NewString(context, this.#cString(key)));
    return {
      runtime,
      context,
      undefined: module._QTS_GetUndefined(),
      scratch: module._malloc(4),
      main: functionOf("__main"),
      runTimers: functionOf("__runTimers"),
    };
  }

  /** Evaluates code as a script and returns its value as text. Throws what the code throws. */
  evaluate(context: number, code: string): string {
    const module = this.#module;
    const text = this.#cString(code);
    const length = utf8.encode(code).length;
    const value = module._QTS_Eval(context, text, length, this.#cString("guest.js"), 0, 0);
    module._free(text);
    const thrown = module._QTS_ResolveException(context, value);
    if (thrown) throw new Error(this.#text(module._QTS_Dump(context, thrown)));
    return this.#text(module._QTS_GetString(context, value));
  }

  /** Calls a function of the guest without arguments. */
  async call({ context, undefined: none }: Addresses, fn: number): Promise<void> {
    this.#module._QTS_FreeValuePointer(context, await this.#call(context, fn, none, 0, 0));
  }

  /** Runs the guest's jobs until none is left. */
  async runJobs({ runtime, scratch }: Addresses): Promise<void> {
    const value = await this.#executePendingJob(runtime, -1, scratch);
    this.#module._QTS_FreeValuePointerRuntime(runtime, value);
  }

  /** Overwrites with zeros all memory that is free. The memory must not be able to grow. */
  clearFree(): void {
    const blocks: number[] = [];
    for (let size = 1024 ** 2; size >= 16; size /= 2) {
      for (let at = this.#module._malloc(size); at !== 0; at = this.#module._malloc(size)) {
        this.#heap().fill(0, at, at + size);
        blocks.push(at);
      }
    }
    for (const at of blocks) this.#module._free(at);
  }

  #answer(context: number, count: number, values: number): number | Promise<number> {
    const module = this.#module;
    const argument = (index: number) => module._QTS_ArgvGetJSValueConstPointer(values, index);
    const address = module._QTS_GetString(context, argument(0));
    const call = this.#text(address);
    module._QTS_FreeCString(context, address);
    const bytes = count > 1 ? this.#bytes(context, argument(1)) : undefined;
    const answer = this.host.call(call, bytes);
    return answer instanceof Promise
      ? answer.then((settled) => this.#value(context, settled))
      : this.#value(context, answer);
  }

  /** Returns a new value of the guest with that content; the guest frees it. */
  #value(context: number, answer: Answer): number {
    const module = this.#module;
    if (typeof answer === "string") {
      const text = this.#cString(answer);
      const value = module._QTS_NewString(context, text);
      module._free(text);
      return value;
    }
    const address = this.#allocate(Math.max(1, answer.length));
    this.#heap().set(answer, address);
    return module._QTS_NewArrayBuffer(context, address, answer.length);
  }

  #bytes(context: number, value: number): Uint8Array {
    const module = this.#module;
    const length = module._QTS_GetArrayBufferLength(context, value);
    const address = module._QTS_GetArrayBuffer(context, value);
    const bytes = this.#heap().slice(address, address + length);
    module._free(address);
    return bytes;
  }

  #text(address: number): string {
    const heap = this.#heap();
    return fromUtf8.decode(heap.subarray(address, heap.indexOf(0, address)));
  }

  #cString(text: string): number {
    const bytes = utf8.encode(text);
    const address = this.#allocate(bytes.length + 1);
    const heap = this.#heap();
    heap.set(bytes, address);
    heap[address + bytes.length] = 0;
    return address;
  }

  #allocate(size: number): number {
    const address = this.#module._malloc(size);
    if (address === 0) throw new RangeError("out of memory");
    return address;
  }

  /** Returns the memory as bytes. Views of it are invalid after it grows. */
  #heap(): Uint8Array {
    return new Uint8Array(this.memory.buffer);
  }
}

export const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE_BYTES);

/** Returns the module's imports with some callbacks replaced by functions that may suspend it. */
function replaced(
  imports: WebAssembly.Imports,
  callbacks: Record<string, unknown>,
): WebAssembly.Imports {
  const module = { ...imports.a };
  for (const [name, callback] of Object.entries(callbacks)) {
    const keys = Object.keys(module).filter((key) =>
      String(module[key]).includes(`callbacks.${name}(`),
    );
    const [key] = keys;
    if (key === undefined || keys.length > 1) throw new Error(`the engine has no callback ${name}`);
    module[key] = new Suspending(callback) as never;
  }
  return { ...imports, a: module };
}
