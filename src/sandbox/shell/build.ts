// Builds what the Worker loads to run scripts: QuickJS, and the memory of an engine in which just-bash is
// loaded. Loading just-bash takes a third of a second; unpacking the memory once and copying it takes a few milliseconds.

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "esbuild";
import { QuickJs } from "./quickjs.ts";

const here = new URL(".", import.meta.url);
const generated = new URL("generated/", here);
const require = createRequire(import.meta.url);

/** The memory for just-bash and the guest while they load, in pages of 64 KiB; the module needs at least 256. */
const PAGES = 288;
/** The size of pieces of memory; those that are all zeros are left out. */
const RUN_BYTES = 1024;

/**
 * The number of places where the engine initialises a counter of steps: two in its interpreter, one in its
 * regular expressions.
 */
const ENGINE_COUNTERS = 3;

/**
 * Inserts calls of the guest into just-bash, where it is about to run a command and to open files for one, and where it
 * converts between text and bytes: it has no option for that. Each text must occur exactly once.
 */
const INSERTED = [
  {
    text: "async runCommand(t,n,r,s,i=!1,o=!1,a=-1,l=!1){",
    code: "const refused=globalThis.__refuseCommand(t,n);if(refused)return refused;",
  },
  {
    text: "async executeCommand(t,n,r=!1){",
    code: "const refused=globalThis.__refuseRedirections(t.redirections);if(refused)return refused;",
  },
  { text: "function _(e){", code: "return globalThis.__utf8Length(e);" },
  {
    text: 'function ue(e,t=Tc){let n=e;if(!n)return n;Rc(n.length,t,"UTF-8 decode");',
    code: "return globalThis.__decoded(n);",
  },
  { text: "function $3(e){if(!e)return e;", code: "return globalThis.__decoded(e);" },
];

const changed: Plugin = {
  name: "changed",
  setup({ onLoad }) {
    onLoad({ filter: /just-bash\/dist\/bundle\/browser\.js$/ }, async ({ path }) => {
      let contents = await readFile(path, "utf8");
      for (const { text, code } of INSERTED) {
        if (contents.split(text).length !== 2) {
          throw new Error(`just-bash has changed: look for what "${text}" has become`);
        }
        contents = contents.replace(text, () => text + code);
      }
      return { contents, loader: "js" };
    });
  },
};

/**
 * Builds the engine's module and its memory, unless that was done with the same inputs. May run in several processes at
 * once.
 */
async function buildShell(): Promise<void> {
  const inputs = await hashOfInputs();
  if ((await readFile(new URL(INPUTS, generated), "utf8").catch(() => "")) === inputs) return;
  const bundle = await build({
    entryPoints: [new URL("guest/main.ts", here).pathname],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2023",
    minify: true,
    keepNames: false,
    conditions: ["browser"],
    alias: { "node:zlib": new URL("guest/zlib.ts", here).pathname },
    plugins: [changed],
  });
  const code = bundle.outputFiles[0]?.text ?? "";
  const wasm = interruptedOften(
    await readFile(require.resolve("@jitl/quickjs-wasmfile-release-sync/wasm")),
  );
  const module = await WebAssembly.compile(wasm);
  const { engine, addresses } = await loaded(module, code);
  const commandNames = JSON.parse(engine.evaluate(addresses.context, "__commandNames()"));
  // Loading leaves much freed memory; zeros are not stored.
  engine.clearFree();
  await mkdir(generated, { recursive: true });
  await put("quickjs.wasm", wasm);
  await put("memory.bin", packed(engine.memory, { addresses, commandNames }));
  // Last: it says that the other files are there.
  await put(INPUTS, Buffer.from(inputs));
}

/** The file with the hash of what the others were built from. */
const INPUTS = "inputs.sha256";

/** Returns a hash of the sources, and of the versions of all packages. */
async function hashOfInputs(): Promise<string> {
  const hash = createHash("sha256");
  const names = (await readdir(here, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const sources = names.sort().map((name) => new URL(name, here));
  for (const file of [...sources, new URL("../../../package-lock.json", here)]) {
    hash.update(await readFile(file));
  }
  return hash.digest("hex");
}

/**
 * Returns the engine's module, changed to call its host every three thousand steps in place of ten thousand: a
 * step is a call or an iteration, and ten thousand of them may take milliseconds. It replaces the constant
 * wherever a counter is initialised with it; both values have three bytes.
 */
function interruptedOften(wasm: Buffer): Buffer<ArrayBuffer> {
  const [before, after] = [constantStored(0x90, 0xce, 0x00), constantStored(0xb8, 0x97, 0x00)];
  const often = Buffer.from(wasm) as Buffer<ArrayBuffer>;
  let counters = 0;
  for (let at = often.indexOf(before); at >= 0; at = often.indexOf(before, at)) {
    after.copy(often, at);
    counters++;
  }
  if (counters !== ENGINE_COUNTERS) throw new Error(`the engine has ${counters} counters of steps`);
  return often;
}

/** Returns the instructions `i32.const` with such a number, and `i32.store` aligned to four bytes. */
const constantStored = (...leb128: number[]): Buffer => Buffer.from([0x41, ...leb128, 0x36, 0x02]);

async function loaded(module: WebAssembly.Module, code: string) {
  const pages = { initial: PAGES, maximum: PAGES };
  const engine = await QuickJs.open(module, pages, {
    call: () => {
      throw new Error("the guest calls its host while it loads");
    },
    interrupt: () => false,
  });
  return { engine, addresses: engine.load(code) };
}

/**
 * Returns the length of the header, the header as JSON, and the runs of memory that are not zero, compressed: most Workers
 * that hold them never run a script.
 */
function packed(memory: WebAssembly.Memory, given: object): Uint8Array {
  const bytes = new Uint8Array(memory.buffer);
  const runs: [at: number, length: number][] = [];
  for (let at = 0; at < bytes.length; at += RUN_BYTES) {
    if (!bytes.subarray(at, at + RUN_BYTES).some((byte) => byte !== 0)) continue;
    const last = runs.at(-1);
    if (last && last[0] + last[1] === at) last[1] += RUN_BYTES;
    else runs.push([at, RUN_BYTES]);
  }
  const header = { ...given, bytes: bytes.length, runs };
  const head = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, head.length, true);
  const content = Buffer.concat(runs.map(([at, size]) => bytes.subarray(at, at + size)));
  return Buffer.concat([length, head, gzipSync(content)]);
}

/** Writes a file atomically, unless it has that content already, so that watchers see changes only. */
async function put(name: string, bytes: Uint8Array): Promise<void> {
  const file = new URL(name, generated);
  const known = await readFile(file).catch(() => undefined);
  if (known && Buffer.compare(known, bytes) === 0) return;
  const draft = new URL(`${name}.${crypto.randomUUID()}`, generated);
  await writeFile(draft, bytes);
  await rename(draft, file);
}

/** Builds the shell before the tests run. */
export const setup = buildShell;

if (import.meta.main) await buildShell();
