import { env } from "cloudflare:workers";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type Entry,
  type Index,
  PACK_BYTES,
  type Pack,
  packsToReplace,
  readIndex,
  writeIndex,
} from "../container/archive-format";
import { ArchiveWriter, getPack, type ObjectStore } from "../container/archive-writer";
import { concat } from "../container/path-bytes";
import { aContainerSandbox, HAS_CONTAINERS, transfers } from "../testing/containers";
import { keysUnder } from "../testing/sessions";
import {
  abandonSave,
  beginSave,
  collectGarbage,
  completeParts,
  copyArchive,
  noteRemoval,
  partName,
} from "./archive";
import { aCommand } from "./contract";
import { embedded } from "./embedded";
import type { Sandbox } from "./sandbox";
import { TAR_END, writeEntry } from "./tar";

vi.setConfig({ testTimeout: 60_000 });
afterEach(() => vi.restoreAllMocks());

const DAY = 86_400_000;
const newKey = () => `workspaces/${crypto.randomUUID()}/1`;
const storeOf = (key: string) => key.split("/")[1] ?? "";
const objectsOf = (key: string) => keysUnder(`archives/${storeOf(key)}/objects/`);

async function aContainer(): Promise<Sandbox> {
  const { sandbox } = await aContainerSandbox();
  await sandbox.start?.();
  return sandbox;
}

const anEmbedded = (): Sandbox =>
  embedded(env.EMBEDDED_SANDBOXES, crypto.randomUUID(), { workspace: "/workspace" });

async function bash(sandbox: Sandbox, script: string): Promise<string> {
  const { stdout, stderr, exitCode } = await sandbox.run(aCommand(script));
  return exitCode === 0 ? stdout : `${stdout}${stderr}[${exitCode}]`;
}

/**
 * Describes a tree completely: kinds, modes, link targets, numbers of names, owners, sizes, times and contents. Two names
 * of one symbolic link, or pipe, are restored as two of them; of these, numbers of names are left out.
 */
async function look(sandbox: Sandbox): Promise<string> {
  const facts =
    "find . -mindepth 1 \\( -type f -o -type d \\) -printf '%P %y %m %n %U %G %T@\\n' -o -printf '%P %y %m %l %U %G %T@\\n' | LC_ALL=C sort | od -An -c";
  const sums = "find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum -b";
  const times = "find . -mindepth 1 -printf '%T@ %f\\n' | LC_ALL=C sort";
  const [listed, summed, timed] = await Promise.all([
    bash(sandbox, facts.replaceAll(" %T@", "")),
    bash(sandbox, sums),
    bash(sandbox, times),
  ]);
  // Times are kept in microseconds.
  return [listed, summed, timed.replace(/(\.\d{6})\d+/g, "$1")].join("\n");
}

const name = fc.constantFrom("a", "b c", "ü世", "$'\\xff\\xfe'", "-d", "$'new\\nline'", "d", "e");
const word = (text: string) => (text.startsWith("$") ? text : `'${text}'`);
const path = fc
  .array(name, { minLength: 1, maxLength: 3 })
  .map((names) => `./${names.map(word).join("/")}`);
const size = fc.constantFrom(0, 1, 4_095, 5_000, 100_000, 4 * 1024 ** 2, 9_000_000);
const time = fc.constantFrom("@0", "@-1.5", "@1700000000.123456789", "@4000000000", "yesterday");
const mode = fc.integer({ min: 0, max: 0o7777 }).map((bits) => bits.toString(8));

/** A change of a tree, which may fail. */
const change: fc.Arbitrary<string> = fc.oneof(
  path.map((at) => `mkdir -p -- ${at}`),
  fc
    .tuple(path, size, fc.nat(9))
    .map(
      ([at, bytes, seed]) =>
        `mkdir -p -- "$(dirname -- ${at})" && yes ${seed} | head -c ${bytes} > ${at}`,
    ),
  fc.tuple(path, size).map(([at, bytes]) => `head -c ${bytes} /dev/urandom >> ${at}`),
  fc.tuple(path, size).map(([at, bytes]) => `truncate -s +${bytes} -- ${at}; echo end >> ${at}`),
  fc.tuple(path, path).map(([target, at]) => `ln -s -- ${target} ${at}`),
  fc.tuple(path, path).map(([target, at]) => `ln -- ${target} ${at}`),
  path.map((at) => `mkfifo -- ${at}`),
  fc.tuple(mode, path).map(([bits, at]) => `chmod -- ${bits} ${at}`),
  fc.tuple(time, path).map(([at, on]) => `touch -h -d ${at} -- ${on}`),
  path.map((at) => `rm -rf -- ${at}`),
  fc.tuple(path, path).map(([from, to]) => `mv -- ${from} ${to}`),
);
const changes = fc.array(change, { minLength: 1, maxLength: 14 });
const scriptOf = (all: readonly string[]) =>
  [...all.map((one) => `(${one}) 2>/dev/null`), "true"].join("\n");

describe.runIf(HAS_CONTAINERS)("a saved workspace", () => {
  it("is restored as the same tree, whatever it contains, and however often it was saved", async () => {
    const [origin, copy] = [await aContainer(), await aContainer()];
    const store = crypto.randomUUID();
    let saves = 0;
    let base: string | null = null;
    const saved = fc.asyncProperty(changes, async (all) => {
      await bash(origin, scriptOf(all));
      const key: string = `workspaces/${store}/${++saves}`;
      await origin.snapshot?.(key, { base });
      base = key;
      await copy.restore?.(key);
      expect(await look(copy)).toBe(await look(origin));
    });
    await fc.assert(saved, { numRuns: 6 });
    await Promise.all([origin.destroy(), copy.destroy()]);
  }, 120_000);

  it("is restored by the other provider, without what that has not", async () => {
    const { sandbox: container, workspace } = await aContainerSandbox();
    const disk = anEmbedded();
    await container.start?.();
    const make =
      "mkdir -p d/ü; echo one > d/ü/f; ln d/ü/f same; ln -s d link; mkfifo p; chmod 751 d; truncate -s 5M zeros; head -c 9000000 /dev/urandom | base64 -w 0 | head -c 8000000 > large";
    await bash(container, make);
    const sums = "sha256sum d/*/f same zeros; stat -c %a d; readlink link";
    const before = await bash(container, sums);
    const key = newKey();
    await container.snapshot?.(key);
    await disk.restore?.(key);
    expect(await bash(disk, sums)).toBe(before);
    expect(await bash(disk, "ls")).toBe("d\nlarge\nlink\nsame\nzeros\n");
    const large = await disk.readFile("/workspace/large");
    expect(large).toEqual(await container.readFile(`${workspace}/large`));
    await bash(disk, "rm large; echo two > same");
    const next = newKey();
    await disk.snapshot?.(next);
    await container.restore?.(next);
    expect(await bash(container, "cat same d/*/f; ls")).toBe("two\none\nd\nlink\nsame\nzeros\n");
    await container.destroy();
  });

  it("keeps hard links, and holes of files", async () => {
    const [origin, copy] = [await aContainer(), await aContainer()];
    await bash(origin, "echo 1 > a; ln a b; truncate -s 200M holes; echo end >> holes");
    const key = newKey();
    await origin.snapshot?.(key);
    await copy.restore?.(key);
    const blocks = Number(await bash(copy, "stat -c %b holes"));
    expect(blocks).toBeLessThanOrEqual(Number(await bash(origin, "stat -c %b holes")) + 8);
    expect(await bash(copy, "echo 2 >> a; cat b; tail -c 4 holes")).toBe("1\n2\nend\n");
    await Promise.all([origin.destroy(), copy.destroy()]);
  });

  it("stores what has not changed once", async () => {
    const origin = await aContainer();
    const sent = countBytes();
    await bash(origin, "for n in $(seq 20); do head -c 1000000 /dev/urandom > f$n; done");
    const [first, second, third] = [newKey(), newKey(), newKey()];
    await origin.snapshot?.(first);
    expect(sent()).toBeGreaterThan(20_000_000);
    await bash(origin, "cp f1 copy; mv f2 moved; touch f3; echo more >> f4");
    await origin.snapshot?.(second, { base: first });
    expect(sent()).toBeLessThan(1_050_000);

    const other = await aContainer();
    await other.restore?.(second);
    await bash(other, "echo new > new");
    await other.snapshot?.(third, { base: second });
    expect(sent()).toBeLessThan(20_000);
    await Promise.all([origin.destroy(), other.destroy()]);
  });

  it("gives way to a command, and then goes on where it was", async () => {
    const origin = await aContainer();
    await bash(origin, "for n in $(seq 6); do head -c 9000000 /dev/urandom > f$n; done");
    const key = newKey();
    let command: Promise<string> | undefined;
    interrupt((n) => {
      if (n === 2) command = bash(origin, "echo ran");
      return undefined;
    }, 100);
    expect(await origin.snapshot?.(key, { mode: "yield" })).toBeNull();
    expect(await command).toBe("ran\n");
    expect(await keysUnder(key)).toEqual([]);
    const running = origin.run(aCommand("until [ -e go ]; do sleep 0.05; done"));
    await bash(origin, "true");
    expect(await origin.snapshot?.(key, { mode: "yield" })).toBeNull();
    await bash(origin, "touch go");
    await running;
    const before = (await objectsOf(key)).length;
    vi.restoreAllMocks();
    const sent = countBytes();
    expect(await origin.snapshot?.(key, { mode: "yield" })).not.toBeNull();
    expect(before).toBeGreaterThan(0);
    expect(sent()).toBeLessThan(55_000_000 - before * 9_000_000);
    await origin.destroy();
  });

  it("is saved while a command runs, if it must not wait", async () => {
    const origin = await aContainer();
    const running = origin.run(
      aCommand("echo one > f; touch begun; until [ -e go ]; do sleep 0.05; done"),
    );
    await bash(origin, "until [ -e begun ]; do sleep 0.05; done");
    const key = newKey();
    await origin.snapshot?.(key, { mode: "none" });
    await bash(origin, "touch go");
    await running;
    const copy = await aContainer();
    await copy.restore?.(key);
    expect(await bash(copy, "cat f; ls")).toBe("one\nbegun\nf\n");
    await Promise.all([origin.destroy(), copy.destroy()]);
  });

  it("is complete or does not exist, wherever its save or restore is interrupted", async () => {
    const origin = await aContainer();
    await bash(
      origin,
      "for n in $(seq 5); do head -c 6000000 /dev/urandom > f$n; done; ln f1 g; mkdir d; ln -s f1 d/l",
    );
    const before = await look(origin);
    const key = newKey();
    // Packs and an index: each attempt gets one object further.
    let attempts = 0;
    for (let isDone = false; !isDone; attempts++) {
      expect(await keysUnder(key)).toEqual([]);
      const sent = interrupt((n) => (n > 1 ? new Response(null, { status: 403 }) : undefined));
      isDone = await succeeds(origin.snapshot?.(key));
      expect(sent.count).toBeLessThanOrEqual(5);
      vi.restoreAllMocks();
    }
    expect(attempts).toBeGreaterThan(3);

    const copy = await aContainer();
    await bash(copy, "echo old > f1; echo old > old");
    let reads = 0;
    for (let isDone = false; !isDone; ) {
      const read = interrupt((n) => (n > 2 ? new Response(null, { status: 403 }) : undefined));
      isDone = await succeeds(copy.restore?.(key));
      reads += Math.min(read.count, 2);
      vi.restoreAllMocks();
    }
    expect(await look(copy)).toBe(before);
    // The index with each attempt, and each pack once.
    expect(reads).toBe(2 * (attempts - 1));
    await Promise.all([origin.destroy(), copy.destroy()]);
  });

  it("that is damaged is not restored", async () => {
    const [origin, copy] = [await aContainer(), await aContainer()];
    await bash(origin, "head -c 100000 /dev/urandom > f");
    const key = newKey();
    await origin.snapshot?.(key);
    const [one = "", other = ""] = await objectsOf(key);
    for (const object of [one, other]) {
      const bytes = new Uint8Array((await (await env.SNAPSHOTS.get(object))?.arrayBuffer()) ?? []);
      await env.SNAPSHOTS.put(object, bytes.with(50, (bytes[50] ?? 0) ^ 1));
      await expect(copy.restore?.(key)).rejects.toThrow("damaged");
      await env.SNAPSHOTS.put(object, bytes);
    }
    await env.SNAPSHOTS.delete(one);
    await expect(copy.restore?.(key)).rejects.toThrow("missing");
    await Promise.all([origin.destroy(), copy.destroy()]);
  });
});

describe("a workspace that an earlier version has saved", () => {
  const facts = { mode: 0o640, mtimeMs: 1_700_000_000_000 };
  const archive = (file: string, text: string) =>
    concat([
      writeEntry({ ...facts, mode: 0o755, path: "d", kind: "directory" }),
      writeEntry({ ...facts, path: file, kind: "file", bytes: new TextEncoder().encode(text) }),
      writeEntry({ ...facts, path: `${file}.link`, kind: "symlink", target: "ü" }),
      TAR_END,
    ]);

  it.each<[string, boolean, () => Promise<Sandbox>]>([
    ["container", HAS_CONTAINERS, aContainer],
    ["embedded sandbox", true, async () => anEmbedded()],
  ])("is restored by a %s, and copied", async (_, canRun, make) => {
    if (!canRun) return;
    const [key, copied] = [newKey(), newKey()];
    await env.SNAPSHOTS.put(`${key}/${partName(1)}`, archive("d/ü", "one"));
    await env.SNAPSHOTS.put(`${key}/${partName(2)}`, archive("d/two", "two"));
    await completeParts(env.SNAPSHOTS, key, 2);
    await copyArchive(env.SNAPSHOTS, key, copied);
    for (const from of [key, copied]) {
      const sandbox = await make();
      await bash(sandbox, "echo old > old");
      await sandbox.restore?.(from);
      const said = await bash(sandbox, "ls; ls d; cat d/ü.link d/two; stat -c %a d/two");
      expect(said).toBe("d\ntwo\ntwo.link\nü\nü.link\nonetwo640\n");
      const next = newKey();
      await sandbox.snapshot?.(next, { base: from });
      await sandbox.restore?.(next);
      expect(await bash(sandbox, "cat d/two")).toBe("two");
      await sandbox.destroy();
    }
  });
});

describe("the index of a saved workspace", () => {
  const facts = { mode: 0o644, mtimeMs: 0, kind: "file", size: 0, chunks: [] } as const;
  const directory = { ...facts, path: "d", kind: "directory" } as const;
  const read = (entries: readonly object[]) =>
    readIndex(writeIndex({ packs: [], entries: entries as never }));

  it.each([
    ["..", [{ ...facts, path: ".." }]],
    ["an absolute path", [{ ...facts, path: "/etc/passwd" }]],
    ["a path that leaves the workspace", [directory, { ...facts, path: "d/../../f" }]],
    ["no path", [{ ...facts, path: "" }]],
    [
      "a file below a link",
      [
        { ...facts, path: "l", kind: "symlink", target: "/etc" },
        { ...facts, path: "l/f" },
      ],
    ],
    ["a file in no directory", [{ ...facts, path: "d/f" }]],
    ["a hard link to the outside", [{ ...facts, path: "h", kind: "hardlink", target: "../f" }]],
  ])("is refused if it contains %s", (_, entries) => {
    expect(() => read(entries)).toThrow("invalid path");
  });

  it("is refused if it has more entries than its size allows", () => {
    const lines = Array.from({ length: 1_000 }, () => "{}").join("\n");
    expect(() => readIndex(`{"format":1,"packs":[]}\n${lines}`)).toThrow("damaged");
  });

  it("holds names of any kind", () => {
    const names = ["...", "..a", " ", "a\\b", "\udcff", "new\nline"];
    const entries = [directory, ...names.map((name) => ({ ...facts, path: `d/${name}` }))];
    expect(read(entries).entries).toEqual(entries);
  });
});

describe("a workspace that is saved again and again", () => {
  it("refers to few packs, which hold all its files", async () => {
    const objects = new Map<string, Uint8Array>();
    const store: ObjectStore = {
      put: async (name, bytes) => {
        objects.set(name, bytes);
      },
      get: async (name) => objects.get(name) ?? new Uint8Array(),
    };
    const contents = new Map<string, Uint8Array>();
    let index: Index = { packs: [], entries: [] };
    for (let n = 1; n <= 100; n++) {
      contents.set(`n${n}`, new TextEncoder().encode(`file ${n}`));
      contents.set("f", crypto.getRandomValues(new Uint8Array(20_000)));
      const writer = new ArchiveWriter(store, (bytes) => gzipSync(bytes, { level: 1 }), index);
      const entries: Entry[] = [];
      for (const [path, bytes] of contents) {
        const chunks = [await writer.add(bytes)];
        entries.push({ path, mode: 0, mtimeMs: 0, kind: "file", size: bytes.length, chunks });
      }
      index = readIndex((await writer.finish(entries)).text);
      expect(index.packs.length).toBeLessThan(36);
    }
    for (const entry of index.entries) {
      const [number, offset, length] = (entry.kind === "file" && entry.chunks[0]) || [0, 0, 0, ""];
      const pack = index.packs[number];
      const bytes = pack && (await getPack(store, pack)).subarray(offset, offset + length);
      expect(bytes && new Uint8Array(bytes)).toEqual(contents.get(entry.path));
    }
  });
});

describe("the packs of earlier saves", () => {
  const packs = fc.array(
    fc.record({
      rawBytes: fc.integer({ min: 1, max: 2 * PACK_BYTES }),
      use: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { maxLength: 200 },
  );

  it("are used again if most of them is in use, and if they are few or large", () => {
    fc.assert(
      fc.property(packs, (all) => {
        const named = all.map(({ rawBytes }, n): Pack => ({ name: `${n}`, rawBytes }));
        const used = new Map(
          all.map(({ rawBytes, use }, n) => [`${n}`, Math.floor(rawBytes * use)]),
        );
        const replaced = packsToReplace(named, used);
        const kept = named.filter(({ name }) => !replaced.has(name) && (used.get(name) ?? 0) > 0);
        const small = kept.filter(({ rawBytes }) => rawBytes < PACK_BYTES / 2);
        expect(small.length).toBeLessThanOrEqual(32);
        for (const { name, rawBytes } of kept) {
          expect(used.get(name)).toBeGreaterThanOrEqual(rawBytes / 2);
        }
      }),
    );
  });
});

describe("objects that no saved workspace needs", () => {
  const now = Date.now();
  // A run looks at a bounded number of stores; those of other files' sessions would be among them.
  beforeAll(async () => env.SNAPSHOTS.delete(await keysUnder("garbage/")));
  const collect = (at: number) => collectGarbage(env.SNAPSHOTS, at);
  const remove = async (key: string, at: number) => {
    await env.SNAPSHOTS.delete([
      ...(await noteRemoval(env.SNAPSHOTS, [key], at)),
      `${key}/archive.json`,
    ]);
  };

  it("are removed two days after the last workspace that needs them, and no others", async () => {
    const sandbox = anEmbedded();
    const [first, second] = [newKey(), newKey()];
    await sandbox.writeFile("/workspace/f", new Uint8Array(1_000).fill(1));
    await sandbox.snapshot?.(first);
    await copyArchive(env.SNAPSHOTS, first, second);
    const objects = await objectsOf(first);
    expect(objects).toHaveLength(2);
    await remove(first, now);
    await collect(now + DAY);
    await collect(now + 3 * DAY);
    expect(await objectsOf(first)).toEqual(objects);
    await sandbox.restore?.(second);
    expect(await bash(sandbox, "wc -c < f")).toMatch(/1000/);

    await remove(second, now + 3 * DAY);
    await collect(now + 4 * DAY);
    expect(await objectsOf(first)).toEqual(objects);
    await collect(now + 6 * DAY);
    expect(await keysUnder(`archives/${storeOf(first)}/`)).toEqual([]);
    expect((await keysUnder("garbage/")).filter((key) => key.endsWith(storeOf(first)))).toEqual([]);
  });

  it("are removed although another store can't be looked at, which is noted again", async () => {
    const sandbox = anEmbedded();
    const [key, busy] = [newKey(), newKey()];
    await sandbox.snapshot?.(key);
    await env.SNAPSHOTS.put(`archives/${storeOf(busy)}/objects/${"0".repeat(64)}`, "");
    for (const removed of [busy, key]) await remove(removed, now - 5 * DAY);
    const list = env.SNAPSHOTS.list.bind(env.SNAPSHOTS);
    vi.spyOn(env.SNAPSHOTS, "list").mockImplementation((options) => {
      const isBusy = options?.prefix?.includes(storeOf(busy));
      return isBusy ? Promise.reject(new Error("it has too many objects")) : list(options);
    });
    await collect(now + 2 * DAY);
    expect(await objectsOf(key)).toEqual([]);
    vi.restoreAllMocks();
    await collect(now + 3 * DAY);
    expect(await keysUnder(`archives/${storeOf(busy)}/`)).toHaveLength(1);
    await collect(now + 5 * DAY);
    expect(await keysUnder(`archives/${storeOf(busy)}/`)).toEqual([]);
  });

  it("leave no trace of a save that was given up", async () => {
    const key = newKey();
    const begun = await beginSave(env.SNAPSHOTS, key, null);
    expect(await keysUnder(`archives/${begun.store}/`)).toHaveLength(1);
    await abandonSave(env.SNAPSHOTS, key, begun);
    expect(await keysUnder(`archives/${begun.store}/`)).toEqual([]);
  });

  it("are kept while a save is under way, and removed if it never ends", async () => {
    const sandbox = anEmbedded();
    const [first, second] = [newKey(), newKey()];
    await sandbox.snapshot?.(first);
    const begun = await beginSave(env.SNAPSHOTS, second, first);
    expect(begun).toMatchObject({ store: storeOf(first), base: expect.any(String) });
    await remove(first, now - 5 * DAY);
    await collect(now);
    expect(await objectsOf(first)).toHaveLength(1);
    await collect(now + 3 * DAY);
    expect(await objectsOf(first)).toHaveLength(0);
  });
});

const succeeds = (work: Promise<unknown> | undefined): Promise<boolean> =>
  Promise.resolve(work).then(
    () => true,
    () => false,
  );

/** Counts the bytes that containers store. Each call returns those since the last one. */
function countBytes(): () => number {
  let bytes = 0;
  const { answer } = transfers;
  vi.spyOn(transfers, "answer").mockImplementation((request) => {
    if (request.method === "PUT") bytes += Number(request.headers.get("content-length"));
    return answer(request);
  });
  return () => {
    const counted = bytes;
    bytes = 0;
    return counted;
  };
}

/** Answers the `n`-th request of containers for an object with what `fault` returns, if anything, after `ms`. */
function interrupt(fault: (n: number) => Response | undefined, ms = 0): { count: number } {
  const requests = { count: 0 };
  const { answer } = transfers;
  vi.spyOn(transfers, "answer").mockImplementation(async (request) => {
    requests.count += 1;
    const response = fault(requests.count);
    if (ms > 0) await scheduler.wait(ms);
    return response ?? answer(request);
  });
  return requests;
}
