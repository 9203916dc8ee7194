import { spawn } from "node:child_process";
import { start, stop, stopAll } from "../bench/servers.ts";
import { tryKey, tryPool } from "./deployment.ts";
import { docker } from "./docker.ts";
import { trySessions } from "./sessions.ts";

// Tests the contract of sandboxes, and whole sessions, with real containers. This needs a Docker engine, and
// network access for the image.

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

/** Runs the provider's tests against real containers instead of their replacements. */
async function tryContract(): Promise<number> {
  const config = "src/trial/workers/containers.toml";
  const server = await start({ config, containers: true });
  const files = ["src/sandbox/cloudflare.test.ts", "src/sandbox/round-trips.test.ts"];
  const tests = spawn("vitest", ["run", ...files], {
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
