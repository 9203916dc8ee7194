import { env } from "cloudflare:workers";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { type Entry, writeIndex } from "../container/archive-format";
import { ArchiveWriter } from "../container/archive-writer";
import { etagOf, isRefusal, type PageOfFiles } from "../container/file-facts";
import { compareNames, comparePaths } from "../container/walk";
import { aContainerSandbox, HAS_CONTAINERS } from "../testing/containers";
import { beginSave, completeSave, objectsBelow } from "./archive";
import { aCommand } from "./contract";
import { archiveAt, bytesOf, contentAt, granted, streamOf } from "./contract-files";
import { embedded } from "./embedded";
import { archiveOf, contentOf, type WorkspaceFiles, type WorkspaceReader } from "./files";
import { savedFiles } from "./saved-files";
import { readEntries } from "./tar";

vi.setConfig({ testTimeout: 60_000 });

const ALL: PageOfFiles = { recursive: true, after: "", limit: 10_000 };
const workspace = "/workspace";
const newKey = () => `workspaces/sess_${crypto.randomUUID().replaceAll("-", "")}/1`;
const anEmbedded = () => embedded(env.EMBEDDED_SANDBOXES, crypto.randomUUID(), { workspace });

/** Returns everything that can be read of a workspace. */
async function everythingIn(files: WorkspaceReader) {
  const { entries } = granted(await files.list("", ALL));
  const contents: Record<string, string> = {};
  for (const { path, type } of entries) {
    if (type !== "file") continue;
    const { stat } = granted(await files.read(path, { from: 0, length: 0 }));
    const bytes = await bytesOf(contentOf(files, path, { stat, from: 0, end: stat.size }));
    contents[path] = new TextDecoder().decode(bytes);
  }
  const archive = await bytesOf(archiveOf(files, "", granted(await files.archive("", null))));
  return { entries, contents, archive: [...readEntries(archive)] };
}

describe("the files of a saved workspace", () => {
  it("are those of the workspace, in the same order, and lead nowhere else", async () => {
    const name = fc.constantFrom(
      "a",
      "b",
      "a-b",
      "a.b",
      "ü",
      "世 界",
      "\u{1f389}",
      "\uffee",
      "z\\y",
    );
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
    const trees = fc.array(
      fc.oneof(
        fc.record({ file: path, text: fc.string({ maxLength: 9 }) }),
        fc.record({ link: path, to: fc.oneof(path, fc.constantFrom("..", "/etc", "../../x")) }),
      ),
      { minLength: 1, maxLength: 9 },
    );
    const toRoot = [
      { file: "ü/a", text: "" },
      { link: "ü/root", to: ".." },
    ];
    await fc.assert(
      fc.asyncProperty(trees, async (tree) => {
        const sandbox = anEmbedded();
        const files = sandbox.files as WorkspaceFiles;
        for (const one of tree) {
          if ("file" in one) await files.put(one.file, streamOf(one.text), {});
          else await sandbox.run(aCommand(`ln -s "$T" "$L"`, { env: { T: one.to, L: one.link } }));
        }
        const key = newKey();
        await sandbox.snapshot?.(key);
        const saved = savedFiles(env.SNAPSHOTS, key, workspace);
        const live = await everythingIn(files);
        expect(await everythingIn(saved)).toEqual(live);
        expect(live.entries.map(({ path }) => path)).toEqual(
          live.entries.map(({ path }) => path).sort(comparePaths),
        );
        for (const one of tree) {
          const asked = "file" in one ? one.file : one.link;
          const answers = await Promise.all(
            [files, saved].map(async (from) => {
              const found = await from.read(asked, { from: 0, length: 99 });
              return isRefusal(found) ? found.problem : new TextDecoder().decode(found.bytes);
            }),
          );
          expect(answers[1], asked).toBe(answers[0]);
        }
        await sandbox.destroy();
      }),
      { numRuns: 15, examples: [[toRoot]] },
    );
  });

  it("are listed in pages that go on where the last one ended", async () => {
    const sandbox = anEmbedded();
    await sandbox.run(aCommand("mkdir -p d/e f; touch a d/1 d/2 d/e/3 f/4 g"));
    const key = newKey();
    await sandbox.snapshot?.(key);
    const saved = savedFiles(env.SNAPSHOTS, key, workspace);
    for (const [directory, recursive, expected] of [
      ["", true, "a d d/1 d/2 d/e d/e/3 f f/4 g"],
      ["", false, "a d f g"],
      ["d", true, "d/1 d/2 d/e d/e/3"],
      ["d", false, "d/1 d/2 d/e"],
    ] as const) {
      const paths: string[] = [];
      for (let after: string | null = ""; after !== null; ) {
        const page: Awaited<ReturnType<typeof saved.list>> = await saved.list(directory, {
          ...{ recursive, after, limit: 2 },
        });
        paths.push(...granted(page).entries.map(({ path }) => path));
        after = granted(page).next;
      }
      expect(paths.join(" ")).toBe(expected);
    }
    expect(await saved.list("a", ALL)).toMatchObject({ problem: "not_a_directory" });
    expect(await saved.archive("none", null)).toMatchObject({ problem: "not_found" });
    expect(await saved.read("d", { from: 0, length: 1 })).toMatchObject({ problem: "not_a_file" });
  });

  it("are refused if the index leads out of the workspace, or out of its packs", async () => {
    const facts = { mode: 0o644, mtimeMs: 0 };
    const file = { ...facts, kind: "file", size: 3 } as const;
    const saveOf = async (entries: Entry[]) => {
      const key = newKey();
      const begun = await beginSave(env.SNAPSHOTS, key, null);
      const objects = objectsBelow(env.SNAPSHOTS, begun.prefix);
      const index = writeIndex({ packs: [], entries });
      const bytes = gzipSync(new TextEncoder().encode(index), { level: 1 });
      const digest = await crypto.subtle.digest("SHA-256", bytes);
      const name = [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
      await objects.put(name, bytes);
      await completeSave(env.SNAPSHOTS, key, begun, { index: name, packs: [], sizeBytes: 0 });
      return savedFiles(env.SNAPSHOTS, key, workspace);
    };
    const hostile = ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "a\0b"];
    for (const path of hostile) {
      const saved = await saveOf([{ ...file, path, chunks: [] }]);
      const refused = { transient: false, message: expect.stringContaining("invalid path") };
      await expect(saved.list("", ALL), path).rejects.toMatchObject(refused);
      await expect(saved.archive("", null), path).rejects.toMatchObject(refused);
    }
    const saved = await saveOf([{ ...file, path: "f", chunks: [[7, 0, 3, "x"]] }]);
    await expect(saved.read("f", { from: 0, length: 3 })).rejects.toThrow("has no pack");
  });

  it("whose index is larger than can be held are not read", async () => {
    const key = newKey();
    const begun = await beginSave(env.SNAPSHOTS, key, null);
    const writer = new ArchiveWriter(objectsBelow(env.SNAPSHOTS, begun.prefix), (bytes) =>
      gzipSync(bytes, { level: 1 }),
    );
    const long = "x".repeat(200);
    const entries = Array.from({ length: 170_000 }, (_, n): Entry => {
      return { path: `${n}${long}`, mode: 0, mtimeMs: 0, kind: "directory" };
    });
    const { saved } = await writer.finish(entries);
    await completeSave(env.SNAPSHOTS, key, begun, saved);
    await expect(savedFiles(env.SNAPSHOTS, key, workspace).list("", ALL)).rejects.toMatchObject({
      name: "SandboxError",
    });
  });
});

describe("the order of names", () => {
  it("is that of their bytes", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(name, name, (one, other) => {
        const [a, b] = [one, other].map((text) => Buffer.from(text.toWellFormed()));
        expect(Math.sign(compareNames(one.toWellFormed(), other.toWellFormed()))).toBe(
          Buffer.compare(a as never, b as never),
        );
      }),
    );
  });
});

describe.runIf(HAS_CONTAINERS)("the files of a container", () => {
  let made: Awaited<ReturnType<typeof aContainerSandbox>>;
  let files: WorkspaceFiles;
  beforeAll(async () => {
    made = await aContainerSandbox();
    await made.sandbox.start?.();
    files = made.sandbox.files as WorkspaceFiles;
  });

  it("have the same ETags when they are saved, and restored", async () => {
    const { sandbox } = made;
    await sandbox.run(
      aCommand(
        "mkdir d; echo one > d/1; head -c 3000000 /dev/urandom > d/big; ln d/1 hard; ln -s d/1 soft; mkfifo pipe; touch -d '2001-02-03 04:05:06.123456789' old",
      ),
    );
    granted(await files.put("put", streamOf("x"), {}));
    const etags = async (from: WorkspaceReader) => {
      const { entries } = granted(await from.list("", ALL));
      return entries.map((entry) => [entry.path, entry.type, entry.mode, etagOf(entry)]);
    };
    const live = await etags(files);
    const key = newKey();
    await sandbox.snapshot?.(key);
    const saved = savedFiles(env.SNAPSHOTS, key, made.workspace);
    expect(await etags(saved)).toEqual(live);
    expect(await contentAt(saved as WorkspaceFiles, "d/big")).toEqual(
      await contentAt(files, "d/big"),
    );
    expect(new TextDecoder().decode(await contentAt(saved as WorkspaceFiles, "hard"))).toBe(
      "one\n",
    );
    expect(await archiveAt(saved as WorkspaceFiles)).toEqual(await archiveAt(files));
    await sandbox.restore?.(key);
    expect(await etags(files)).toEqual(live);
  });
});
