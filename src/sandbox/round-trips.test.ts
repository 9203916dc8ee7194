import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { FileGuard, ToolContext } from "../agent/tool";
import { findTool, runTool } from "../agent/tools";
import { aContainer, HAS_CONTAINERS, workspaceOf } from "../testing/containers";
import { aContext, textOf } from "../testing/tool-context";
import { changeFile, hashOf } from "./change-file";
import { cloudflare, type SdkObject } from "./cloudflare";
import { aCommand } from "./contract";
import type { Change, Sandbox } from "./sandbox";

// The calls to a container of each tool call. Each is a request over the network and starts the runner, or writes a file.

vi.setConfig({ testTimeout: 20_000 });

const bytes = (text: string) => new TextEncoder().encode(text);
const LINES = "a line of a file\n";
const LARGE = LINES.repeat(12_000);

/** A container, the calls that were made to it, and its sandbox. */
interface Counted {
  sdk: SdkObject;
  calls: string[];
  sandbox: Sandbox;
  workspace: string;
  /** Returns a sandbox of the same container for a caller that knows nothing of the calls before. */
  again: () => Sandbox;
}

/** Starts a container. `change` wraps the SDK's object below the count. */
async function started(change: (sdk: SdkObject) => SdkObject = (sdk) => sdk): Promise<Counted> {
  const id = crypto.randomUUID();
  const workspace = await workspaceOf(id);
  const sdk = change(aContainer(id));
  const calls: string[] = [];
  const counting = (name: keyof SdkObject, call: (...args: never[]) => unknown) =>
    ((...args: never[]) => {
      calls.push(name);
      return call(...args);
    }) as never;
  const names = ["execStream", "readFile", "writeFile", "destroy", "setOwner"] as const;
  const counted = Object.fromEntries(
    names.map((name) => [name, counting(name, sdk[name])]),
  ) as never;
  const again = () => cloudflare(counted, { workspace, bucket: env.SNAPSHOTS });
  const sandbox = again();
  await sandbox.start?.();
  calls.length = 0;
  return { sdk, calls, sandbox, workspace, again };
}

/** Runs a tool call. Returns its text, and the number of calls to the container. */
async function call(
  { sandbox, calls, workspace: cwd }: Counted,
  name: string,
  input: object,
  parts: Partial<ToolContext> = {},
): Promise<{ text: string; isError: boolean; trips: number }> {
  const tool = findTool(name);
  if (!tool) throw new Error(`there is no tool ${name}`);
  const before = calls.length;
  const result = await runTool(tool, input, aContext({ sandbox, cwd, ...parts }));
  const trips = calls.length - before;
  return { text: textOf(result), isError: result.isError ?? false, trips };
}

/** Returns a guard of files as an agent has it among others. */
function aGuard(): FileGuard {
  const seen = new Map<string, string>();
  return {
    lock: (_, act) => act(),
    seen: (path) => seen.get(path) ?? null,
    record: (path, hash) => void seen.set(path, hash),
  };
}

/**
 * Wraps a container so that its runner acts like that of an image before changes in one step, requests in pieces and
 * stored overflow: it answers what it does not know with `null`.
 */
const ofEarlierImage = (sdk: SdkObject): SdkObject => ({
  ...sdk,
  execStream(command, { env: variables, ...options }) {
    const ask = JSON.parse(variables.RIGGER_ASK ?? "");
    if ("pieces" in ask) ask.unknown = ask.pieces;
    delete ask.pieces;
    if (ask.do === "change") ask.do = "unknown";
    delete ask.command?.overflow;
    return sdk.execStream(command, { ...options, env: { RIGGER_ASK: JSON.stringify(ask) } });
  },
});

describe.runIf(HAS_CONTAINERS)("a tool call in a container that runs takes one round trip", () => {
  let container: Counted;
  beforeAll(async () => {
    container = await started();
    await container.sandbox.writeFile(`${container.workspace}/small`, bytes(LINES));
    await container.sandbox.writeFile(`${container.workspace}/large`, bytes(LARGE));
    await container.sandbox.writeFile(`${container.workspace}/edited`, bytes("one\ntwo\n"));
  });
  afterAll(() => container.sandbox.destroy());

  it.each([
    ["Bash: a command", "Bash", { command: "echo done" }, "done"],
    ["Bash: a command that fails", "Bash", { command: "echo no; exit 3" }, "Exit code 3\nno"],
    ["Bash: a command that is long", "Bash", { command: `: '${LARGE}'` }, "(no output)"],
    ["Bash: long output", "Bash", { command: "seq 1 20000" }, "108,893 characters, is in /tmp"],
    [
      "Bash: long output of a failure",
      "Bash",
      { command: "seq 1 4000; exit 1" },
      "18,892 characters, is in /tmp",
    ],
    ["Read: a small file", "Read", { file_path: "small" }, "a line of a file"],
    ["Read: a large file", "Read", { file_path: "large" }, "lines 1 to 2000 of 12000"],
    ["Read: a missing file", "Read", { file_path: "none" }, "does not exist"],
    [
      "Edit: a text that is there",
      "Edit",
      { file_path: "edited", old_string: "two", new_string: "2" },
      "     1\tone\n     2\t2",
    ],
    [
      "Edit: a text that is not",
      "Edit",
      { file_path: "edited", old_string: "three", new_string: "3" },
      "was not changed: old_string is not in it",
    ],
    [
      "Edit: a long text",
      "Edit",
      { file_path: "long", old_string: "", new_string: LARGE },
      "Changed ",
    ],
    ["Write: a small file", "Write", { file_path: "a/b", content: LINES }, "Wrote 1 line"],
    ["Write: a large file", "Write", { file_path: "c", content: LARGE }, "Wrote 12,000 lines"],
    ["Grep", "Grep", { pattern: "nothing" }, /No matches|ripgrep/],
    ["Glob", "Glob", { pattern: "small" }, "/small"],
  ])("%s", async (_, tool, input, said) => {
    const { text, trips } = await call(container, tool, input);
    expect(text).toEqual(
      typeof said === "string" ? expect.stringContaining(said) : expect.stringMatching(said),
    );
    expect(trips).toBe(1);
  });

  it("also of an agent among others, whose files must be as it has seen them", async () => {
    const files = aGuard();
    const write = await call(container, "Write", { file_path: "f", content: "a b\n" }, { files });
    const edit = { file_path: "f", old_string: "a", new_string: "x" };
    const edited = await call(container, "Edit", edit, { files });
    await container.sandbox.writeFile(`${container.workspace}/f`, bytes("x b c\n"));
    const again = { file_path: "f", old_string: "x", new_string: "y" };
    const refused = await call(container, "Edit", again, { files });
    const over = await call(container, "Write", { file_path: "f", content: "new" }, { files });
    const unread = await call(container, "Edit", again, { files: aGuard() });
    for (const { isError, text } of [refused, over, unread]) {
      expect([isError, text]).toEqual([true, expect.stringContaining("it has changed since")]);
    }
    const read = await call(container, "Read", { file_path: "f" }, { files });
    expect(read.text).toContain("x b c");
    const last = await call(container, "Edit", again, { files });
    expect(last.text).toContain("y b c");
    const all = [write, edited, refused, over, unread, read, last];
    expect(all.map(({ trips }) => trips)).toEqual(all.map(() => 1));
  });

  it("and what is stored of long output is all of it, also if the call is found again", async () => {
    const id = `call_${crypto.randomUUID()}`;
    const path = `/tmp/rigger/${id}.txt`;
    const command = "seq 1 20000; echo problem >&2";
    const { text } = await call(container, "Bash", { command }, { callId: id });
    expect(text).toContain(path);
    const check = `(seq 1 20000; printf problem) | cmp - ${path} && echo same; rm ${path}`;
    expect((await call(container, "Bash", { command: check })).text).toBe("same");
    const found = { callId: id, interrupted: true };
    expect(await call(container, "Bash", { command }, found)).toMatchObject({ text, trips: 1 });
    expect(await container.sandbox.readFile(path)).toBeNull();
  });
});

describe.runIf(HAS_CONTAINERS)("a file that is too large for a request", () => {
  it("is written in two round trips", async () => {
    const container = await started();
    const content = LINES.repeat(40_000);
    const { trips } = await call(container, "Write", { file_path: "huge", content });
    expect([trips, container.calls]).toEqual([2, ["writeFile", "execStream"]]);
    const held = await container.sandbox.readFile(`${container.workspace}/huge`);
    expect(held && (await hashOf(held))).toBe(await hashOf(bytes(content)));
    await container.sandbox.destroy();
  });
});

describe.runIf(HAS_CONTAINERS)("a container of an earlier image", () => {
  it("does the same in more round trips", async () => {
    const container = await started(ofEarlierImage);
    const { sandbox, workspace } = container;
    const trips = async (tool: string, input: object, parts?: Partial<ToolContext>) => {
      const { isError, trips } = await call(container, tool, input, parts);
      expect(isError).toBe(false);
      return trips;
    };
    const files = aGuard();
    expect(await trips("Write", { file_path: "f", content: "a b" }, { files })).toBe(3);
    const edit = { file_path: "f", old_string: "a", new_string: "x" };
    expect(await trips("Edit", edit, { files })).toBe(3);
    expect(await sandbox.readFile(`${workspace}/f`)).toEqual(bytes("x b"));
    await sandbox.writeFile(`${workspace}/f`, bytes("x c"));
    const again = { file_path: "f", old_string: "x", new_string: "y" };
    expect(await call(container, "Edit", again, { files })).toMatchObject({ isError: true });
    expect(await sandbox.readFile(`${workspace}/f`)).toEqual(bytes("x c"));
    // In pieces, and then through a file. From then on it is known.
    expect(await trips("Write", { file_path: "large", content: LARGE })).toBe(3);
    expect(await trips("Write", { file_path: "large", content: `${LARGE}end` })).toBe(2);
    expect(await sandbox.readFile(`${workspace}/large`)).toEqual(bytes(`${LARGE}end`));
    expect(await trips("Bash", { command: "seq 1 20000" })).toBeGreaterThan(1);
    await sandbox.destroy();
  });
});

describe.runIf(HAS_CONTAINERS)("a change of a file", () => {
  const twice: Change = { edit: { oldText: "a", newText: "aa", all: false } };

  it("is made once, though the connection breaks after it", async () => {
    let cuts = 0;
    const container = await started((sdk) => ({
      ...sdk,
      async execStream(...args) {
        const stream = await sdk.execStream(...args);
        if (!args[1].env.RIGGER_ASK?.includes('"change"') || cuts++ > 0) return stream;
        await new Response(stream).text();
        throw new Error("the connection was lost");
      },
    }));
    const { sandbox, workspace } = container;
    await sandbox.writeFile(`${workspace}/f`, bytes("a"));
    const changed = await changeFile(sandbox, `${workspace}/f`, twice, { id: "cut" });
    expect([cuts, changed]).toMatchObject([2, { edited: { lines: [{ start: "aa" }] } }]);
    expect(await sandbox.readFile(`${workspace}/f`)).toEqual(bytes("aa"));
    await sandbox.destroy();
  });

  it("is found again by its id by whoever comes after a restart, as it was refused too", async () => {
    const { sandbox, workspace, again } = await started();
    const path = `${workspace}/f`;
    await sandbox.writeFile(path, bytes("a"));
    const first = await changeFile(sandbox, path, twice, { id: "one" });
    expect(await changeFile(again(), path, twice, { id: "one" })).toEqual(first);
    const unseen = { id: "two", seen: [await hashOf(bytes("other"))] };
    const other: Change = { content: bytes("b") };
    const refused = await changeFile(sandbox, path, other, unseen);
    expect(refused).toEqual({ unchanged: expect.stringContaining("changed since") });
    expect(await changeFile(again(), path, other, { id: "two" })).toEqual(refused);
    for (const caller of [sandbox, again()]) {
      await expect(changeFile(caller, workspace, twice, { id: "three" })).rejects.toMatchObject({
        transient: false,
        message: expect.stringContaining("is a directory"),
      });
    }
    expect(await sandbox.readFile(path)).toEqual(bytes("aa"));
    await sandbox.destroy();
  });

  it("is made once by two callers at the same time", async () => {
    const { sandbox, workspace, again } = await started();
    const path = `${workspace}/f`;
    await sandbox.writeFile(path, bytes("a"));
    const callers = [sandbox, again(), again()];
    const results = await Promise.all(
      callers.map((caller) => changeFile(caller, path, twice, { id: "both" })),
    );
    expect(results).toEqual(results.map(() => results[0]));
    expect(await sandbox.readFile(path)).toEqual(bytes("aa"));
    await sandbox.destroy();
  });

  /** Returns a shell's path of the folder that the runner has for a change. */
  const folderOf = (id: string) =>
    `"$(dirname "$RIGGER_CALL")/../changes/$(printf ${id} | sha256sum | cut -c 1-32)"`;

  it("whose process is killed is not made again: its effect is unknown", async () => {
    const { sandbox, workspace } = await started();
    const path = `${workspace}/f`;
    await sandbox.writeFile(path, bytes("a"));
    // A save waits for this command, and the change for the save.
    const supervisor = `${folderOf("dead")}/supervisor`;
    const killer = aCommand(
      `echo begun; until [ -s ${supervisor} ]; do sleep 0.05; done
       kill -9 $(cut -d ' ' -f 1 < ${supervisor})`,
    );
    const heard = Promise.withResolvers<void>();
    const killing = sandbox.run(killer, () => heard.resolve());
    await heard.promise;
    const saving = sandbox.snapshot?.(`killed/${crypto.randomUUID()}`);
    await scheduler.wait(500);
    await expect(changeFile(sandbox, path, twice, { id: "dead" })).rejects.toMatchObject({
      transient: false,
      message: expect.stringContaining("its effect is unknown"),
    });
    expect((await killing).exitCode).toBe(0);
    await saving;
    expect(await sandbox.readFile(path)).toEqual(bytes("a"));
    await sandbox.destroy();
  });

  it("keeps its result for a day, and no longer", async () => {
    const { sandbox, workspace } = await started();
    const path = `${workspace}/f`;
    await sandbox.writeFile(path, bytes("a"));
    for (const id of ["old", "young"]) await changeFile(sandbox, path, twice, { id });
    const age = `touch -d '25 hours ago' ${folderOf("old")}/result; rm ${folderOf("old")}/../../pruned`;
    await sandbox.run(aCommand(age));
    const look = `[ -e ${folderOf("old")} ] || echo gone; [ -e ${folderOf("young")} ] && echo kept`;
    expect((await sandbox.run(aCommand(look))).stdout).toBe("gone\nkept\n");
    await sandbox.destroy();
  });

  it("makes the same of any text as reading and writing it does", async () => {
    const { sandbox, workspace } = await started();
    const inSteps: Sandbox = { ...sandbox };
    delete inSteps.changeFile;
    const piece = fc.constantFrom("a", "b", "\n", "\r\n", "ü", "🎉", "\uFEFF", "");
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
    const edit = fc.record({ oldText: text, newText: text, all: fc.boolean() });
    const sut = fc.asyncProperty(text, edit, async (content, edit) => {
      const made = [];
      for (const one of [sandbox, inSteps]) {
        const path = `${workspace}/${crypto.randomUUID()}`;
        await one.writeFile(path, bytes(content));
        const changed = await changeFile(one, path, { edit }, { id: path });
        made.push([JSON.parse(JSON.stringify(changed)), await one.readFile(path)]);
      }
      expect(made[0]).toEqual(made[1]);
    });
    await fc.assert(sut, { numRuns: 6 });
    await sandbox.destroy();
  });
});
