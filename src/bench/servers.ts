import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { send } from "./client.ts";
import { type Usage, usageOf } from "./processes.ts";

/** A Worker under `wrangler dev`. */
export interface Server {
  url: string;
  /** The port of its debugger. */
  inspectorPort: number;
  usage(): Usage | null;
}

/** The Worker to start, and its options. */
export interface ServerOptions {
  /** The path of its wrangler.toml, relative to the root of the repository. */
  config: string;
  /** The path of another entry point than the one that its configuration names. */
  script?: string | undefined;
  vars?: Record<string, string>;
  /** The directory of its data; a new one when absent. */
  state?: string;
  /** The port that it listens on; a free one when absent. */
  port?: number;
  /** The root of another checkout to run; this one when absent. */
  root?: string | undefined;
  /** Whether it runs containers, for which the first start builds an image. */
  containers?: boolean;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WRANGLER = join(ROOT, "node_modules/wrangler/bin/wrangler.js");
const START_MS = 60_000;
const BUILD_MS = 30 * 60_000;
const STOP_MS = 5_000;
const KEPT_OUTPUT = 4_000;

// Wrangler stores a trace of every query and every call of an object in its own database, which takes as long
// as Rigger itself. A deployed Rigger has nothing of the kind.
const ENV = {
  X_LOCAL_OBSERVABILITY: "false",
  ...process.env,
  // No network access.
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};

const running = new Set<ChildProcess>();
const processOf = new WeakMap<Server, ChildProcess>();
const directories: string[] = [];

/** Starts a Worker and waits until it responds. */
export async function start(options: ServerOptions): Promise<Server> {
  const { config, script, vars = {}, containers = false } = options;
  const directory = options.state ?? (await newDirectory());
  const [port, inspectorPort] = [options.port ?? (await freePort()), await freePort()];
  // An empty file instead of .dev.vars, so that no key of a developer is used.
  const secrets = join(directory, "no.env");
  await writeFile(secrets, "");
  const settings = Object.entries({ ...vars, CONTAINERS: `${containers}` }).flatMap(
    ([name, value]) => ["--var", `${name}:${value}`],
  );
  const child = wrangler(
    options.root,
    ...[
      "dev",
      ...(script ? [script] : []),
      "--config",
      config,
      "--env-file",
      secrets,
      "--persist-to",
      directory,
    ],
    ...["--ip", "127.0.0.1", "--port", `${port}`, "--inspector-port", `${inspectorPort}`],
    ...["--log-level", "error", "--show-interactive-dev-session=false"],
    ...[`--enable-containers=${containers}`, ...settings],
  );
  return answering(child, { port, inspectorPort }, containers ? BUILD_MS : START_MS);
}

/** Starts Rigger with the README's command, on other ports, and waits until it responds. */
export async function startByCommand(): Promise<Server> {
  const [port, inspectorPort] = [await freePort(), await freePort()];
  const ports = ["--port", `${port}`, "--inspector-port", `${inspectorPort}`];
  return answering(run("npm", ["start", "--", ...ports]), { port, inspectorPort }, START_MS);
}

/** Returns the server that a program starts when it responds. Ends the program if it does not within `boundMs`. */
async function answering(
  child: Program,
  { port, inspectorPort }: { port: number; inspectorPort: number },
  boundMs: number,
): Promise<Server> {
  const url = `http://127.0.0.1:${port}`;
  const server = { url, inspectorPort, usage: () => usageOf(child.process.pid ?? 0, port) };
  processOf.set(server, child.process);
  try {
    await untilItAnswers(`${url}/health`, child, boundMs);
  } catch (error) {
    await end(child.process);
    throw error;
  }
  return server;
}

/** Starts Rigger as `npm start` does, but with the model at `modelUrl`. `root` is another checkout to run. */
export const startRigger = (
  state: string,
  modelUrl: string,
  vars: Record<string, string> = {},
  root?: string,
): Promise<Server> =>
  start({
    config: "wrangler.toml",
    root,
    state,
    vars: {
      ALLOW_ANONYMOUS: "true",
      ANTHROPIC_API_KEY: "bench",
      ANTHROPIC_BASE_URL: modelUrl,
      ...vars,
    },
  });

/** Stops a server and all its processes. */
export async function stop(server: Server): Promise<void> {
  const child = processOf.get(server);
  if (child) await end(child);
}

/** Kills a server and all its processes with SIGKILL. */
export async function kill(server: Server): Promise<void> {
  const child = processOf.get(server);
  if (!child) return;
  // The port and the data are free when the last process of the group has ended.
  for (const giveUpAt = Date.now() + STOP_MS; Date.now() < giveUpAt; await sleep(20)) {
    if (!signal(child, "SIGKILL")) return;
  }
  throw new Error("the server can't be killed");
}

/** Stops all servers and removes their data. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(end));
  directories.push(join(ROOT, "src/bench/workers/.wrangler"));
  for (const directory of directories.splice(0)) {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The databases of an index, and how a Worker is started that has them. */
export interface Databases {
  /** The path of its wrangler.toml, relative to the root of the repository. */
  config: string;
  names: readonly string[];
  vars: Record<string, string>;
}

const ONE: Databases = { config: "wrangler.toml", names: ["DB"], vars: {} };

/** Returns a configuration of Rigger with so many databases. With several, it is a file that `stopAll` removes. */
export async function withDatabases(count: number): Promise<Databases> {
  if (count === 1) return ONE;
  const names = Array.from({ length: count }, (_, i) => (i === 0 ? "DB" : `DB_${i + 1}`));
  const bindings = names.slice(1).map(
    (name, i) => `
[[d1_databases]]
binding = "${name}"
database_name = "rigger-${i + 2}"
database_id = "00000000-0000-0000-0000-00000000000${i + 2}"
migrations_dir = "migrations"
`,
  );
  const config = `.wrangler-${process.pid}.toml`;
  directories.push(join(ROOT, config));
  const own = await readFile(join(ROOT, "wrangler.toml"), "utf8");
  await writeFile(join(ROOT, config), [own, ...bindings].join("\n"));
  return { config, names, vars: { INDEX_DATABASES: names.join(",") } };
}

/** Creates a directory for Rigger's data, with its D1 tables. */
export async function newState(root?: string, { config, names }: Databases = ONE): Promise<string> {
  const directory = await newDirectory();
  for (const name of names) {
    const child = wrangler(
      root,
      ...["d1", "migrations", "apply", name, "--local", "--config", config],
      ...["--persist-to", directory],
    );
    const [code] = await once(child.process, "exit");
    if (code !== 0) throw new Error(`the migrations failed:\n${child.output()}`);
  }
  return directory;
}

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "rigger-bench-"));
  directories.push(directory);
  return directory;
}

/** A program that runs, and the end of what it printed. */
interface Program {
  process: ChildProcess;
  output: () => string;
}

const wrangler = (root: string | undefined, ...options: string[]): Program =>
  run(process.execPath, [WRANGLER, ...options], root);

function run(program: string, options: string[], root = ROOT): Program {
  // Its own process group, so that everything that it starts is stopped with it.
  const child = spawn(program, options, {
    cwd: root,
    env: ENV,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      output = (output + text).slice(-KEPT_OUTPUT);
    });
  }
  return { process: child, output: () => output };
}

async function end(child: ChildProcess): Promise<void> {
  if (!running.has(child)) return;
  const exited = once(child, "exit");
  signal(child, "SIGTERM");
  await Promise.race([exited, sleep(STOP_MS)]);
  signal(child, "SIGKILL");
}

/** Sends a signal to a process group. Returns false if the group has ended. */
function signal(child: ChildProcess, name: NodeJS.Signals): boolean {
  try {
    return process.kill(-(child.pid ?? Number.NaN), name);
  } catch {
    return false;
  }
}

async function untilItAnswers(url: string, child: Program, boundMs: number): Promise<void> {
  for (const giveUpAt = Date.now() + boundMs; Date.now() < giveUpAt; await sleep(100)) {
    if (child.process.exitCode !== null) break;
    const answer = await send({ url }).catch(() => undefined);
    if (answer) return;
  }
  throw new Error(`${url} does not answer:\n${child.output()}`);
}

/** Returns a port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("there is no free port");
  return address.port;
}
