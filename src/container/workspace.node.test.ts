import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRefusal } from "./file-facts.ts";
import type { Frame } from "./protocol.ts";

// What callers may reach of a container's files: the runner's own functions, without a process for each request.

const IS_LINUX = process.platform === "linux";
const SECRET = "what is outside";
const base = mkdtempSync(join(tmpdir(), "rigger-inside-"));
const outside = join(base, "outside");
const workspace = join(base, "workspace");

let reading: typeof import("./workspace-read.ts");
let writing: typeof import("./workspace-write.ts");

beforeAll(async () => {
  process.env.RIGGER_HOME = join(base, "home");
  mkdirSync(join(base, "home", "inbox"), { recursive: true });
  reading = await import("./workspace-read.ts");
  writing = await import("./workspace-write.ts");
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Makes an empty workspace, and what is outside of it. */
function begin(): void {
  for (const folder of [outside, workspace]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
  }
  mkdirSync(join(outside, "d"));
  writeFileSync(join(outside, "secret"), SECRET);
  writeFileSync(join(outside, "d", "secret"), SECRET);
}

/** Returns everything that is outside. */
const outsideNow = () =>
  readdirSync(outside, { recursive: true })
    .map(String)
    .sort()
    .map((name) => [name, name.endsWith("secret") && readFileSync(join(outside, name), "utf8")]);

const UNTOUCHED = [
  ["d", false],
  ["d/secret", SECRET],
  ["secret", SECRET],
];

/** Returns what a request tells: its answer, and its bytes as text. */
async function told(ask: (tell: (frame: Frame) => void) => unknown): Promise<string> {
  const pieces: Buffer[] = [];
  const answer = await ask((frame) => {
    if ("base64" in frame) pieces.push(Buffer.from(frame.base64, "base64"));
  });
  return `${JSON.stringify(answer)} ${Buffer.concat(pieces)}`;
}

let count = 0;

/** Makes all requests for a path. Returns what they tell. */
async function ask(path: string, change: "put" | "remove" | null): Promise<string> {
  const of = { workspace, path };
  const page = { recursive: true, after: "", limit: 100 };
  const id = `${++count}`;
  const answers = [
    await told((tell) => reading.piece({ do: "piece", ...of, from: 0, length: 1_000 }, tell)),
    await told(() => reading.list({ do: "list", ...of, ...page })),
    await told((tell) => reading.archive({ do: "archive", ...of, position: null }, tell)),
  ];
  if (change === "put") {
    const content = { base64: Buffer.from("of a caller").toString("base64") };
    answers.push(
      await told(() => writing.putFile({ do: "put", id, ...of, content, condition: {} })),
    );
  } else if (change === "remove") {
    answers.push(
      await told(() => writing.remove({ do: "remove", id, ...of, recursive: true, condition: {} })),
    );
  }
  return answers.join("\n");
}

describe.runIf(IS_LINUX)("the files of a container", () => {
  it("are those of the workspace, whatever links and paths there are", async () => {
    const name = fc.constantFrom("a", "b", "d", "secret", "ü", "..", ".", "", "a\0", "c\\..");
    const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => names.join("/"));
    const target = fc.oneof(
      path,
      fc.constantFrom(outside, `${outside}/secret`, "../outside", "../outside/d", "/", workspace),
      path.map((below) => `../outside/${below}`),
      path.map((below) => `${workspace}/../outside/${below}`),
    );
    const real = fc
      .array(fc.constantFrom("a", "b", "d", "ü"), { minLength: 1, maxLength: 3 })
      .map((names) => names.join("/"));
    const steps = fc.array(
      fc.oneof(
        fc.record({ link: real, to: target }),
        fc.record({ path, change: fc.constantFrom("put", "remove", null) }),
        fc.record({ path: real, change: fc.constantFrom("put", "remove", null) }),
        fc.record({
          path: path.map((below) => `a/${below}`),
          change: fc.constantFrom("put", "remove", null),
        }),
      ),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        begin();
        for (const step of all) {
          if ("path" in step) {
            const answers = await ask(step.path, step.change as "put" | "remove" | null);
            expect(answers).not.toContain(SECRET);
          } else makeLink(step.link, step.to);
          expect(outsideNow()).toEqual(UNTOUCHED);
        }
      }),
      { numRuns: 200 },
    );
  }, 60_000);

  it("are those of the workspace while a program changes links under a request", async () => {
    begin();
    mkdirSync(join(workspace, "real", "d"), { recursive: true });
    writeFileSync(join(workspace, "real", "secret"), "inside");
    const flipping = await flip();
    try {
      const until = Date.now() + 1_000;
      let answered = 0;
      while (Date.now() < until) {
        for (const path of ["flip/secret", "flip/d/new", "flip", "flip/d/new/er"]) {
          const change = path === "flip/d/new" ? "put" : path === "flip/d/new/er" ? "remove" : null;
          expect(await ask(path, change)).not.toContain(SECRET);
          answered += 1;
        }
      }
      expect([answered > 5, flipping.exitCode]).toEqual([true, null]);
      expect(outsideNow()).toEqual(UNTOUCHED);
    } finally {
      flipping.kill("SIGKILL");
    }
  }, 30_000);

  it("are removed in one step, and an upload leaves nothing", async () => {
    begin();
    mkdirSync(join(workspace, "tree", "deep"), { recursive: true });
    writeFileSync(join(workspace, "tree", "deep", "file"), "x");
    const inbox = join(base, "home", "inbox");
    writeFileSync(join(inbox, "one"), "one ");
    writeFileSync(join(inbox, "two"), "two");
    const written = await writing.putFile({
      ...{ do: "put", id: "uploaded", workspace, path: "new/file", condition: {} },
      content: { files: ["inbox/one", "inbox/two"] },
    });
    expect(written).toMatchObject({ created: true, size: 7 });
    expect(readFileSync(join(workspace, "new", "file"), "utf8")).toBe("one two");
    const again = await writing.putFile({
      ...{ do: "put", id: "uploaded", workspace, path: "new/file", condition: {} },
      content: { files: ["inbox/one", "inbox/two"] },
    });
    expect(again).toEqual(written);
    const remove = { do: "remove", id: "tree", workspace, path: "tree", condition: {} } as const;
    expect(await writing.remove({ ...remove, recursive: true })).toEqual({ type: "directory" });
    expect(existsSync(join(workspace, "tree"))).toBe(false);
    expect(readdirSync(inbox)).toEqual([]);
    const foreign = { files: ["../machine"] };
    await expect(
      writing.putFile({
        ...{ do: "put", id: "foreign", workspace, path: "x", content: foreign, condition: {} },
      }),
    ).rejects.toThrow("no upload");
  });

  it("are listed though a directory has gone", async () => {
    begin();
    const page = await reading.list({
      ...{ do: "list", workspace, path: "", recursive: true, after: "z/z", limit: 9 },
    });
    expect(isRefusal(page) || page.entries).toEqual([]);
  });
});

/** Makes a link, with the directories above it, if there is nothing yet. */
function makeLink(path: string, target: string): void {
  const place = join(workspace, path);
  try {
    // Otherwise the test would make it outside.
    let above = dirname(place);
    while (!existsSync(above)) above = dirname(above);
    if (realpathSync(above) !== join(realpathSync(base), relative(base, above))) return;
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(target.replaceAll("\0", ""), place);
  } catch {
    // There is something already, or the directories lead elsewhere.
  }
}

/** Starts a program that makes `flip` a directory of the workspace and a link out of it, in turns. */
async function flip(): Promise<ChildProcess> {
  const script = `
    const { renameSync, symlinkSync, rmSync } = require("node:fs");
    process.chdir(${JSON.stringify(workspace)});
    symlinkSync(${JSON.stringify(outside)}, "out");
    console.log("on");
    for (;;) {
      try {
        renameSync("out", "flip");
        renameSync("flip", "out");
        renameSync("real", "flip");
        renameSync("flip", "real");
      } catch {
        // A request has made the directory meanwhile.
        try {
          rmSync("flip", { recursive: true, force: true });
        } catch {}
      }
    }`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  if (child.stdout) await once(child.stdout, "data");
  return child;
}
