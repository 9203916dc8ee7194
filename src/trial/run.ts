import { spawn, spawnSync } from "node:child_process";
import { start, stopAll } from "../bench/servers.ts";

// Runs the contract of sandboxes against real containers: needs a Docker engine, and the network for the image.

async function main(): Promise<number> {
  const docker = process.env.WRANGLER_DOCKER_BIN ?? "docker";
  if (spawnSync(docker, ["info"], { stdio: "ignore" }).status !== 0) {
    console.error("There is no Docker engine here: `docker info` fails. Start one, and try again.");
    return 1;
  }
  const config = "src/trial/workers/containers.toml";
  const server = await start({ config, containers: true });
  const tests = spawn("vitest", ["run", "src/sandbox/cloudflare.test.ts"], {
    stdio: "inherit",
    env: { ...process.env, CONTAINERS_ADDRESS: new URL(server.url).host },
  });
  return new Promise((done) => tests.once("exit", (code) => done(code ?? 1)));
}

try {
  process.exitCode = await main();
} finally {
  await stopAll();
}
