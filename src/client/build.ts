// Builds the client as it is published: one module without imports, and its types.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { build } from "esbuild";

const here = new URL("./", import.meta.url).pathname;
const root = new URL("../../", import.meta.url).pathname;

/** Builds the client. */
async function buildClient(): Promise<void> {
  await build({
    entryPoints: [`${here}rigger.ts`],
    outfile: `${root}dist/client/rigger.js`,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
  });
  await promisify(execFile)("tsc", ["-p", `${here}tsconfig.types.json`], { cwd: root });
}

/** Builds the client before the tests run that use it as it is published. */
export const setup = buildClient;

if (import.meta.main) await buildClient();
