import { spawn } from "node:child_process";
import { start, stop, stopAll } from "../bench/servers.ts";
import { tryKey, tryPool } from "./deployment.ts";
import { docker } from "./docker.ts";
import { trySessions } from "./sessions.ts";

// Tries the contract of sandboxes, and sessions, with real containers. This needs a Docker engine, and the network
// for the image.

async function main(): Promise<number> {
  if (!docker("info").ok) {
    console.error("There is no Docker engine here: `docker info` fails. Start one, and try again.");
    return 1;
  }
  let broken = 0;
  for (const attempt of [tryContract, trySessions, tryKey, tryPool]) {
    broken += await attempt();
    await stopAll();
  }
  return broken;
}

/** Runs the tests of the provider against real containers in place of those that stand in for them. */
async function tryContract(): Promise<number> {
  const config = "src/trial/workers/containers.toml";
  const server = await start({ config, containers: true });
  const tests = spawn("vitest", ["run", "src/sandbox/cloudflare.test.ts"], {
    stdio: "inherit",
    env: { ...process.env, CONTAINERS_ADDRESS: new URL(server.url).host },
  });
  const code = await new Promise<number>((done) => tests.once("exit", (code) => done(code ?? 1)));
  await stop(server);
  return code;
}

try {
  process.exitCode = Math.min(1, await main());
} finally {
  await stopAll();
}
