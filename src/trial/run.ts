import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { start, stop, stopAll } from "../bench/servers.ts";
import { tryKey, tryPool } from "./deployment.ts";
import { docker, sidecars, startedSince } from "./docker.ts";
import { tryFiles } from "./files.ts";
import { tryPreviews } from "./previews.ts";
import { tryRepositories } from "./repositories.ts";
import { trySessions } from "./sessions.ts";
import { tryTools } from "./tools.ts";

// Tests the contract of sandboxes, and whole sessions, with real containers. This needs a Docker engine, and
// network access for the image.

/** The parts, by the name for `--only`. Each returns the number of rules that did not hold. */
const PARTS: Record<string, () => Promise<number>> = {
  contract: tryContract,
  sessions: trySessions,
  repositories: tryRepositories,
  files: tryFiles,
  previews: tryPreviews,
  tools: tryTools,
  key: tryKey,
  pool: tryPool,
};

const { values: options } = parseArgs({
  options: { only: { type: "string", default: Object.keys(PARTS).join(",") } },
});

async function main(): Promise<number> {
  if (!docker("info").ok) {
    console.error("There is no Docker engine here: `docker info` fails. Start one, and try again.");
    return 1;
  }
  let broken = 0;
  for (const name of options.only.split(",")) {
    const part = PARTS[name];
    if (!part) throw new Error(`--only takes some of ${Object.keys(PARTS).join(", ")}`);
    broken += await part();
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

const ownSidecars = startedSince(sidecars);
try {
  process.exitCode = Math.min(1, await main());
} finally {
  await stopAll();
  // Wrangler removes containers when it ends, and leaves these.
  docker("rm", "--force", ...ownSidecars());
}
