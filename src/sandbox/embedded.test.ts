import { abortAllDurableObjects, evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { keysUnder, tablesOf } from "../testing/sessions";
import { changeFile, hashOf } from "./change-file";
import { aCommand, testSandbox } from "./contract";
import { embedded } from "./embedded";
import type { Sandbox } from "./sandbox";

const namespace = env.EMBEDDED_SANDBOXES;
const make = (id: string = crypto.randomUUID()) =>
  embedded(namespace, id, { workspace: "/workspace" });

testSandbox("embedded", () => ({ sandbox: make(), workspace: "/workspace" }));

const text = async (sandbox: Sandbox, path: string) =>
  new TextDecoder().decode((await sandbox.readFile(path)) ?? undefined);

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await scheduler.wait(10);
}

describe("an embedded sandbox", () => {
  it("changes no file that somebody else has changed since it was read", async () => {
    const sandbox = make();
    const path = "/workspace/new/file";
    const utf8 = (content: string) => new TextEncoder().encode(content);
    expect(await sandbox.replaceFile?.(path, utf8("one"), null)).toBe(true);
    expect(await sandbox.replaceFile?.(path, utf8("two"), null)).toBe(false);
    const seen = await hashOf(utf8("one"));
    const between: Sandbox = {
      ...sandbox,
      async readFile(file) {
        const bytes = await sandbox.readFile(file);
        if (bytes?.length === 3) await sandbox.writeFile(file, utf8("of a caller"));
        return bytes;
      },
    };
    const edit = { edit: { oldText: "one", newText: "1", all: false } };
    const options = { id: "edit", seen: [seen] };
    expect(await changeFile(between, path, edit, options)).toMatchObject({
      unchanged: expect.stringContaining("not in it"),
    });
    const content = { content: utf8("of the agent") };
    expect(await changeFile(between, path, content, options)).toMatchObject({
      unchanged: expect.stringContaining("has changed since you did"),
    });
    expect(await text(sandbox, path)).toBe("of a caller");
  });

  it("keeps files and results through an eviction", async () => {
    const id = crypto.randomUUID();
    const command = aCommand("echo kept | tee file; exit 3");
    const result = await make(id).run(command);
    await evictDurableObject(namespace.getByName(id));
    const again = make(id);
    expect(await text(again, "/workspace/file")).toBe("kept\n");
    expect(await again.find?.(command.id)).toEqual({ state: "finished", result });
    expect(await again.run(command)).toEqual(result);
  });

  it("does not know what became of a command that a restart cut off, and won't run it again", async () => {
    const id = crypto.randomUUID();
    const sandbox = make(id);
    const command = aCommand("echo x >> begun; sleep 60");
    const cutOff = sandbox.run(command).catch((error: unknown) => error);
    await until(async () => (await sandbox.readFile("/workspace/begun")) !== null);
    await abortAllDurableObjects();

    expect(await cutOff).toMatchObject({ name: "SandboxError", transient: true });
    expect(await sandbox.find?.(command.id)).toEqual({ state: "unknown" });
    await expect(sandbox.run(command)).rejects.toMatchObject({
      name: "SandboxError",
      transient: false,
      message: expect.stringContaining("interrupted"),
    });
    await sandbox.kill(command.id);
    expect(await text(sandbox, "/workspace/begun")).toBe("x\n");
  });

  it("is left without a trace by looking, killing and destroying before its first use", async () => {
    const id = crypto.randomUUID();
    const sandbox = make(id);
    expect(await sandbox.find?.("some")).toEqual({ state: "unknown" });
    expect(await sandbox.readFile("/workspace/file")).toBeNull();
    await sandbox.kill("some");
    await sandbox.destroy();
    expect(await tablesOf(namespace.getByName(id))).toEqual([]);
  });

  it("begins anew, empty, where it was destroyed", async () => {
    const id = crypto.randomUUID();
    const sandbox = make(id);
    const command = aCommand("echo x >> file; cat file");
    await sandbox.run(command);
    await sandbox.destroy();
    expect(await tablesOf(namespace.getByName(id))).toEqual([]);
    expect((await sandbox.run(command)).stdout).toBe("x\n");
  });

  it("has its workspace back at the next command where a script removed it", async () => {
    const sandbox = make();
    await sandbox.run(aCommand("rm -rf /workspace"));
    expect(await sandbox.run(aCommand("pwd"))).toMatchObject({ stdout: "/workspace\n" });
  });

  it("can have its workspace elsewhere", async () => {
    const sandbox = embedded(namespace, crypto.randomUUID(), { workspace: "/srv/work" });
    expect(await sandbox.run(aCommand("pwd"))).toMatchObject({ cwd: "/srv/work" });
  });

  it("gives a repeated id the same text, whatever characters are in it", async () => {
    const sandbox = make();
    const command = aCommand("printf 'a\\0b\\x01\\xff\\xfe\\u20ac'");
    const result = await sandbox.run(command);
    expect(await sandbox.run(command)).toEqual(result);
  });

  it("keeps 900,000 bytes of a stream, whatever is asked for", async () => {
    const sandbox = make();
    await sandbox.writeFile("/workspace/file", new Uint8Array(455_000).fill(97));
    const command = aCommand("cat file file", { maxOutputBytes: 10_000_000 });
    const result = await sandbox.run(command);
    expect(result).toMatchObject({ exitCode: 0, truncated: true });
    expect(result.stdout).toContain("[... 10000 bytes left out ...]");
    expect(await sandbox.run(command)).toEqual(result);
  });

  it("refuses a file of more than 8 MiB", async () => {
    const sandbox = make();
    const tooLarge = new Uint8Array(8 * 1024 ** 2 + 1);
    await expect(sandbox.writeFile("/workspace/file", tooLarge)).rejects.toMatchObject({
      transient: false,
      message: expect.stringContaining("8388608 bytes"),
    });
    await sandbox.writeFile("/workspace/file", tooLarge.subarray(1));
    expect((await sandbox.readFile("/workspace/file"))?.length).toBe(8 * 1024 ** 2);
    const result = await sandbox.run(aCommand("cp file copy && gzip -c file > zipped; ls"));
    expect(result).toMatchObject({ stdout: "copy\nfile\nzipped\n", exitCode: 0 });
  });

  it.each(["python3", "python", "node", "js-exec", "sqlite3", "tar", "curl", "wget", "git"])(
    "has no %s, and says so as a shell does",
    async (name) => {
      const result = await make().run(aCommand(`command -v ${name}; ${name} --version`));
      expect(result).toMatchObject({
        exitCode: 127,
        stdout: "",
        stderr: `bash: ${name}: command not found\n`,
      });
    },
  );

  it("has its programs where scripts look for them", async () => {
    const script = [
      "printf '#!/usr/bin/env bash\\necho script $1\\n' > s && chmod +x s && ./s a",
      "/bin/bash -c 'echo bin'",
      "mkdir -p /usr/bin && command -v sed",
    ].join("\n");
    expect(await make().run(aCommand(script))).toMatchObject({
      stdout: "script a\nbin\n/usr/bin/sed\n",
      stderr: "",
    });
  });

  it("drops what goes to /dev/null", async () => {
    const script =
      "echo lost > /dev/null; ls nothing 2> /dev/null; echo x | tee /dev/null; cat /dev/null";
    expect(await make().run(aCommand(script))).toMatchObject({ stdout: "x\n", stderr: "" });
  });

  it("keeps the `<(command)` files of commands side by side apart", async () => {
    const sandbox = make();
    const read = (word: string) => sandbox.run(aCommand(`cat <(echo ${word}) <(sleep 0.2)`));
    const results = await Promise.all(["one", "two", "three"].map(read));
    expect(results.map((result) => result.stdout)).toEqual(["one\n", "two\n", "three\n"]);
  });

  it("reaches a busy script that touches files with its time limit and with a kill", async () => {
    const sandbox = make();
    const busy = "while :; do cat /dev/null; done";
    const late = await sandbox.run(aCommand(busy, { timeoutMs: 100 }));
    expect(late).toMatchObject({ ended: "timed_out", exitCode: 124 });

    const command = aCommand(busy);
    const running = sandbox.run(command);
    await sandbox.kill(command.id);
    expect(await running).toMatchObject({ ended: "killed", exitCode: 137 });
  });

  it("stops counting time for a command that ended", async () => {
    const sandbox = make();
    const command = aCommand("echo on time", { timeoutMs: 200 });
    await sandbox.run(command);
    await scheduler.wait(300);
    expect(await sandbox.run(command)).toMatchObject({ ended: "exited", exitCode: 0 });
  });
});

describe("a snapshot of an embedded sandbox", () => {
  it("holds large files and many, in parts of bounded size", async () => {
    const [origin, copy] = [make(), make()];
    const key = `test/${crypto.randomUUID()}`;
    const large = new Uint8Array(8 * 1024 ** 2);
    for (let at = 0; at < large.length; at += 65_536) {
      crypto.getRandomValues(large.subarray(at, at + 65_536));
    }
    await origin.writeFile("/workspace/0 large", large);
    await origin.writeFile("/workspace/also large", large);
    await origin.writeFile("/workspace/reversed", large.toReversed());
    const fill = "mkdir -p n; for i in $(seq 600); do echo file $i > n/$i; done";
    await origin.run(aCommand(fill));
    await origin.snapshot?.(key);
    const { objects } = await env.SNAPSHOTS.list({ prefix: `archives/${key.slice(5)}/objects/` });
    expect(objects.length).toBeGreaterThan(2);
    for (const { size } of objects) expect(size).toBeLessThan(13 * 1024 ** 2);

    await copy.restore?.(key);
    expect(await copy.run(aCommand("ls n | wc -l; cat n/600"))).toMatchObject({
      stdout: expect.stringMatching(/^\s*600\nfile 600\n$/),
    });
    for (const path of ["/workspace/0 large", "/workspace/also large"]) {
      const back = await copy.readFile(path);
      expect(back?.length).toBe(large.length);
      expect(back?.every((byte, i) => byte === large[i])).toBe(true);
    }
  }, 30_000);

  it("follows a workspace that is a link, and holds nothing where it is gone", async () => {
    const origin = make();
    const key = `test/${crypto.randomUUID()}`;
    await origin.run(
      aCommand("mkdir /srv; echo x > /srv/f; cd /; rm -r workspace; ln -s srv workspace"),
    );
    await origin.snapshot?.(key);
    const copy = make();
    await copy.restore?.(key);
    expect((await copy.run(aCommand("cat f; readlink /workspace"))).stdout).toBe("x\n");
    await origin.run(aCommand("mv /workspace /gone; echo file > /workspace"));
    await origin.snapshot?.(key);
    await copy.restore?.(key);
    expect((await copy.run(aCommand("ls -A"))).stdout).toBe("");
  });

  it("that lacks a part is not restored", async () => {
    const [origin, copy] = [make(), make()];
    const key = `test/${crypto.randomUUID()}`;
    await origin.writeFile("/workspace/f", new Uint8Array(10));
    await origin.snapshot?.(key);
    const [pack] = await keysUnder(`archives/${key.slice(5)}/objects/`);
    await env.SNAPSHOTS.delete(pack ?? "");
    await expect(copy.restore?.(key)).rejects.toThrow("missing");
  });

  it("is finished before the sandbox is destroyed", async () => {
    const id = crypto.randomUUID();
    const origin = make(id);
    await origin.writeFile("/workspace/f", new Uint8Array(1_000_000).fill(1));
    const key = `test/${crypto.randomUUID()}`;
    const taken = origin.snapshot?.(key);
    await origin.destroy();
    await taken;
    expect(await keysUnder(key)).toHaveLength(1);
    expect(await keysUnder(`archives/${key.slice(5)}/objects/`)).toHaveLength(2);
    expect(await tablesOf(namespace.getByName(id))).toEqual([]);
  });
});

describe("the limits of an embedded sandbox end", () => {
  const LARGE = new Uint8Array(1_100_000).fill(97);
  // Doubled, which takes no time.
  const doubled = "x=$(printf '%8300s' x); for i in 1 2 3 4 5 6 7 8; do x=$x$x; done";
  it.each([
    ["an endless loop", "while :; do :; done", "too many commands"],
    ["endless recursion", "f() { f; }; f", "maximum recursion depth"],
    ["a fork bomb", ":() { :|:& }; :", "maximum recursion depth"],
    ["a script that runs itself", "echo 'bash $0' > s; bash s", "nested execution depth"],
    ["a string that doubles", "a=x; while :; do a=$a$a; done", "string length limit"],
    ["a huge format", "printf '%*s' 1000000000 x", "limit exceeded"],
    ["huge output", "cat large large", "output size"],
    ["huge text in a pipe", `${doubled}; echo "$x" | wc -c`, "limit exceeded"],
    ["a huge here-string", `${doubled}; wc -c <<< "$x"`, "limit exceeded"],
    ["a long sequence", "seq 1 1000000000", "limit exceeded"],
    ["an endless awk", "awk 'BEGIN { while (1) i++ }'", "maximum iterations"],
    ["an endless sed", "echo x | sed ':a;ba'", "maximum iterations"],
    ["an endless jq", "jq -n '[range(1e9)] | length'", "limit exceeded"],
  ])(
    "%s with 126 and a reason",
    async (_, script, reason) => {
      const sandbox = make();
      if (script.includes("large")) await sandbox.writeFile("/workspace/large", LARGE);
      const result = await sandbox.run(aCommand(script));
      expect(result).toMatchObject({ exitCode: 126, ended: "exited" });
      expect(result.stderr).toContain(reason);
      expect(result.stderr).not.toContain("executionLimits");
      expect(await sandbox.run(aCommand("echo fine"))).toMatchObject({ stdout: "fine\n" });
    },
    30_000,
  );

  it.each([
    ["endless output", "while :; do echo y; done | head -n 1"],
    ["a bomb of zeros", "head -c 1000000 /dev/zero 2> /dev/null; gzip -c nothing"],
    ["deep recursion in jq", "jq -n 'def f: [f]; f'"],
    ["a slow pattern", "[[ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa! =~ ^(a+)+$ ]]"],
    ["deep brackets", `echo ${"$(".repeat(500)}`],
    ["a million braces", "echo {1..1000}{1..1000} | wc -c"],
  ])(
    "%s without harm",
    async (_, script) => {
      const sandbox = make();
      await sandbox.run(aCommand(script, { timeoutMs: 500 }));
      expect(await sandbox.run(aCommand("echo fine"))).toMatchObject({ stdout: "fine\n" });
    },
    30_000,
  );
});
