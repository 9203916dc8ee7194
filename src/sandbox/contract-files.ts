import { describe, expect, it } from "vitest";
import {
  archiveOf,
  type Condition,
  contentOf,
  type FilePage,
  type FileRefusal,
  isRefusal,
  PIECE_BYTES,
  type WorkspaceFiles,
} from "./files";
import { readEntries } from "./tar";

const utf8 = new TextEncoder();

/** Returns a stream of these bytes or of this text. */
export const streamOf = (content: Uint8Array<ArrayBuffer> | string): ReadableStream<Uint8Array> =>
  new Blob([content]).stream();

/** Returns the value of an answer; throws for a refusal. */
export function granted<T extends object>(answer: T | FileRefusal): T {
  if (isRefusal(answer)) throw new Error(`${answer.problem}: ${answer.message}`);
  return answer as T;
}

/** Returns all bytes of a stream. */
export const bytesOf = async (stream: ReadableStream<Uint8Array>): Promise<Uint8Array> =>
  new Uint8Array(await new Response(stream).arrayBuffer());

/** Returns the content of a file. */
export async function contentAt(files: WorkspaceFiles, path: string): Promise<Uint8Array> {
  const { stat, bytes } = granted(await files.read(path, { from: 0, length: PIECE_BYTES }));
  return bytesOf(contentOf(files, path, { stat, from: 0, end: stat.size, first: bytes }));
}

/** Returns an archive of a directory, whole. */
export const archiveAt = async (files: WorkspaceFiles, path = ""): Promise<Uint8Array> =>
  bytesOf(archiveOf(files, path, granted(await files.archive(path, null))));

/** A sandbox under test, with a command for its shell. */
export interface FilesUnderTest {
  files: WorkspaceFiles;
  run(command: string): Promise<string>;
}

/**
 * Defines the tests of the files of a workspace, which every provider must pass. `itself` defines those of what no
 * vendor's way to the runner can change.
 */
export function testFiles(
  of: () => FilesUnderTest,
  itself: (title: string, test: () => Promise<void>) => void,
): void {
  const put = async (path: string, content: string, condition: Condition = {}) =>
    of().files.put(path, streamOf(content), condition);
  const text = async (path: string) => new TextDecoder().decode(await contentAt(of().files, path));
  const look = (path: string) => of().files.read(path, { from: 0, length: 0 });
  const problem = async (asked: Promise<object>) => {
    const answer = await asked;
    return isRefusal(answer) ? answer.problem : "none";
  };
  const remove = (path: string, recursive = false, condition: Condition = {}) =>
    of().files.remove(path, { recursive, condition });

  describe("files of the workspace", () => {
    itself("are written with their directories, read, replaced and removed", async () => {
      const { files, run } = of();
      const made = granted(await put("put/deep/a b.txt", "one"));
      expect(made).toMatchObject({
        created: true,
        size: 3,
        etag: expect.stringMatching(/^"\S+"$/),
      });
      expect(await run("cat 'put/deep/a b.txt'; ls -A put/deep")).toBe("onea b.txt\n");
      const replaced = granted(await put("put/deep/a b.txt", "two"));
      expect(replaced).toMatchObject({ created: false });
      expect(replaced.etag).not.toBe(made.etag);
      expect(await text("put/deep/a b.txt")).toBe("two");
      expect(granted(await look("put/deep/a b.txt")).stat).toMatchObject({
        ...{ path: "put/deep/a b.txt", type: "file", size: 3, mode: 0o644, etag: replaced.etag },
      });
      expect(await problem(remove("put"))).toBe("not_a_file");
      expect(await remove("put/deep/a b.txt")).toEqual({ type: "file" });
      expect(await problem(remove("put/deep/a b.txt"))).toBe("not_found");
      expect(await remove("put", true)).toEqual({ type: "directory" });
      expect(await problem(files.list("put", PAGE))).toBe("not_found");
    });

    itself("keep their mode when they are replaced", async () => {
      await of().run("echo old > script; chmod 751 script");
      granted(await put("script", "new"));
      expect(granted(await look("script")).stat.mode).toBe(0o751);
    });

    itself("change if their condition holds at that moment, and of two the first", async () => {
      const { etag } = granted(await put("if.txt", "one", { ifNoneMatch: ["*"] }));
      expect(await problem(put("if.txt", "two", { ifNoneMatch: ["*"] }))).toBe(
        "precondition_failed",
      );
      expect(await problem(put("if.txt", "two", { ifMatch: ['"x"'] }))).toBe("precondition_failed");
      expect(await problem(put("none.txt", "two", { ifMatch: ["*"] }))).toBe("precondition_failed");
      const both = await Promise.all([
        problem(put("if.txt", "one of them", { ifMatch: [etag] })),
        problem(put("if.txt", "other of them", { ifMatch: ['"x"', etag] })),
      ]);
      expect(both.sort()).toEqual(["none", "precondition_failed"]);
      expect(await problem(remove("if.txt", false, { ifMatch: [etag] }))).toBe(
        "precondition_failed",
      );
      const { stat } = granted(await look("if.txt"));
      expect(await remove("if.txt", false, { ifMatch: [stat.etag] })).toEqual({ type: "file" });
    });

    itself("have another ETag after each change, however soon", async () => {
      const etags = new Set<string>();
      for (const content of ["a", "b", "c"]) {
        etags.add(granted(await put("soon", content)).etag);
        etags.add(granted(await look("soon")).stat.etag);
      }
      expect(etags.size).toBe(3);
    });

    itself("are read from any offset, and the end is no piece", async () => {
      const { files } = of();
      granted(await put("range", "0123456789"));
      const { stat, bytes } = granted(await files.read("range", { from: 4, length: 3 }));
      expect(new TextDecoder().decode(bytes).slice(0, 3)).toBe("456");
      const tail = contentOf(files, "range", { stat, from: 7, end: 9 });
      expect(new TextDecoder().decode(await bytesOf(tail))).toBe("78");
      expect(granted(await files.read("range", { from: 10, length: 5 })).bytes.length).toBe(0);
      granted(await put("empty", ""));
      expect(await text("empty")).toBe("");
    });

    itself("are listed in the order of their names, page by page, with what they are", async () => {
      const { files, run } = of();
      await run(
        "mkdir -p list/a list/a-b 'list/ü 世'; echo 12 > list/a/1; touch list/a.b list/z list/a-b/2; ln -s a list/link",
      );
      const all = granted(await files.list("list", { ...PAGE, recursive: true }));
      const expected = ["a", "a/1", "a-b", "a-b/2", "a.b", "link", "z", "ü 世"];
      expect(all.entries.map(({ path }) => path)).toEqual(expected.map((one) => `list/${one}`));
      expect(all.entries[1]).toMatchObject({ type: "file", size: 3 });
      expect(all.entries[2]).toMatchObject({ type: "directory", size: 0 });
      expect(all.entries[5]).toMatchObject({ type: "symlink", target: "a" });
      for (const recursive of [true, false]) {
        const paths: string[] = [];
        for (let after: string | null = ""; after !== null; ) {
          const page: FilePage = granted(await files.list("list", { recursive, after, limit: 3 }));
          paths.push(...page.entries.map(({ path }) => path));
          after = page.next;
        }
        const wanted = expected.filter((path) => recursive || !path.includes("/"));
        expect(paths).toEqual(wanted.map((one) => `list/${one}`));
      }
      expect(granted(await files.list("list/link", PAGE)).entries).toMatchObject([
        { path: "list/link/1" },
      ]);
      expect(await problem(files.list("list/z", PAGE))).toBe("not_a_directory");
      expect(await problem(files.list("list/none", PAGE))).toBe("not_found");
    });

    itself("are archived as tar, with names below the directory", async () => {
      const { files, run } = of();
      await run("mkdir -p 'tar/d/ü'; echo one > tar/d/ü/1; ln -s ../x tar/d/link; touch tar/d/e");
      const entries = [...readEntries(await archiveAt(files, "tar"))];
      expect(entries).toMatchObject([
        { path: "d", kind: "directory" },
        { path: "d/e", kind: "file" },
        { path: "d/link", kind: "symlink", target: "../x" },
        { path: "d/ü", kind: "directory" },
        { path: "d/ü/1", kind: "file", bytes: utf8.encode("one\n") },
      ]);
      expect(await problem(files.archive("tar/d/e", null))).toBe("not_a_directory");
      expect(await problem(files.archive("none", null))).toBe("not_found");
    });

    it("may be large: they come and go in pieces, and so does their archive", async () => {
      const { files, run } = of();
      const bytes = new Uint8Array(5 * 1024 ** 2 + 7);
      for (let at = 0; at < bytes.length; at += 1000) bytes[at] = at / 1000;
      const written = granted(await files.put("big/file", streamOf(bytes), {}));
      expect(written).toMatchObject({ created: true, size: bytes.length });
      expect(await run("cp big/file big/two; rm big/file; stat -c %s big/two")).toBe("5242887\n");
      const back = await contentAt(files, "big/two");
      expect(back.length === bytes.length && back.every((byte, n) => byte === bytes[n])).toBe(true);
      const [entry] = [...readEntries(await archiveAt(files, "big"))];
      expect(entry?.kind === "file" && entry.bytes.length).toBe(bytes.length);
      const first = granted(await files.archive("big", null));
      expect(first.bytes.length).toBeLessThan(3 * 1024 ** 2);
      await remove("big", true);
    }, 120_000);

    itself("that are interrupted leave the old content, and nothing else", async () => {
      const { files, run } = of();
      granted(await put("cut/file", "old"));
      const cut = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new Uint8Array(6 * 1024 ** 2)),
        pull: (controller) => controller.error(new Error("the client is gone")),
      });
      await expect(files.put("cut/file", cut, {})).rejects.toThrow();
      expect(await run("cat cut/file; ls -A cut")).toBe("oldfile\n");
    });

    itself("that are links lead to other files of the workspace, and no further", async () => {
      const { files, run } = of();
      const outside = `/tmp/outside-${crypto.randomUUID()}`;
      await run(
        `o=${outside}; mkdir -p $o ln/d; echo secret > $o/s; echo in > ln/d/f
         cd ln; ln -s d/f in; ln -s d din; ln -s $o out; ln -s $o/s outfile; ln -s nowhere dangling
         ln -s $o/new outnew; ln -s loop loop; ln -s ../.. up; ln -s .. root`,
      );
      expect(await text("ln/in")).toBe("in\n");
      expect(await text("ln/din/f")).toBe("in\n");
      granted(await put("ln/in", "through"));
      granted(await put("ln/din/g", "g"));
      expect(await run("cat ln/d/f ln/d/g; readlink ln/in")).toBe("throughgd/f\n");
      for (const path of ["ln/out/s", "ln/outfile", "ln/out", "ln/up"]) {
        expect([path, await problem(look(path))]).toEqual([path, "outside"]);
        expect([path, await problem(files.list(path, PAGE))]).toEqual([path, "outside"]);
        expect([path, await problem(files.archive(path, null))]).toEqual([path, "outside"]);
      }
      expect(await problem(look("ln/root"))).toBe("not_a_file");
      expect(await problem(put("ln/root", "!"))).not.toBe("none");
      for (const path of ["ln/out/s", "ln/out/new", "ln/out/n/ew", "ln/outfile", "ln/up/x"]) {
        expect([path, await problem(put(path, "!"))]).toEqual([path, "outside"]);
      }
      for (const path of ["ln/outnew", "ln/dangling", "ln/loop"]) {
        expect(await problem(put(path, "!"))).not.toBe("none");
        expect(await problem(look(path))).toMatch(/not_found|outside/);
      }
      expect(await problem(remove("ln/out/s"))).toBe("outside");
      expect(await remove("ln/outfile")).toEqual({ type: "symlink" });
      expect(await run(`cd ${outside}; cat s; ls -A`)).toBe("secret\ns\n");
      const names = [...readEntries(await archiveAt(files, "ln"))].map(({ path }) => path);
      expect(names).not.toContain("out/s");
      expect(await remove("ln", true)).toEqual({ type: "directory" });
      expect(await run(`cat ${outside}/s; rm -r ${outside}`)).toBe("secret\n");
    });

    itself("are no directories", async () => {
      granted(await put("dir/file", "x"));
      expect(await problem(put("dir", "x"))).toBe("not_a_file");
      expect(await problem(put("dir/file/below", "x"))).toBe("not_a_file");
      expect(await problem(look("dir"))).toBe("not_a_file");
      expect(await problem(look("dir/file/below"))).toBe("not_found");
    });
  });
}

const PAGE = { recursive: false, after: "", limit: 1_000 };
