import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { type IFileSystem, InMemoryFs } from "just-bash/browser";
import { describe, expect, it } from "vitest";
import { SqliteFs } from "./sqlite-fs";

type Options = ConstructorParameters<typeof SqliteFs>[1];

/** Runs a test on an empty disk of its own. */
async function onDisk(
  test: (disk: SqliteFs, storage: DurableObjectStorage) => Promise<void>,
  options?: Options,
): Promise<void> {
  const object = env.EMBEDDED_SANDBOXES.getByName(crypto.randomUUID());
  await runInDurableObject(object, async (_, { storage }) => {
    SqliteFs.format(storage.sql, [{ path: "/null", kind: "device", mode: 0o666 }]);
    await test(new SqliteFs(storage, options), storage);
  });
}

const count = (storage: DurableObjectStorage, table: "files" | "chunks") =>
  storage.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n;

const noise = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7919) >> 3);

describe("content", () => {
  it.each([0, 1, 512 * 1024, 512 * 1024 + 1, 3_000_000])(
    "of %i bytes is read as it was written",
    (size) =>
      onDisk(async (disk) => {
        await disk.writeFile("/file", noise(size));
        const back = await disk.readFileBuffer("/file");
        expect(back.length).toBe(size);
        expect(noise(size).every((byte, i) => back[i] === byte)).toBe(true);
        expect((await disk.stat("/file")).size).toBe(size);
      }),
  );

  it("is text in UTF-8, or one byte a character", () =>
    onDisk(async (disk) => {
      await disk.writeFile("/text", "\uFEFFné🎉");
      expect(await disk.readFile("/text")).toBe("\uFEFFné🎉");
      const bytes = String.fromCharCode(...Array(256).keys());
      await disk.writeFile("/bytes", bytes, "binary");
      expect(await disk.readFile("/bytes", "latin1")).toBe(bytes);
      expect(await disk.readFileBytes("/bytes")).toBe(bytes);
      expect((await disk.stat("/bytes")).size).toBe(256);
    }));

  it("that shrinks leaves no old pieces behind", () =>
    onDisk(async (disk, storage) => {
      await disk.writeFile("/file", noise(2_000_000));
      await disk.writeFile("/file", "short");
      expect(await disk.readFile("/file")).toBe("short");
      expect(count(storage, "chunks")).toBe(1);
    }));

  it("grows by appending, in few pieces however small the steps", () =>
    onDisk(async (disk, storage) => {
      let expected = "";
      for (let i = 0; i < 2000; i++) {
        const line = `line ${i} ${"x".repeat(i % 60)}\n`;
        expected += line;
        await disk.appendFile("/log", line);
      }
      await disk.appendFile("/log", noise(600_000));
      const back = await disk.readFileBuffer("/log");
      expect(new TextDecoder().decode(back.subarray(0, expected.length))).toBe(expected);
      expect(back.length).toBe(expected.length + 600_000);
      expect(count(storage, "chunks")).toBeLessThan(8);
    }));

  it("of a device is nothing, whatever is written", () =>
    onDisk(async (disk) => {
      await disk.writeFile("/null", "lost");
      await disk.appendFile("/null", "lost too");
      expect(await disk.readFile("/null")).toBe("");
    }));
});

describe("bounds", () => {
  it("refuse a file that is too large, and keep what was there", () =>
    onDisk(
      async (disk) => {
        await disk.writeFile("/file", "0123456789");
        await expect(disk.writeFile("/file", noise(11))).rejects.toThrow(/^EFBIG.* 10 bytes/);
        await expect(disk.appendFile("/file", "x")).rejects.toThrow(/^EFBIG/);
        expect(await disk.readFile("/file")).toBe("0123456789");
      },
      { maxFileBytes: 10 },
    ));

  it("refuse what no longer fits on the disk, until something is removed", () =>
    onDisk(
      async (disk) => {
        await disk.mkdir("/dir");
        for (const name of ["a", "b", "c"]) await disk.writeFile(`/dir/${name}`, noise(250_000));
        await expect(disk.writeFile("/d", noise(300_000))).rejects.toThrow(
          /^ENOSPC.*1000000 bytes/,
        );
        await expect(disk.cp("/dir", "/copy", { recursive: true })).rejects.toThrow(/^ENOSPC/);
        expect(await disk.readdir("/")).toEqual(["dir", "null"]);
        await disk.rm("/dir/a");
        await disk.writeFile("/d", noise(300_000));
      },
      { maxBytes: 1_000_000 },
    ));

  it("count names as well as content", () =>
    onDisk(
      async (disk) => {
        const flood = async () => {
          for (let i = 0; ; i++) await disk.mkdir(`/${"long".repeat(50)}${i}`);
        };
        await expect(flood()).rejects.toThrow(/^ENOSPC/);
      },
      { maxBytes: 200_000 },
    ));
});

describe("the tree", () => {
  it("removes a directory's content with it, and nothing that only begins alike", () =>
    onDisk(async (disk, storage) => {
      await disk.mkdir("/a/b/c", { recursive: true });
      await disk.writeFile("/a/b/c/file", "x");
      for (const path of ["/a-", "/a.txt", "/a0", "/A"]) await disk.writeFile(path, "kept");
      await expect(disk.rm("/a")).rejects.toThrow(/^ENOTEMPTY/);
      await disk.rm("/a", { recursive: true });
      expect(await disk.readdir("/")).toEqual(["A", "a-", "a.txt", "a0", "null"]);
      expect(count(storage, "chunks")).toBe(4);
    }));

  it("moves a directory without touching its content", () =>
    onDisk(async (disk, storage) => {
      await disk.mkdir("/a/🎉", { recursive: true });
      await disk.writeFile("/a/🎉/file", noise(1_000_000));
      await disk.mkdir("/to");
      const before = storage.sql.exec("SELECT file, at FROM chunks").toArray();
      await disk.mv("/a", "/to/a%_");
      expect(storage.sql.exec("SELECT file, at FROM chunks").toArray()).toEqual(before);
      expect(disk.getAllPaths()).toEqual([
        "/",
        "/null",
        "/to",
        "/to/a%_",
        "/to/a%_/🎉",
        "/to/a%_/🎉/file",
      ]);
      expect(await disk.readdir("/to/a%_")).toEqual(["🎉"]);
    }));

  it("copies content that is then apart from the original", () =>
    onDisk(async (disk) => {
      await disk.mkdir("/a/b", { recursive: true });
      await disk.writeFile("/a/b/file", noise(1_000_000));
      await disk.chmod("/a/b/file", 0o755);
      await disk.cp("/a", "/copy", { recursive: true });
      await disk.writeFile("/a/b/file", "changed");
      expect((await disk.readFileBuffer("/copy/b/file")).length).toBe(1_000_000);
      expect((await disk.stat("/copy/b/file")).mode).toBe(0o755);
    }));

  it.each<[string, RegExp, (disk: SqliteFs) => Promise<unknown>]>([
    ["writing where there is no directory", /^ENOENT/, (disk) => disk.writeFile("/no/file", "")],
    ["writing below a file", /^ENOTDIR/, (disk) => disk.writeFile("/file/below", "")],
    ["writing over a directory", /^EISDIR/, (disk) => disk.writeFile("/dir", "")],
    ["reading a directory", /^EISDIR/, (disk) => disk.readFile("/dir")],
    ["reading what is not there", /^ENOENT/, (disk) => disk.readFile("/no")],
    ["listing a file", /^ENOTDIR/, (disk) => disk.readdir("/file")],
    ["making what is there", /^EEXIST/, (disk) => disk.mkdir("/dir")],
    ["making a directory of a file", /^EEXIST/, (disk) => disk.mkdir("/file", { recursive: true })],
    ["making below a file", /^EEXIST/, (disk) => disk.mkdir("/file/a/b", { recursive: true })],
    ["making below nothing", /^ENOENT/, (disk) => disk.mkdir("/no/dir")],
    ["removing what is not there", /^ENOENT/, (disk) => disk.rm("/no")],
    ["removing the root", /^EINVAL/, (disk) => disk.rm("/", { recursive: true })],
    ["moving into itself", /^EINVAL/, (disk) => disk.mv("/dir", "/dir/dir")],
    ["moving a file over a directory", /^EISDIR/, (disk) => disk.mv("/file", "/dir")],
    ["moving a directory over a file", /^ENOTDIR/, (disk) => disk.mv("/dir", "/file")],
    ["moving over a full directory", /^ENOTEMPTY/, (disk) => disk.mv("/dir", "/full")],
    ["copying a directory as a file", /^EISDIR/, (disk) => disk.cp("/dir", "/copy")],
    ["copying into itself", /^EINVAL/, (disk) => disk.cp("/dir", "/dir/a", { recursive: true })],
    ["a hard link", /^EOPNOTSUPP/, (disk) => disk.link("/file", "/link")],
    [
      "a path too long",
      /^ENAMETOOLONG/,
      (disk) => disk.mkdir("/a".repeat(3000), { recursive: true }),
    ],
    ["a path with a null byte", /^EINVAL/, (disk) => disk.writeFile("/a\0b", "")],
  ])("refuses %s and changes nothing", (_, error, act) =>
    onDisk(async (disk) => {
      await disk.writeFile("/file", "x");
      await disk.mkdir("/dir");
      await disk.mkdir("/full/of", { recursive: true });
      const before = disk.getAllPaths();
      await expect(act(disk)).rejects.toThrow(error);
      expect(disk.getAllPaths()).toEqual(before);
    }),
  );

  it("keeps modes and times", () =>
    onDisk(async (disk) => {
      await disk.writeFile("/file", "x");
      await disk.chmod("/file", 0o700);
      await disk.writeFile("/file", "y");
      await disk.utimes("/file", new Date(), new Date("2001-02-03T04:05:06Z"));
      expect(await disk.stat("/file")).toMatchObject({
        mode: 0o700,
        size: 1,
        mtime: new Date("2001-02-03T04:05:06Z"),
        isFile: true,
      });
    }));
});

describe("symbolic links", () => {
  const withLinks = (test: (disk: SqliteFs) => Promise<void>) =>
    onDisk(async (disk) => {
      await disk.mkdir("/real/deep", { recursive: true });
      await disk.writeFile("/real/file", "content");
      await disk.symlink("real", "/dir");
      await disk.symlink("../file", "/real/deep/up");
      await disk.symlink("/dir/deep/up", "/far");
      await disk.symlink("/dir/file", "/real/deep/absolute");
      await disk.symlink("nowhere", "/broken");
      await disk.symlink("loop", "/loop");
      await test(disk);
    });

  it.each([
    ["/dir", "/real"],
    ["/dir/file", "/real/file"],
    ["/dir/deep/up", "/real/file"],
    ["/far", "/real/file"],
    ["/dir/deep/absolute", "/real/file"],
  ])("%s leads to %s", (path, end) =>
    withLinks(async (disk) => {
      expect(await disk.realpath(path)).toBe(end);
    }),
  );

  it("are followed by reading, writing and listing", () =>
    withLinks(async (disk) => {
      await disk.appendFile("/far", " and more");
      await disk.writeFile("/dir/new", "through");
      await disk.writeFile("/broken", "made");
      await disk.chmod("/far", 0o600);
      expect(await disk.readFile("/real/file")).toBe("content and more");
      expect(await disk.readdir("/dir")).toEqual(["deep", "file", "new"]);
      expect(await disk.readFile("/nowhere")).toBe("made");
      expect((await disk.lstat("/real/file")).mode).toBe(0o600);
    }));

  it("are themselves what is looked at, moved and removed", () =>
    withLinks(async (disk) => {
      expect(await disk.lstat("/far")).toMatchObject({ isSymbolicLink: true, size: 12 });
      expect(await disk.readlink("/far")).toBe("/dir/deep/up");
      await disk.mv("/dir", "/moved");
      await disk.rm("/moved", { recursive: true });
      expect(await disk.exists("/real/file")).toBe(true);
      expect(await disk.exists("/far")).toBe(false);
    }));

  it("are copied as links in a tree, and as content alone", () =>
    withLinks(async (disk) => {
      await disk.cp("/far", "/alone");
      await disk.cp("/real", "/tree", { recursive: true });
      expect((await disk.lstat("/alone")).isFile).toBe(true);
      expect(await disk.readlink("/tree/deep/up")).toBe("../file");
    }));

  it("in a circle are an error and do not exist", () =>
    withLinks(async (disk) => {
      await expect(disk.readFile("/loop")).rejects.toThrow(/^ELOOP/);
      await expect(disk.stat("/broken")).rejects.toThrow(/^ENOENT/);
      await expect(disk.readlink("/real/file")).rejects.toThrow(/^EINVAL/);
      await expect(disk.symlink("x", "/loop")).rejects.toThrow(/^EEXIST/);
      expect(await disk.exists("/loop")).toBe(false);
      expect((await disk.lstat("/loop")).isSymbolicLink).toBe(true);
    }));
});

describe("many operations", () => {
  it("let timers run between them", () =>
    onDisk(async (disk) => {
      let ticks = 0;
      const timer = setInterval(() => ticks++, 0);
      for (let i = 0; i < 1000; i++) await disk.exists("/null");
      clearInterval(timer);
      expect(ticks).toBeGreaterThan(5);
    }));

  it("come to the same as in just-bash's own file system", { timeout: 20_000 }, () =>
    onDisk(async (disk, { sql }) => {
      await fc.assert(
        fc.asyncProperty(manyOperations, async (operations) => {
          sql.exec("DELETE FROM files WHERE path <> '/'");
          const memory = new InMemoryFs();
          for (const operation of operations) {
            const outcomes = [
              await succeeds(() => apply(operation, disk)),
              await succeeds(() => assertPossible(operation, memory)),
            ];
            expect(outcomes[0], JSON.stringify(operation)).toBe(outcomes[1]);
            if (outcomes[1]) await apply(operation, memory);
          }
          expect(await contentOf(disk)).toEqual(await contentOf(memory));
        }),
        { numRuns: 100 },
      );
    }),
  );
});

type Operation =
  | { do: "write" | "append"; path: string; text: string }
  | { do: "mkdir"; path: string; recursive: boolean }
  | { do: "rm"; path: string; recursive: boolean; force: boolean }
  | { do: "mv"; path: string; to: string }
  | { do: "cp"; path: string; to: string; recursive: boolean };

const aPath = fc
  .array(fc.constantFrom("a", "a-"), { minLength: 1, maxLength: 3 })
  .map((names) => `/${names.join("/")}`);
const path = aPath;
const to = aPath;
const recursive = fc.boolean();

const anOperation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ do: fc.constantFrom("write", "append"), path, text: fc.string({ maxLength: 5 }) }),
  fc.record({ do: fc.constant("mkdir"), path, recursive }),
  fc.record({ do: fc.constant("rm"), path, recursive, force: fc.boolean() }),
  fc.record({ do: fc.constant("mv"), path, to }),
  fc.record({ do: fc.constant("cp"), path, to, recursive }),
);

const manyOperations = fc.array(anOperation, { minLength: 10, maxLength: 60, size: "max" });

async function apply(operation: Operation, fs: IFileSystem): Promise<void> {
  switch (operation.do) {
    case "write":
      return fs.writeFile(operation.path, operation.text);
    case "append":
      return fs.appendFile(operation.path, operation.text);
    case "mkdir":
      return fs.mkdir(operation.path, operation);
    case "rm":
      return fs.rm(operation.path, operation);
    case "mv":
      return fs.mv(operation.path, operation.to);
    case "cp":
      return fs.cp(operation.path, operation.to, operation);
  }
}

/** What POSIX asks for before an operation; just-bash's own file system checks less of it. */
async function assertPossible(operation: Operation, fs: InMemoryFs): Promise<void> {
  const kindOf = async (path: string) =>
    (await fs.exists(path)) ? ((await fs.stat(path)).isFile ? "file" : "directory") : "nothing";
  const below = (path: string) => fs.getAllPaths().filter((other) => other.startsWith(`${path}/`));
  const above = (path: string) => path.slice(0, path.lastIndexOf("/")) || "/";
  const must = (condition: boolean) => {
    if (!condition) throw new Error("not possible");
  };
  const kind = await kindOf(operation.path);
  const inDirectory = async (path: string) => must((await kindOf(above(path))) === "directory");

  switch (operation.do) {
    case "write":
    case "append":
      await inDirectory(operation.path);
      return must(kind !== "directory");
    case "mkdir":
      if (!operation.recursive) {
        await inDirectory(operation.path);
        return must(kind === "nothing");
      }
      for (let path = operation.path; path !== "/"; path = above(path)) {
        must((await kindOf(path)) !== "file");
      }
      return;
    case "rm":
      must(kind !== "nothing" || operation.force);
      return must(operation.recursive || below(operation.path).length === 0);
    case "mv":
    case "cp": {
      must(kind !== "nothing");
      await inDirectory(operation.to);
      const target = await kindOf(operation.to);
      if (operation.do === "mv" && operation.path === operation.to) return;
      must(!`${operation.to}/`.startsWith(`${operation.path}/`));
      must(target === "nothing" || target === kind);
      if (operation.do === "mv") return must(below(operation.to).length === 0);
      must(kind === "file" || operation.recursive);
      for (const path of below(operation.path)) {
        const taken = await kindOf(operation.to + path.slice(operation.path.length));
        must(taken === "nothing" || taken === (await kindOf(path)));
      }
    }
  }
}

async function succeeds(act: () => Promise<void>): Promise<boolean> {
  return act().then(
    () => true,
    () => false,
  );
}

async function contentOf(fs: IFileSystem): Promise<Record<string, string[] | string>> {
  const content: Record<string, string[] | string> = {};
  for (const path of fs.getAllPaths()) {
    const { isDirectory } = await fs.stat(path);
    content[path] = isDirectory ? await fs.readdir(path) : await fs.readFile(path);
  }
  return content;
}
