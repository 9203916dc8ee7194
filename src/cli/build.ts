// Builds the command line: one file, which runs on Node 20 without packages.

import { chmod } from "node:fs/promises";
import { build } from "esbuild";

const here = new URL("./", import.meta.url).pathname;
const outfile = new URL("../../dist/cli.mjs", import.meta.url).pathname;

/** Builds the command line. */
async function buildCommandLine(): Promise<void> {
  await build({
    entryPoints: [`${here}main.ts`],
    outfile,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node20",
    banner: { js: "#!/usr/bin/env node" },
  });
  await chmod(outfile, 0o755);
}

/** Builds the command line before the tests run that use it. */
export const setup = buildCommandLine;

if (import.meta.main) await buildCommandLine();
