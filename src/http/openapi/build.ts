// Writes docs/openapi.json, and the types of the client that are made from it.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

const root = new URL("../../../", import.meta.url);

/** What the document is made from imports modules of the Workers runtime, and uses nothing of them. */
const withoutRuntime: Plugin = {
  name: "without-runtime",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^cloudflare:|\.(wasm|bin|txt)$/ }, ({ path }) => ({
      path,
      namespace: "none",
    }));
    onLoad({ filter: /.*/, namespace: "none" }, () => ({
      contents:
        "const none = class {}; module.exports = { env: {}, DurableObject: none, RpcTarget: none, WorkerEntrypoint: none };",
    }));
  },
};

/** Returns what a module of the source exports, bundled for Node. */
async function load<T>(path: string, alias: Record<string, string> = {}): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "rigger-"));
  const outfile = join(folder, "module.cjs");
  try {
    await build({
      entryPoints: [new URL(path, import.meta.url).pathname],
      outfile,
      bundle: true,
      // The compiler is a CommonJS module.
      format: "cjs",
      platform: "node",
      plugins: [withoutRuntime],
      alias,
      logLevel: "error",
    });
    return (await import(pathToFileURL(outfile).href)) as T;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Returns the files that are made from the schemas, by their paths in the project. */
export async function generate(): Promise<Record<string, string>> {
  const { openApi } = await load<{ openApi(): object }>("document.ts");
  const document = openApi();
  // The generator of types needs an API that TypeScript no longer has.
  const { typesOf } = await load<{ typesOf(document: object): Promise<string> }>("types.ts", {
    typescript: "typescript-5",
  });
  return {
    "docs/openapi.json": `${JSON.stringify(document, null, 2)}\n`,
    "src/client/api.ts": await typesOf(document),
  };
}

if (import.meta.main) {
  for (const [path, content] of Object.entries(await generate())) {
    await writeFile(new URL(path, root), content);
  }
}
