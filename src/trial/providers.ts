import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { serveHandler } from "../testing/vendors/local-machine.ts";
import { startRelay } from "../testing/vendors/relay.ts";
import { inputs, missing } from "./provider-inputs.ts";

// Tests the contract of sandboxes with the services of all vendors whose keys are in the environment, and destroys the
// machines that it made. They have a random label of their own.

const DEFAULT_RELAY_PORT = 8788;
/** The time for tests that are interrupted to end, in ms. */
const STOP_MS = 10_000;

const usage = "npm run test:providers [-- --sweep <label>]";
/** The tests that run; undefined before and after. */
let tests: ChildProcess | undefined;
let isInterrupted = false;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { sweep: { type: "string" } } });
  const absent = missing(process.env);
  for (const [vendor, names] of absent) {
    if (names.length > 0) console.log(`${vendor} is skipped: there is no ${names.join(", ")}.`);
  }
  if (absent.every(([, names]) => names.length > 0)) {
    console.log("So there is nothing to test: no key of a vendor is in the environment.");
    return 0;
  }
  const label = values.sweep ?? `trial-${randomBytes(8).toString("hex")}.invalid`;
  if (values.sweep !== undefined) return sweep(label);
  console.log(`The machines have the label ${label}.`);
  const relay = await openRelay();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt);
  tests = vitest("contract", { TRIAL_LABEL: label, ...relay });
  const failed = await exitOf(tests);
  tests = undefined;
  return Math.max(failed, await sweep(label), isInterrupted ? 130 : 0);
}

/** Serves the requests of machines, if there is a tunnel for them. */
async function openRelay(): Promise<Record<string, string>> {
  const { PUBLIC_URL } = inputs(process.env);
  if (PUBLIC_URL === undefined) {
    console.log("There is no PUBLIC_URL: the tests of snapshots are left out.");
    return {};
  }
  const port = Number(process.env.RELAY_PORT ?? DEFAULT_RELAY_PORT);
  const relay = await startRelay(port);
  // What the Worker asks is not for the public.
  const { url } = await serveHandler(relay.handle);
  console.log(`Requests of machines are expected from ${PUBLIC_URL} at ${relay.url}.`);
  return { TRIAL_RELAY: url };
}

/** Destroys the machines with a label. Returns the exit code. */
async function sweep(label: string): Promise<number> {
  const failed = await exitOf(vitest("sweep", { TRIAL_LABEL: label }, "--silent=false"));
  if (failed === 0) return 0;
  console.error(`Machines with the label ${label} may be left. To try again:`);
  console.error(`  npm run test:providers -- --sweep ${label}`);
  return failed;
}

/** Starts one file of tests. */
function vitest(name: string, env: Record<string, string>, ...more: string[]): ChildProcess {
  const config = ["--config", "vitest.providers.config.ts"];
  return spawn("vitest", ["run", ...config, `src/trial/providers/${name}.ts`, ...more], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
    // Not in the terminal's group: an interrupt must not reach the sweep.
    detached: true,
  });
}

async function exitOf(child: ChildProcess): Promise<number> {
  const [code] = await once(child, "exit");
  return Number(code ?? 1);
}

/** Ends the tests. The sweep goes on. */
function interrupt(): void {
  if (isInterrupted) return;
  isInterrupted = true;
  console.log("It is interrupted. The machines are destroyed before it ends.");
  const ending = tests;
  if (!ending) return;
  signal(ending, "SIGINT");
  setTimeout(() => signal(ending, "SIGKILL"), STOP_MS).unref();
}

function signal({ pid, exitCode }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined || exitCode !== null) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended.
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`${error}\nUsage: ${usage}`);
  process.exitCode = 1;
}
process.exit();
