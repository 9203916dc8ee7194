import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import type { Command } from "./command.ts";

/** The checkout that has the bundle: `dist/cli.mjs`. */
const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Starts the server of the checkout as `npm start` does, and passes its arguments on. */
export const dev: Command = {
  summary: "Starts a server on this computer; options are those of wrangler dev",
  usage: () => "rigger dev [--containers] [--port 3333] [options of wrangler dev]",
  help: (name) =>
    `Usage: ${dev.usage(name)}\n\nStarts a server on this computer, as npm start does in the checkout. It needs no account and no API
key: without ANTHROPIC_API_KEY in .dev.vars, an offline model answers.

Options:
      --containers  runs sessions in containers; needs a Docker engine
      --port <port> the port; 3333 by default`,
  async start(_, argv) {
    if (!existsSync(`${ROOT}wrangler.toml`)) {
      throw new Error("rigger dev runs in a checkout of Rigger only.");
    }
    const script = argv.includes("--containers") ? "start:containers" : "start";
    const rest = argv.filter((one) => one !== "--containers");
    const server = spawn("npm", ["run", "--silent", script, "--", ...rest], {
      cwd: ROOT,
      stdio: "inherit",
    });
    // The terminal sends Ctrl-C to the server too, which ends by itself.
    process.on("SIGINT", () => {});
    process.on("SIGTERM", () => server.kill("SIGTERM"));
    const [code, signal] = (await once(server, "exit")) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal ? constants.signals[signal] : 0);
  },
};
