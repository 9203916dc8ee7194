// Builds what the deployment serves as static assets: the dashboard, the OpenAPI document and its reference page.

import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const here = new URL("./", import.meta.url);
const assets = new URL("generated/", here);
const drafts = new URL("../../node_modules/.cache/dashboard/", here);

/** Builds the assets. May run in several processes at once. */
async function buildAssets(): Promise<void> {
  const bundle = await build({
    entryPoints: [new URL("main.tsx", here).pathname, new URL("style.css", here).pathname],
    outdir: "/",
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: ["es2022"],
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "error",
  });
  for (const { path, contents } of bundle.outputFiles) await put(path.slice(1), contents);
  for (const name of await readdir(new URL("static/", here))) {
    await put(name, await readFile(new URL(`static/${name}`, here)));
  }
  const document = await readFile(new URL("../../docs/openapi.json", here), "utf8");
  await put("openapi.json", JSON.stringify(JSON.parse(document)));
  // The package does not export its standalone script by name.
  const scalar = new URL(
    "../../node_modules/@scalar/api-reference/dist/browser/standalone.js",
    here,
  );
  await put("docs/scalar.js", await readFile(scalar));
}

/** Writes a file, if it is not there already. */
async function put(name: string, content: Uint8Array | string): Promise<void> {
  const path = new URL(name, assets);
  const before = await readFile(path).catch(() => undefined);
  if (before?.equals(Buffer.from(content))) return;
  await mkdir(new URL("./", path), { recursive: true });
  // Not where changes are watched.
  await mkdir(drafts, { recursive: true });
  const draft = new URL(`${name.replaceAll("/", "-")}.${crypto.randomUUID()}`, drafts);
  await writeFile(draft, content);
  await rename(draft, path);
}

/** Builds the assets before the tests run. */
export const setup = buildAssets;

if (import.meta.main) await buildAssets();
