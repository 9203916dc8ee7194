// Builds the archive with the runner that is put into vendors' machines: a gzipped tar with `rigger-run`, `rigger-init`,
// the runner, its HTTP server, and their version, which is a hash of the others. Also writes a hash of what the image of
// the deployment's own containers is made from.

import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { TAR_END, writeEntry } from "../tar.ts";

const generated = new URL("generated/", import.meta.url);
const container = new URL("../../container/", import.meta.url);

/** Builds the archive, unless it is there already. */
async function buildRunner(): Promise<void> {
  const bundle = await build({
    entryPoints: ["run", "serve"].map((name) => new URL(`${name}.ts`, container).pathname),
    outdir: "/",
    outExtension: { ".js": ".cjs" },
    bundle: true,
    write: false,
    minify: true,
    // It loads modules when they are needed.
    format: "cjs",
    platform: "node",
    target: "node20",
  });
  const scripts = ["rigger-init", "rigger-run"].map((name) => readFile(new URL(name, container)));
  const [init, run] = await Promise.all(scripts);
  const files: [name: string, bytes: Uint8Array][] = [
    ["rigger-init", init ?? new Uint8Array()],
    ["rigger-run", run ?? new Uint8Array()],
    ...bundle.outputFiles.map(({ path, contents }): [string, Uint8Array] => [
      path.slice(1),
      contents,
    ]),
  ];
  const hash = createHash("sha256");
  for (const [name, bytes] of files) hash.update(`${name} ${bytes.length}\n`).update(bytes);
  const version = hash.digest("hex").slice(0, 16);
  const entries = [...files, ["version", new TextEncoder().encode(version)] as const].map(
    ([path, bytes]) => writeEntry({ path, kind: "file", bytes, mode: 0o755, mtimeMs: 0 }),
  );
  await mkdir(generated, { recursive: true });
  const archive = gzipSync(Buffer.concat([...entries, TAR_END]), { level: 9 });
  await put("runner.bin", archive);
  await put("version.txt", version);
  const image = createHash("sha256").update(version);
  image.update(await readFile(new URL("../../../Dockerfile", import.meta.url)));
  await put("image.txt", image.digest("hex").slice(0, 16));
}

async function put(name: string, content: Uint8Array | string): Promise<void> {
  const path = new URL(name, generated);
  const before = await readFile(path).catch(() => Buffer.alloc(0));
  if (before.equals(Buffer.from(content))) return;
  const draft = new URL(`${name}.${crypto.randomUUID()}`, generated);
  await writeFile(draft, content);
  await rename(draft, path);
}

/** Builds the archive before the tests run. */
export const setup = buildRunner;

if (import.meta.main) await buildRunner();
