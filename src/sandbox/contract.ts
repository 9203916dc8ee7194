import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { testFiles } from "./contract-files";
import { fetchPort } from "./ports";
import { type Command, type OutputListener, type Sandbox, SandboxError } from "./sandbox";

const utf8 = new TextEncoder();

/** Returns a command with a new id. */
export function aCommand(command: string, parts: Partial<Command> = {}): Command {
  const id = `call-${crypto.randomUUID()}`;
  return { id, command, timeoutMs: 20_000, maxOutputBytes: 100_000, ...parts };
}

/** A new sandbox and its workspace: `/workspace`, unless a stand-in for a container has no such directory. */
export interface Made {
  sandbox: Sandbox;
  workspace: string;
}

interface Facts {
  /** The time within which calls that follow one another reach the sandbox. */
  latenessMs?: number;
  /** Whether commands are run by the runner, whose own part of the contract `cloudflare.test.ts` holds. */
  hasRunner?: boolean;
  /** The objects of containers, for requests to their ports. */
  containers?: Parameters<typeof fetchPort>[2]["CONTAINER_SANDBOXES"];
}

/** Defines the tests that every provider must pass. `make` returns a new sandbox at each call. */
export function testSandbox(
  name: string,
  make: () => Promise<Made> | Made,
  { latenessMs = 500, hasRunner = false, containers }: Facts = {},
): void {
  const late = (times: number) => (times * latenessMs) / 1_000;
  /** Defines a test of what no vendor's way to the runner can change. */
  const itself = (title: string, test: (context: TestContext) => Promise<void>) => {
    if (!hasRunner) it(title, test);
  };

  describe(`a sandbox of ${name}`, () => {
    let sandbox: Sandbox;
    let workspace: string;
    const run = (command: string, parts?: Partial<Command>, onOutput?: OutputListener) =>
      sandbox.run(aCommand(command, parts), onOutput);
    const stdoutOf = async (command: string, parts?: Partial<Command>) =>
      (await run(command, parts)).stdout;
    const textOf = async (path: string) => {
      const bytes = await sandbox.readFile(path);
      return bytes && new TextDecoder().decode(bytes);
    };

    beforeAll(async () => {
      ({ sandbox, workspace } = await make());
      await sandbox.start?.();
    });
    const started = async (): Promise<Sandbox & { workspace: string }> => {
      const { sandbox, workspace } = await make();
      await sandbox.start?.();
      return { ...sandbox, workspace };
    };
    afterAll(() => sandbox.destroy());

    describe("commands", () => {
      it("run in the workspace, which is there from the start", async () => {
        expect(await run("pwd")).toEqual({
          exitCode: 0,
          stdout: `${workspace}\n`,
          stderr: "",
          ended: "exited",
          truncated: false,
          cwd: workspace,
        });
      });

      it.each([1, 255])("give their exit code: %i", async (code) => {
        expect(await run(`exit ${code}`)).toMatchObject({ exitCode: code, ended: "exited" });
      });

      it("keep stdout and stderr apart", async () => {
        const result = await run("echo out; echo err >&2");
        expect(result).toMatchObject({ stdout: "out\n", stderr: "err\n" });
      });

      itself("fail with 127 where there is no such program", async () => {
        const result = await run("no-such-program");
        expect(result.exitCode).toBe(127);
        expect(result.stderr).toContain("no-such-program: command not found");
      });

      itself("fail, not the sandbox, where the shell can't read them", async () => {
        const result = await run("if then (");
        expect(result.exitCode).not.toBe(0);
        expect(result.stderr).not.toBe("");
      });

      itself("are scripts of bash: loops, functions, pipes, here-documents", async () => {
        const script = [
          "double() { echo $(($1 * 2)); }",
          "for i in 1 2 3; do double $i; done | tr '\\n' ' '",
          "cat <<END; cat <<\\END",
          "  indented: $(double 21)",
          "END",
          "  as it is: $i",
          "END",
        ].join("\n");
        expect(await stdoutOf(script)).toBe("2 4 6   indented: 42\n  as it is: $i\n");
      });

      itself("find the usual variables", async () => {
        expect(await stdoutOf('test -d "$HOME" && test -n "$PATH" && echo "$PWD"')).toBe(
          `${workspace}\n`,
        );
      });

      it("get the variables of their call, which do not carry over to the next", async () => {
        const env = { GREETING: "hello\nyou" };
        expect(await stdoutOf("bash -c 'echo \"$GREETING\"'", { env })).toBe("hello\nyou\n");
        expect(await stdoutOf('export LOST=1; echo "[$GREETING]"')).toBe("[]\n");
        expect(await stdoutOf('echo "[$LOST]"')).toBe("[]\n");
      });

      it("start where their call says", async () => {
        await run("mkdir -p 'a dir/below'");
        expect(await run("pwd", { cwd: `${workspace}/a dir` })).toMatchObject({
          stdout: `${workspace}/a dir\n`,
          cwd: `${workspace}/a dir`,
        });
      });

      itself("fail where the directory to start in is missing", async () => {
        const result = await run("pwd", { cwd: `${workspace}/not-there` });
        expect(result).toMatchObject({ stdout: "", ended: "exited" });
        expect(result.exitCode).not.toBe(0);
        expect(result.stderr).toContain("not-there");
      });

      itself(
        "tell where the shell stood at the end, which does not carry over to the next",
        async () => {
          expect((await run("mkdir -p sub && cd sub; false")).cwd).toBe(`${workspace}/sub`);
          expect(await stdoutOf("pwd")).toBe(`${workspace}\n`);
        },
      );

      it("run side by side", async () => {
        const waiting = run("until [ -e flag ]; do sleep 0.05; done; cat flag");
        await run("echo go > flag");
        expect((await waiting).stdout).toBe("go\n");
      });

      it("keep characters whole, whatever the language", async () => {
        expect(await stdoutOf("echo 'Grüße, 世界 🎉'")).toBe("Grüße, 世界 🎉\n");
      });
    });

    describe("output", () => {
      it("is heard in order, and is what the result holds", async () => {
        const heard = { stdout: "", stderr: "" };
        const result = await run("seq 1 500; echo err >&2; seq 501 1000", {}, (stream, text) => {
          heard[stream] += text;
        });
        expect(heard).toEqual({ stdout: result.stdout, stderr: "err\n" });
        expect(result.stdout.split("\n").slice(498, 502)).toEqual(["499", "500", "501", "502"]);
      });

      itself("is cut in the middle where there is more than asked for", async () => {
        const result = await run("seq 1 20000", { maxOutputBytes: 1000 });
        expect(result.truncated).toBe(true);
        expect(result.stdout).toMatch(
          /^1\n2\n3\n[\s\S]*\n\[\.\.\. 107894 bytes left out \.\.\.\]\n[\s\S]*\n20000\n$/,
        );
        expect(result.stdout.length).toBeLessThan(1100);
      });

      itself("is bounded for each stream alone", async () => {
        const result = await run("seq 1 1000 >&2; echo short", { maxOutputBytes: 100 });
        expect(result).toMatchObject({ stdout: "short\n", truncated: true });
        expect(result.stderr.length).toBeLessThan(200);
      });

      it("does not end a command whose listener fails", async () => {
        const result = await run("echo on; echo and on", {}, () => {
          throw new Error("the listener failed");
        });
        expect(result).toMatchObject({ exitCode: 0, stdout: "on\nand on\n" });
      });
    });

    describe("time", () => {
      it("that runs out ends a command with 124 and a word on stderr", async () => {
        const began = Date.now();
        const result = await run("sleep 60; touch overslept", { timeoutMs: 300 });
        expect(result).toMatchObject({ exitCode: 124, ended: "timed_out" });
        expect(result.stderr).toContain("timed out after 300 ms");
        expect(Date.now() - began).toBeLessThan(10_000);
      });
    });

    describe("kill", () => {
      it("ends a command with 137, and nothing of it runs on", async () => {
        const command = aCommand(`sleep ${late(2)}; touch survived`);
        const running = sandbox.run(command);
        await sandbox.kill(command.id);
        expect(await running).toMatchObject({ exitCode: 137, ended: "killed" });
        await run(`sleep ${late(2) + 0.2}`);
        expect(await sandbox.readFile(`${workspace}/survived`)).toBeNull();
      });

      itself("leaves others running", async () => {
        const [one, other] = [aCommand("sleep 60"), aCommand("sleep 0.5; echo done")];
        const both = Promise.all([sandbox.run(one), sandbox.run(other)]);
        await sandbox.kill(one.id);
        expect((await both).map((result) => result.ended)).toEqual(["killed", "exited"]);
      });

      it("of what does not run changes nothing", async () => {
        const command = aCommand("echo done");
        const result = await sandbox.run(command);
        await sandbox.kill(command.id);
        await sandbox.kill("never-heard-of");
        expect(await sandbox.run(command)).toEqual(result);
      });
    });

    describe("an id", () => {
      it("is never run twice: a repeated one answers with the first result", async () => {
        const command = aCommand("echo x >> once; wc -l < once; exit 3");
        const first = await sandbox.run(command);
        expect(await sandbox.run(command)).toEqual(first);
        expect(await textOf(`${workspace}/once`)).toBe("x\n");
      });

      it("that still runs is waited for", async () => {
        const command = aCommand("sleep 0.5; echo x >> twice; echo ran");
        const results = await Promise.all([sandbox.run(command), sandbox.run(command)]);
        expect(results.map((result) => result.stdout)).toEqual(["ran\n", "ran\n"]);
        expect(await textOf(`${workspace}/twice`)).toBe("x\n");
      });

      it("can be asked for: running, then finished with its result, or unknown", async ({
        skip,
      }) => {
        if (!sandbox.find) return skip("this provider can't tell");
        const command = aCommand("until [ -e release ]; do sleep 0.05; done; echo released");
        const running = sandbox.run(command);
        expect(await sandbox.find(command.id)).toEqual({ state: "running" });
        await run("touch release");
        const result = await running;
        expect(await sandbox.find(command.id)).toEqual({ state: "finished", result });
        expect(await sandbox.find("never-heard-of")).toEqual({ state: "unknown" });
      });
    });

    describe("files", () => {
      itself("are shared by commands and calls", async () => {
        await sandbox.writeFile(`${workspace}/in.txt`, utf8.encode("b\na\n"));
        await run("sort in.txt > out.txt");
        expect(await textOf(`${workspace}/out.txt`)).toBe("a\nb\n");
      });

      itself("stay from command to command", async () => {
        await run("mkdir -p kept && echo one > kept/file && ln -s file kept/link");
        await run("echo two >> kept/link");
        expect(await stdoutOf("cat kept/file")).toBe("one\ntwo\n");
      });

      itself("are written whole, with the directories above them", async () => {
        await sandbox.writeFile(`${workspace}/new/deep/file`, utf8.encode("a long first content"));
        await sandbox.writeFile(`${workspace}/new/deep/file`, utf8.encode("short"));
        expect(await stdoutOf("cat new/deep/file")).toBe("short");
      });

      it("hold any bytes", async () => {
        const bytes = Uint8Array.from({ length: 1024 }, (_, i) => i % 256);
        await sandbox.writeFile(`${workspace}/bytes`, bytes);
        await run("cat bytes bytes | head -c 1024 > copy");
        expect(await sandbox.readFile(`${workspace}/copy`)).toEqual(bytes);
      });

      it("may be large", async () => {
        const bytes = new Uint8Array(5 * 1024 ** 2);
        for (let i = 0; i < bytes.length; i += 4096) bytes[i] = i / 4096;
        await sandbox.writeFile(`${workspace}/large`, bytes);
        expect(await stdoutOf("cp large large2; stat -c %s large2")).toBe("5242880\n");
        const back = await sandbox.readFile(`${workspace}/large2`);
        expect(back && bytes.every((byte, i) => byte === back[i])).toBe(true);
      }, 120_000);

      it("may be empty, which is not the same as missing", async () => {
        await sandbox.writeFile(`${workspace}/empty`, new Uint8Array());
        expect(await sandbox.readFile(`${workspace}/empty`)).toEqual(new Uint8Array());
        expect(await sandbox.readFile(`${workspace}/missing`)).toBeNull();
        expect(await sandbox.readFile(`${workspace}/missing/too`)).toBeNull();
      });

      it("may have any name", async () => {
        const names = ["with space", "ünïcödé-世界-🎉", "quote'\"$x", "-dash", "new\nline"];
        await Promise.all(
          names.map(async (fileName) => {
            const path = `${workspace}/names/${fileName}`;
            await sandbox.writeFile(path, utf8.encode(fileName));
            expect(await textOf(path)).toBe(fileName);
          }),
        );
        const [A, B, C, D, E] = names.map((fileName) => `${workspace}/names/${fileName}`);
        const env = { A, B, C, D, E } as Record<string, string>;
        expect(await stdoutOf('cat "$A" "$B" "$C" "$D" "$E"', { env })).toBe(names.join(""));
      });

      itself("can be anywhere, not only in the workspace", async () => {
        const path = `/tmp/elsewhere-${crypto.randomUUID()}`;
        await run(`echo here > ${path}`);
        expect(await textOf(path)).toBe("here\n");
        await run(`rm ${path}`);
      });

      it("are no directories: reading or writing one is an error", async () => {
        await run("mkdir -p directory");
        const path = `${workspace}/directory`;
        await expect(sandbox.readFile(path)).rejects.toSatisfy(isLasting);
        await expect(sandbox.writeFile(path, new Uint8Array())).rejects.toSatisfy(isLasting);
      });
    });

    testFiles(() => {
      if (!sandbox.files) throw new Error("the sandbox has no files");
      return { files: sandbox.files, run: (command) => stdoutOf(command) };
    }, itself);

    describe("snapshots, where there are any,", () => {
      const newKey = () => `contract/${crypto.randomUUID()}`;
      const LOOK = "find . -type f | sort | xargs -d '\\n' sha256sum; find . | sort; ls -l";

      it("keep the workspace as it is, to begin anew with anywhere", async (context) => {
        if (!sandbox.snapshot) return context.skip();
        const origin = await started();
        await origin.run(
          aCommand(
            [
              "mkdir -p empty 'a dir/ünïcödé 世界'; echo one > 'a dir/ünïcödé 世界/🎉'",
              "ln -s 'a dir' link; ln -s /nowhere dangling; touch nothing",
              "echo 'echo ran' > script; chmod 751 script; chmod 700 empty",
              "touch -d 2001-02-03T04:05:06Z script",
            ].join("\n"),
          ),
        );
        const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256);
        await origin.writeFile(`${origin.workspace}/bytes`, bytes);
        const key = newKey();
        expect((await origin.snapshot?.(key))?.sizeBytes).toBeGreaterThan(bytes.length);
        const before = await origin.run(aCommand(LOOK));
        await origin.run(aCommand("rm -rf *"));

        const copy = await started();
        await copy.run(aCommand("echo old > bytes; echo old > old"));
        for (let times = 0; times < 2; times++) {
          await copy.restore?.(key);
          expect((await copy.run(aCommand(LOOK))).stdout).toBe(before.stdout);
          expect(await copy.readFile(`${copy.workspace}/bytes`)).toEqual(bytes);
          const look = "cat link/*/*; ./script; stat -c %a script empty; readlink dangling";
          expect((await copy.run(aCommand(look))).stdout).toBe("one\nran\n751\n700\n/nowhere\n");
        }
        await Promise.all([origin.destroy(), copy.destroy()]);
      });

      itself(
        "hold no command half done: what runs is waited for, what comes waits",
        async (context) => {
          if (!sandbox.snapshot) return context.skip();
          const origin = await started();
          const key = newKey();
          const earlier = aCommand(`echo begun > a; sleep ${late(2)}; echo done > a`);
          const running = origin.run(earlier);
          while (origin.find && (await origin.find(earlier.id)).state !== "running") {
            await scheduler.wait(100);
          }
          const [, , later] = await Promise.all([
            running,
            origin.snapshot?.(key),
            scheduler.wait(latenessMs).then(() => origin.run(aCommand("cat a; echo changed > a"))),
          ]);
          expect(later.stdout).toBe("done\n");
          const copy = await started();
          await copy.restore?.(key);
          expect((await copy.run(aCommand("cat a"))).stdout).toBe("done\n");
          await Promise.all([origin.destroy(), copy.destroy()]);
        },
      );

      it("of a sandbox never used are empty, and where none was made there is none", async (context) => {
        if (!sandbox.snapshot) return context.skip();
        const [origin, copy] = [await started(), await started()];
        const key = newKey();
        await expect(copy.restore?.(key)).rejects.toBeInstanceOf(SandboxError);
        await origin.snapshot?.(key);
        await copy.restore?.(key);
        expect((await copy.run(aCommand("pwd; ls -A"))).stdout).toBe(`${copy.workspace}\n`);
        await Promise.all([origin.destroy(), copy.destroy()]);
      });
    });

    describe("ports, where there are any,", () => {
      const SERVER = `require("http").createServer((request, response) => {
        const { method, url, headers } = request;
        request.pipe(response.writeHead(201, { "x-asked": method + " " + url + " " + headers["x-own"] }));
      }).listen(0, "127.0.0.1", function () { console.log(this.address().port) })`;
      const send = async (port: number, isAgain = false) => {
        const address = await sandbox.reach?.(port, isAgain);
        if (!address) throw new Error("it has no ports");
        const request = {
          ...{ method: "POST", host: "preview.test", path: "/a%20b?c=d" },
          ...{ headers: new Headers({ "x-own": "kept" }), body: new Blob(["said"]).stream() },
          signal: AbortSignal.timeout(20_000),
        };
        // The types of the platform know no objects that are none.
        const objects = containers ?? ({} as NonNullable<Facts["containers"]>);
        return fetchPort(address, request, { CONTAINER_SANDBOXES: objects });
      };

      it("are reached, also if their server listens at a loopback address only", async (context) => {
        if (!sandbox.reach) return context.skip();
        const command = `node -e '${SERVER}' > port & until [ -s port ]; do sleep 0.05; done; cat port`;
        const port = Number(await stdoutOf(command));
        const answer = await send(port);
        expect(answer?.status).toBe(201);
        expect(answer?.headers.get("x-asked")).toBe("POST /a%20b?c=d kept");
        expect(await answer?.text()).toBe("said");
        expect((await send(port, true))?.status).toBe(201);
        // Nothing can listen there.
        expect(await send(1)).toBeNull();
      });
    });

    describe("destroy", () => {
      it("ends what runs, and does nothing a second time", async () => {
        const doomed = await started();
        await doomed.run(aCommand("echo x > file"));
        const running = doomed.run(aCommand("sleep 60")).catch((error: unknown) => error);
        await doomed.destroy();
        const outcome = await running;
        if (!(outcome instanceof SandboxError)) expect(outcome).toMatchObject({ ended: "killed" });
        await doomed.destroy();
      });

      it("leaves nothing: what is used afterwards refuses, or begins anew", async () => {
        const used = await started();
        await used.run(aCommand("echo x > file"));
        await used.destroy();
        const bytes = await used
          .readFile(`${used.workspace}/file`)
          .catch((error: unknown) => error);
        if (!(bytes instanceof SandboxError)) expect(bytes).toBeNull();
        const look = await used.run(aCommand("ls -A")).catch((error: unknown) => error);
        if (!(look instanceof SandboxError)) expect(look).toMatchObject({ stdout: "" });
      });

      it("of a sandbox never used does nothing", async () => {
        await (await make()).sandbox.destroy();
      });
    });
  });
}

/** Returns whether an error is one that the same call would meet again. */
function isLasting(error: unknown): boolean {
  return error instanceof SandboxError && !error.transient;
}
