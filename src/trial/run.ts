import { spawn, spawnSync } from "node:child_process";
import { start, stop, stopAll } from "../bench/servers.ts";
import { trySessions } from "./sessions.ts";

// Tries the contract of sandboxes, and sessions, with real containers. This needs a Docker engine, and the network
// for the image.

async function main(): Promise<number> {
  const docker = process.env.WRANGLER_DOCKER_BIN ?? "docker";
  if (spawnSync(docker, ["info"], { stdio: "ignore" }).status !== 0) {
    console.error("There is no Docker engine here: `docker info` fails. Start one, and try again.");
    return 1;
  }
  return (await tryContract()) + (await trySessions());
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
