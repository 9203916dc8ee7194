import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Ask } from "./protocol.ts";

const home = mkdtempSync(join(tmpdir(), "rigger-run-"));
const runner = join(home, "run.cjs");
const noted = join(home, "loaded");
const NOTE = `process.on("exit", () =>
  require("fs").writeFileSync(${JSON.stringify(noted)}, process.moduleLoadList.join("\\n")));`;

beforeAll(async () => {
  // As the image has it.
  await build({
    entryPoints: [new URL("run.ts", import.meta.url).pathname],
    outfile: runner,
    bundle: true,
    format: "cjs",
    platform: "node",
  });
  writeFileSync(join(home, "note.cjs"), NOTE);
});
afterAll(() => rmSync(home, { recursive: true }));

/** Sends a request to the runner. Returns what it has said, and the public modules of Node that it has loaded. */
function send(ask: Ask) {
  const { stdout } = spawnSync(process.execPath, ["--require", join(home, "note.cjs"), runner], {
    env: { PATH: process.env.PATH, RIGGER_HOME: home, RIGGER_ASK: JSON.stringify(ask) },
    encoding: "utf8",
  });
  const loaded = readFileSync(noted, "utf8").matchAll(/^NativeModule ([a-z]\w*)$/gm);
  return { said: stdout, loaded: [...loaded].map(([, name]) => name) };
}

describe("the runner", () => {
  it("loads neither a server nor compression for a command, which would take half its time", () => {
    const command = { id: "one", command: "echo done", timeoutMs: 9_000, maxOutputBytes: 99 };
    const { said, loaded } = send({ do: "run", command, workspace: home });
    expect(said).toContain('"stdout":"done\\n","stderr":"","ended":"exited"');
    expect(loaded).toContain("child_process");
    for (const name of ["http", "https", "tls", "zlib"]) expect(loaded).not.toContain(name);
  });
});
