import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { client, methods, ndJsonStream, type SessionUpdate } from "@agentclientprotocol/sdk";
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from "vitest";
import { Rigger } from "../client/rigger.ts";

// The built command line, as it is used: as a process, in a terminal, and by an editor.

const CLI = fileURLToPath(new URL("../../dist/cli.mjs", import.meta.url));
const FROM_SCRIPTS = { timeout: 30_000 };

const url = inject("serverUrl");
const rigger = new Rigger({ url });
let directory = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rigger-cli-"));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Starts the command line; its stdin is empty unless `input` is null, which leaves it open. */
function launch(args: string[], input: string | null = "", env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, RIGGER_URL: url, ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  if (input !== null) child.stdin.end(input);
  return child;
}

async function ended(child: ChildProcess) {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new Error("there is no output");
  const [out, err, [code]] = await Promise.all([text(stdout), text(stderr), once(child, "exit")]);
  return { code, out, err };
}

const rig = (args: string[], input?: string, env?: Record<string, string>) =>
  ended(launch(args, input, env));

const jsonLines = (out: string) =>
  out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

const LOOKUP = {
  name: "lookup",
  description: "Returns a thing by its id.",
  inputSchema: { type: "object", properties: { id: { type: "integer" } } },
};

const newSession = async (config = {}) => (await rigger.create({ pattern: "hybrid", config })).id;

/** Waits until the first message of a session has the status. */
async function untilMessage(id: string, status: string): Promise<void> {
  const statusOf = async () => (await rigger.session(id).messages().next()).value?.status;
  await expect.poll(statusOf, { timeout: 15_000 }).toBe(status);
}

describe("rigger run", FROM_SCRIPTS, () => {
  it("prints the result, and nothing else", async () => {
    const { code, out, err } = await rig(["run", '/Bash {"command":"echo hi"}\n/say Done.']);
    expect({ code, out, err }).toEqual({ code: 0, out: "Done.\n", err: "" });
  });

  it("reads the prompt from stdin, alone or after an argument", async () => {
    expect((await rig(["run"], "/say From stdin.")).out).toBe("From stdin.\n");
    expect((await rig(["run", "Look:", "-"], "/say At the end.")).out).toBe("At the end.\n");
  });

  it.each([
    [3, "a limit was reached", ["--max-turns", "1"], '/Bash {"command":"ls"}'],
    [4, "the message has failed", [], "/fail 400"],
  ])("ends with %d if %s", async (code, _, options, prompt) => {
    const result = await rig(["run", ...options, prompt]);
    expect(result.code).toBe(code);
    expect(result.err).toMatch(/^rigger: .+\n$/);
  });

  it("prints the message as JSON", async () => {
    const { code, out } = await rig(["run", "--json", "--tag", "x", "/fail 400"]);
    expect(code).toBe(4);
    expect(JSON.parse(out)).toMatchObject({ status: "failed", error: { type: "upstream_error" } });
  });

  it.each(["SIGINT", "SIGTERM"] as const)("interrupts the message at %s", async (signal) => {
    const id = await newSession();
    const child = launch(["run", "--session", id, "/delay 60000\nnever"]);
    const result = ended(child);
    await untilMessage(id, "running");
    child.kill(signal);
    expect((await result).code).toBe(130);
    await untilMessage(id, "interrupted");
  });

  it("takes the fields of a file, and its options before them", async () => {
    const path = join(directory, "session.json");
    const body = { pattern: "hybrid", tags: ["file"], config: { systemPrompt: "Hello." } };
    await writeFile(path, JSON.stringify(body));
    const { out } = await rig(["new", "--body", path, "--tag", "option", "--json"]);
    expect(JSON.parse(out)).toMatchObject({
      pattern: "hybrid",
      tags: ["option"],
      config: { systemPrompt: "Hello." },
    });
  });
});

describe("rigger", FROM_SCRIPTS, () => {
  it.each([
    [["nothing"], '"nothing" is no command. See: rigger help'],
    [["ls", "--nothing"], "Unknown option '--nothing'. See: rigger help ls"],
    [["tail"], "<session> is missing. See: rigger help tail"],
    [["show", "a", "b"], '"b" is one argument too many. See: rigger help show'],
    [["approve", "--deny"], "Name the approval to decide about. See: rigger help approve"],
    [["answer", "--error"], "Name the call to answer. See: rigger help answer"],
    [["answer", "toolu_1"], "Give the result: a text, - for stdin, or --file."],
    [["answer", "toolu_1", "-", "--file", "x"], "Give the result:"],
    [["answer", "toolu_1", "--file", "/none"], "--file /none can't be read (ENOENT)."],
    [["mcp", "authorize", "sess_1", "one"], "Give --body: a file, or - for stdin."],
    [["files", "put", "sess_1", "/none"], "/none can't be read (ENOENT)."],
    [["files", "put", "sess_1", "/"], "/ is a directory."],
    [["ls", "--status", "old"], "--status is one of"],
    [["ls", "--url", "nowhere"], '"nowhere" is no URL.'],
    [["run", " "], "The prompt is empty."],
    [["run", "-s", "sess_1", "-m", "x", "hi"], "--model is for a new session only."],
    [["chat", "sess_1", "--continue"], "not both."],
  ])("refuses %j on one line, with 2", async (args, message) => {
    const { code, out, err } = await rig(args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^rigger: [^\n]+\n$/);
    expect(err).toContain(message);
  });

  it("names the request of an error", async () => {
    const unknown = await rig(["show", "sess_1"]);
    expect(unknown.code).toBe(1);
    expect(unknown.err).toMatch(/^rigger: [^\n]+ \(404, req_[0-9a-f]+\)\n$/);
  });

  it("says of a path that it does not send what is wrong, and nothing of the server", async () => {
    const outside = await rig(["files", "get", "sess_1", "../x"]);
    expect(outside.code).toBe(1);
    expect(outside.err).toBe('rigger: "../x" is no path below the workspace.\n');
  });

  it("sends the key, and says where it comes from if it is refused", async () => {
    // The server under test lets everybody in.
    const keys: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      keys.push(request.headers.authorization);
      const error = { type: "authentication_error", message: "The key is unknown." };
      response.writeHead(401).end(JSON.stringify({ type: "error", error, requestId: "req_1" }));
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const env = { RIGGER_URL: `http://127.0.0.1:${port}`, RIGGER_KEY: "rk_1" };
    const { code, err } = await rig(["ls"], "", env);
    expect(code).toBe(1);
    expect(err).toBe("rigger: The key is unknown. (401, req_1) Set RIGGER_KEY, or use --key.\n");
    await rig(["ls", "--key", "rk_2"], "", env);
    expect(keys).toEqual(["Bearer rk_1", "Bearer rk_2"]);
  });

  it("says that a deployment can't be reached", async () => {
    const { code, err } = await rig(["ls"], "", { RIGGER_URL: "http://127.0.0.1:9" });
    expect(code).toBe(1);
    expect(err).toMatch(/^rigger: The API can't be reached/);
  });

  it("prints JSON that parses, and nothing else", async () => {
    const { out } = await rig(["new", "--tag", "json"]);
    const id = out.trim();
    await rigger.session(id).send('/Bash {"command":"printf \\"\\\\033[31m\\""}\nhi').message();
    for (const args of [
      ["show", id],
      ["ls", "--tag", "json"],
      ["tail", id, "--once"],
      ["stats", "--by", "model"],
      ["keys"],
      ["interrupt", id],
      ["update", id, "--max-turns", "9"],
      ["share", id],
    ]) {
      const result = await rig([...args, "--json"]);
      expect(result.code, args.join(" ")).toBe(0);
      expect(result.err).toBe("");
      if (result.out !== "") expect(() => jsonLines(result.out)).not.toThrow();
    }
  });

  it("ends quietly when nobody reads any more", async () => {
    const id = await newSession();
    await rigger.session(id).send("/tokens 3000\nlong").message();
    const command = `"${process.execPath}" "${CLI}" tail ${id} | head -n 1; echo \${PIPESTATUS[0]}`;
    const result = spawn("bash", ["-c", command], { env: { ...process.env, RIGGER_URL: url } });
    const ending = ended(result);
    // The session goes on, so a reader that is gone is noticed with the next event.
    while (result.exitCode === null) await rigger.session(id).send("more").message();
    const { out, err } = await ending;
    expect(out).toMatch(/session\.created.*\n0\n$/);
    expect(err).toBe("");
  });

  it("exports to a file that is complete", async () => {
    const id = await newSession();
    await rigger.session(id).send("hello").message();
    const file = join(directory, "out.jsonl");
    expect((await rig(["export", id, "--output", file])).code).toBe(0);
    expect(jsonLines(await readFile(file, "utf8")).at(-1)).toMatchObject({ type: "end" });
    expect((await rig(["export", "sess_1", "--output", join(directory, "no")])).code).toBe(1);
    expect((await readdir(directory)).filter((name) => /no|part/.test(name))).toEqual([]);
    expect((await rig(["export", id])).out).toBe(await readFile(file, "utf8"));
  });

  it("writes, lists, reads and deletes the files of a session", async () => {
    const id = await newSession();
    const local = join(directory, "local.txt");
    await writeFile(local, "one\n");
    expect(await rig(["files", "put", id, local])).toMatchObject({
      ...{ code: 0, out: "", err: "Created local.txt.\n" },
    });
    const put = await rig(["files", "put", "--json", id, "-", "d/two"], "two");
    expect(JSON.parse(put.out)).toMatchObject({ path: "d/two", created: true });
    const again = await rig(["files", "put", "--new", id, local]);
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining("(412, req_") });
    expect((await rig(["files", "put", id, "-"])).code).toBe(2);
    expect((await rig(["files", "ls", id])).out).toMatch(/0644\s+4\s+.*local\.txt/);
    const listed = await rig(["files", "ls", "--recursive", "--json", id, "d/"]);
    expect(jsonLines(listed.out)).toMatchObject([{ path: "d/two", size: 3 }]);
    expect((await rig(["files", "get", id, "local.txt"])).out).toBe("one\n");
    const copy = join(directory, "copy.txt");
    await rig(["files", "get", "--output", copy, id, "d/two"]);
    expect(await readFile(copy, "utf8")).toBe("two");
    const tar = join(directory, "all.tar");
    expect((await rig(["files", "archive", "-o", tar, id])).code).toBe(0);
    const names = spawnSync("tar", ["-tf", tar], { encoding: "utf8" }).stdout;
    expect(names).toBe("d/\nd/two\nlocal.txt\n");
    expect((await rig(["files", "rm", id, "d"])).code).toBe(1);
    expect((await rig(["files", "rm", "-r", id, "d/", "local.txt"])).code).toBe(0);
    expect((await rig(["files", "ls", id])).out).not.toContain("local");
    const missing = await rig(["files", "get", "-o", join(directory, "none"), id, "none"]);
    expect(missing).toMatchObject({ code: 1, out: "", err: expect.stringContaining("404") });
    expect(await readdir(directory)).not.toContain("none");
  });

  it("lists and downloads artifacts: all, or by path or id", async () => {
    const id = await newSession({ artifacts: ["dist/*"] });
    const write = (text: string) =>
      `/Write {"file_path":"/workspace/dist/a.txt","content":"${text}"}`;
    for (const text of ["one", "two"]) await rig(["run", "--session", id, write(text)]);
    const listed = await rig(["artifacts", "ls", "--json", id]);
    const [newest, oldest] = jsonLines(listed.out);
    expect([newest.path, oldest.path]).toEqual(["dist/a.txt", "dist/a.txt"]);
    expect((await rig(["artifacts", "ls", id])).out).toMatch(/ARTIFACT .*\nart_.* 3 +dist\/a\.txt/);

    const get = (...names: string[]) => rig(["artifacts", "get", "-o", directory, id, ...names]);
    const file = join(directory, "dist", "a.txt");
    const all = await get();
    expect({ ...all, text: await readFile(file, "utf8") }).toEqual({
      ...{ code: 0, out: `${file}\n`, err: "", text: "two" },
    });
    expect((await get(oldest.id)).code).toBe(0);
    expect(await readFile(file, "utf8")).toBe("one");
    expect(await readdir(join(directory, "dist"))).toEqual(["a.txt"]);
    expect((await get("none.txt")).err).toMatch(/has no artifact none\.txt/);
  });

  it("follows a session until it ends", async () => {
    const id = await newSession();
    const following = ended(launch(["tail", id]));
    await rigger.session(id).send("hello").message();
    expect((await rig(["terminate", id, "--reason", "enough"])).code).toBe(0);
    const { code, out } = await following;
    expect(code).toBe(0);
    expect(out.trimEnd().split("\n").at(-1)).toMatch(/session\.terminated +\{"reason":"enough"\}$/);
    expect((await rig(["rm", id])).code).toBe(0);
    await expect(rigger.session(id).read()).rejects.toMatchObject({ status: 404 });
  });

  it("lists what waits for approval, and decides", async () => {
    const session = await newSession({ askTools: ["Bash"] });
    const prompt = '/Bash {"command":"ls"}\n/say Done.';
    const running = ended(launch(["run", "--session", session, prompt]));
    const pending = async () => (await rigger.session(session).approvals())[0]?.id;
    await expect.poll(pending, { timeout: 15_000 }).toMatch(/^appr_/);
    const id = (await pending()) ?? "";
    const table = async () => (await rig(["approve"])).out;
    // The list comes from the index, which may lag.
    await expect.poll(table, { timeout: 15_000 }).toMatch(`${id}  ${session}`);
    const list = jsonLines((await rig(["approve", "--json"])).out);
    expect(list.find((one) => one.id === id)).toMatchObject({ input: { command: "ls" } });
    expect(await rig(["approve", id, "--note", "once"])).toMatchObject({ code: 0, out: "" });
    const { code, out, err } = await running;
    expect({ code, out }).toEqual({ code: 0, out: "Done.\n" });
    expect(err).toBe(`Decide with: rigger approve ${id} (or --deny)\n`);
    expect(await rig(["approve", id])).toMatchObject({ code: 1 });
  });

  it("lists the calls that wait for results, and gives them", async () => {
    const session = await newSession({ clientTools: [LOOKUP] });
    const prompt = '/lookup {"id":1} & /lookup {"id":2} & /lookup {"id":3}\n/say Done.';
    const running = ended(launch(["run", "--session", session, prompt]));
    const waiting = () => rigger.session(session).toolRequests();
    await expect.poll(waiting, { timeout: 15_000 }).toHaveLength(3);
    const [one = "", two = "", three = ""] = (await waiting()).map(({ toolUseId }) => toolUseId);
    const table = async () => (await rig(["answer"])).out;
    // The list comes from the index, which may lag.
    await expect.poll(table, { timeout: 15_000 }).toMatch(`${one}  ${session}`);
    const list = jsonLines((await rig(["answer", "--json"])).out);
    expect(list.find((call) => call.toolUseId === one)).toMatchObject({ input: { id: 1 } });

    expect(await rig(["answer", one, "a chair"])).toMatchObject({
      ...{ code: 0, out: "", err: `The call has its result. Others wait: ${two}, ${three}.\n` },
    });
    const failed = await rig(["answer", "--session", session, "--json", "--error", two, "-"], "no");
    expect(JSON.parse(failed.out)).toEqual({ taken: [two], awaited: [three] });
    const file = join(directory, "result.txt");
    await writeFile(file, "a table\n");
    expect((await rig(["answer", three, "--file", file])).code).toBe(0);

    const { code, out, err } = await running;
    expect({ code, out }).toEqual({ code: 0, out: "Done.\n" });
    const hints = [one, two, three].map(
      (id) => `Answer with: rigger answer ${id} <result> (or --error)\n`,
    );
    expect(err).toBe(hints.join(""));
    const results: unknown[] = [];
    for await (const event of rigger.session(session).log()) {
      if (event.type === "tool.completed") results.push([event.content, event.isError]);
    }
    expect(results).toEqual([
      ["a chair", false],
      ["no", true],
      ["a table\n", false],
    ]);
    expect(await rig(["answer", one, "again"])).toMatchObject({
      ...{ code: 1, err: `rigger: No call waits for a result: ${one}.\n` },
    });
  });

  it("lists MCP servers, and gives them new access", async () => {
    const id = await newSession({ mcpServers: { one: { url: "http://127.0.0.1:9/mcp" } } });
    expect((await rig(["mcp", "ls", id])).out).toMatch(
      /^SERVER .*\none +http:\/\/127\.0\.0\.1:9 +none +0 +not used yet\n$/,
    );
    const oauth = { tokenUrl: "http://127.0.0.1:9/t", clientId: "rigger", refreshToken: "rt_1" };
    const given = await rig(["mcp", "authorize", id, "one", "--body", "-"], JSON.stringify(oauth));
    expect(given).toMatchObject({ code: 0, out: "" });
    const [server] = jsonLines((await rig(["mcp", "ls", id, "--json"])).out);
    expect(server).toMatchObject({ name: "one", authorization: "oauth" });
    expect((await rig(["mcp", "authorize", id, "one", "--body", "-"], "[]")).code).toBe(2);
    expect(
      (await rig(["mcp", "authorize", id, "two", "--body", "-"], JSON.stringify(oauth))).code,
    ).toBe(1);
    expect((await rig(["mcp", "ls", await newSession()])).err).toBe(
      "The session has no MCP servers.\n",
    );
  });

  it("creates, rotates, revokes and lists keys", async () => {
    const created = await rig(["keys", "create", "cli", "--scope", "keys:write"]);
    const key = created.out.trim();
    expect(key).toMatch(/^rk_\w+$/);
    const list = await rig(["keys", "--json"]);
    const { id } = jsonLines(list.out).find(({ name }) => name === "cli");
    const rotated = await rig(["keys", "rotate", id, "--grace", "1h"]);
    expect(rotated.out).not.toBe(created.out);
    expect((await rig(["keys", "revoke", id])).code).toBe(0);
    const used = await rig(["keys", "--json"]);
    expect(jsonLines(used.out).find((one) => one.id === id).revokedAt).not.toBeNull();
  });
});

describe("rigger chat", FROM_SCRIPTS, () => {
  it("sends each line of stdin, and those after a backslash with it", async () => {
    const id = await newSession();
    const { code, out } = await rig(["chat", id], "/say one\nhello \\\n/say two\n/quit\n/say no");
    expect(code).toBe(0);
    expect(out).toMatch(/one\n.*\n\ntwo\n/);
    const prompts: unknown[] = [];
    for await (const { prompt } of rigger.session(id).messages()) prompts.push(prompt);
    expect(prompts).toEqual(["/say one", "hello \n/say two"]);
  });

  it("goes on after a message that is refused, and ends with the session", async () => {
    const id = await newSession();
    await rigger.session(id).update({ maxTurns: 1 });
    const { code, err } = await rig(["chat", id, "--agent", "nobody"], "hello\nagain\n");
    expect(code).toBe(0);
    expect(err.match(/nobody/g)).toHaveLength(2);
    const last = await rig(["chat", id], '/Bash {"command":"ls"}\nnever\n');
    expect(last.err).toContain(`rigger chat --resume ${id}`);
  });
});

const TMUX = spawnSync("tmux", ["-V"]).status === 0;
if (!TMUX) process.stderr.write("tmux is missing: rigger chat is NOT tested in a terminal.\n");

/** A terminal of its own server, with a shell. */
function terminal(width: number, height: number, env: Record<string, string> = {}) {
  const socket = join(directory, `tmux-${Math.random().toString(36).slice(2)}`);
  const { NO_COLOR: _, FORCE_COLOR: __, ...own } = process.env;
  const tmux = (...args: string[]) =>
    spawnSync("tmux", ["-S", socket, "-f", "/dev/null", ...args], { encoding: "utf8", env: own })
      .stdout;
  const variables = Object.entries({ RIGGER_URL: url, ...env }).flatMap(([name, value]) => [
    "-e",
    `${name}=${value}`,
  ]);
  tmux("new-session", "-d", "-x", `${width}`, "-y", `${height}`, ...variables, "sh");
  onTestFinished(() => void tmux("kill-server"));
  const screen = () => tmux("capture-pane", "-p", "-S", "-");
  return {
    screen,
    coloured: () => tmux("capture-pane", "-p", "-e", "-S", "-"),
    keys: (...keys: string[]) => tmux("send-keys", ...keys),
    type: (line: string) => {
      tmux("send-keys", "-l", line);
      tmux("send-keys", "Enter");
    },
    until: (pattern: RegExp) => expect.poll(screen, { timeout: 15_000 }).toMatch(pattern),
    untilGone: (pattern: RegExp) => expect.poll(screen, { timeout: 15_000 }).not.toMatch(pattern),
  };
}

async function bodyWithAgents(): Promise<string> {
  const path = join(directory, "agents.json");
  await writeFile(path, JSON.stringify({ config: { customAgents: { helper: {} } } }));
  return path;
}

describe.skipIf(!TMUX)("rigger chat in a terminal", FROM_SCRIPTS, () => {
  const CHAT = `'${process.execPath}' '${CLI}' chat`;
  const PROMPT = /› *\n*$/;

  it.each([
    [100, 30],
    [40, 12],
  ])("asks for approvals and shows calls and costs, at %d×%d", async (width, height) => {
    const { type, until, screen } = terminal(width, height);
    type(`${CHAT} --ask Bash`);
    await until(PROMPT);
    type('/Bash {"command":"echo one"}\\');
    type("/say All right.");
    await until(/asks for approval\n {2}echo one\n {2}Allow it\?/);
    type("y for once");
    await until(/● Bash echo one \(\d+ ms\)[\s\S]*All right\.\n\$0\.\d+ · 2 turns · [^\n]+\n\n›/);
    expect(screen()).toMatch(/allowed by anonymous: for once/);
  });

  it("denies, and remembers a decision", async () => {
    const { type, until } = terminal(100, 40);
    type(`${CHAT} --ask Bash`);
    await until(PROMPT);
    type('/Bash {"command":"echo one"}\\');
    type('/Bash {"command":"echo one"}\\');
    type('/Bash {"command":"echo two"}');
    await until(/echo one\n {2}Allow it\?/);
    type("what");
    await until(/Answer y, n or a/);
    type("a");
    // The second call is the same.
    await until(/echo two\n {2}Allow it\?/);
    type("n not today");
    await until(/denied by anonymous: not today[\s\S]*›/);
  });

  it("shows a call above its own question, if several wait", async () => {
    const { type, until, screen } = terminal(100, 40);
    type(`${CHAT} --ask Task --body '${await bodyWithAgents()}'`);
    await until(PROMPT);
    const task = (prompt: string) => `/Task {"subagent_type":"helper","prompt":"${prompt}"}`;
    type(`${task("one")} & ${task("two")}`);
    await until(/"prompt": "one"\n {2}\}\n {2}Allow it\?/);
    expect(screen()).not.toContain('"prompt": "two"');
    type("n");
    await until(/denied[\s\S]*"prompt": "two"\n {2}\}\n {2}Allow it\?/);
    type("n");
    await until(/denied[\s\S]*denied[\s\S]*›/);
  });

  it("interrupts at Ctrl-C, leaves at Ctrl-D, and goes on where it was", async () => {
    const { type, until, untilGone, keys, screen } = terminal(100, 30);
    type(CHAT);
    await until(PROMPT);
    type("/delay 60000");
    await until(/Thinking \d s/);
    keys("C-c");
    await until(/Interrupted\.\n\$0[^›]*›/);
    keys("C-d");
    await until(/Go on with: rigger chat sess_/);
    const id = /rigger chat (sess_\w+)/.exec(screen())?.[1] ?? "";
    await untilMessage(id, "interrupted");
    type("clear");
    await untilGone(/Go on with/);
    type(`${CHAT} ${id}`);
    await until(/› \/delay 60000\nInterrupted\./);
  });

  it("shows a message that runs already, and interrupts it", async () => {
    const id = await newSession();
    const message = rigger.session(id).send("/delay 60000\nnever").message();
    await untilMessage(id, "running");
    const { type, until, keys } = terminal(100, 30);
    type(`${CHAT} ${id}`);
    await until(/› \/delay 60000\nnever\n. Thinking \d s/);
    keys("C-c");
    await until(/Interrupted\.\n\$0/);
    expect((await message).status).toBe("interrupted");
  });

  it("asks again for what waits since it was left", async () => {
    const id = await newSession({ askTools: ["Bash"] });
    const { type, until, untilGone, keys } = terminal(100, 30);
    type(`${CHAT} ${id}`);
    await until(PROMPT);
    type('/Bash {"command":"echo one"}');
    await until(/Allow it\?/);
    keys("C-d");
    await until(/Go on with/);
    // The question of before is not taken for the next one.
    type("clear");
    await untilGone(/Go on with/);
    type(`${CHAT} ${id}`);
    await until(/Allow it\?/);
    type("y");
    await until(/Bash returned: one\n\$0/);
    keys("C-d");
    await until(/Go on with/);
    type("clear");
    await untilGone(/Go on with/);
    type(`${CHAT} ${id}`);
    // What was decided is not asked again.
    await until(/Bash returned: one\n\$0[^?]*›/);
  });

  it("shows a call that waits for its result, and takes the answer, also later", async () => {
    const id = await newSession({ clientTools: [LOOKUP] });
    const { type, until, untilGone, screen } = terminal(100, 40);
    type(`${CHAT} ${id}`);
    await until(PROMPT);
    type('/lookup {"id":1} & /lookup {"id":2}');
    await until(/"id": 2\n {2}\}\nAnswer with: \/answer <result>, or rigger answer toolu_\w+ <res/);
    type("/answer a chair");
    await until(/● lookup \{"id":1\} .*\n {2}a chair/);
    await until(/Answered: lookup \{"id":1\}/);
    type("/quit");
    await until(/Go on with/);
    type("clear");
    await untilGone(/Go on with/);
    type(`${CHAT} ${id}`);
    await until(/"id": 2\n {2}\}\nAnswer with/);
    // What has its result is not asked for again.
    expect(screen()).not.toContain('"id": 1');
    type("/answer a table");
    await until(/lookup returned: a chair\n\s*lookup returned: a table\n\$0[\s\S]*›/);
    type("/answer more");
    await until(/No call waits for a result\./);
  });

  it("takes nothing for an answer that was typed before the question", async () => {
    const id = await newSession({ askTools: ["Bash"] });
    const { type, until, keys, screen } = terminal(100, 40);
    type(`${CHAT} ${id}`);
    await until(PROMPT);
    type("/delay 1500\\");
    type('/Bash {"command":"echo one"} & /Bash {"command":"echo two"}');
    await until(/Thinking/);
    type("yes, next");
    await until(/echo one\n[\s\S]*session: *\n/);
    keys("-l", "y");
    await until(/session: y/);
    // Somebody else decides while the answer is typed.
    const [first] = await rigger.session(id).approvals();
    await rigger.session(id).deny(first?.id ?? "");
    await until(/echo two\n {2}Allow it\?[^\n]*session: *\n/);
    keys("Enter");
    await until(/Answer y, n or a/);
    type("n");
    await until(/You said: yes, next/);
    expect(screen()).not.toMatch(/allowed by/);
  });

  it("lets what is typed while the agent works join its message", async () => {
    const { type, until, screen } = terminal(100, 30);
    type(CHAT);
    await until(PROMPT);
    type('/Bash {"command":"sleep 2; echo one"}\\');
    type("never said");
    await until(/Bash sleep 2/);
    type("as you wish");
    await until(/● Bash sleep 2[\s\S]*› as you wish\n[\s\S]*You said: as you wish[\s\S]*2 turns/);
    expect(screen()).not.toContain("You said: never said");
  });

  it("has colours unless NO_COLOR says otherwise, and none of the model's", async () => {
    const hostile = '/Bash {"command":"printf \'\\\\033[35mred\\\\033]0;title\\\\007\'"}';
    for (const env of [{}, { NO_COLOR: "1" }]) {
      const { type, until, coloured } = terminal(100, 30, env);
      type(CHAT);
      await until(PROMPT);
      type(hostile);
      await until(/\n {2}red\n[\s\S]*turns/);
      const escapes = coloured().match(/\p{Cc}\[[\d;]*m/gu) ?? [];
      expect(escapes.filter((one) => one.includes("35"))).toEqual([]);
      expect(escapes.length > 0).toBe(!("NO_COLOR" in env));
    }
  });

  it("takes pasted lines as one message", async () => {
    const { type, until, keys, screen } = terminal(100, 30);
    type(CHAT);
    await until(PROMPT);
    keys("-l", "Look.\n/say pasted\nend");
    keys("Enter");
    await until(/pasted\n\$0\.\d+ · 1 turn ·/);
    expect(screen().match(/1 turn/g)).toHaveLength(1);
  });
});

describe("rigger acp", FROM_SCRIPTS, () => {
  /** Starts an editor that answers requests for permission. */
  function edit(args: string[], decide: (title: string) => string | undefined = () => "allow") {
    const child = launch(["acp", ...args], null);
    const updates: SessionUpdate[] = [];
    const asked: string[] = [];
    const input = Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>;
    const connection = client({ name: "editor" })
      .onNotification(methods.client.session.update, ({ params }) => {
        updates.push(params.update);
      })
      .onRequest(methods.client.session.requestPermission, ({ params }) => {
        asked.push(params.toolCall.title ?? "");
        const optionId = decide(params.toolCall.title ?? "");
        if (optionId === undefined) return { outcome: { outcome: "cancelled" } };
        return { outcome: { outcome: "selected", optionId } };
      })
      .connect(ndJsonStream(Writable.toWeb(child.stdin), input));
    const { agent } = connection;
    const initialize = () =>
      agent.request(methods.agent.initialize, { protocolVersion: 1, clientCapabilities: {} });
    const create = async () => {
      await initialize();
      const created = agent.request(methods.agent.session.new, { cwd: "/", mcpServers: [] });
      return (await created).sessionId;
    };
    const prompt = (sessionId: string, text: string) =>
      agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: "text", text }] });
    const said = (kind: SessionUpdate["sessionUpdate"]) =>
      updates
        .filter((one) => one.sessionUpdate === kind)
        .map((one) => ("content" in one ? (one.content as { text?: string }).text : ""))
        .join("");
    return { agent, child, updates, asked, initialize, create, prompt, said };
  }

  it("streams text and calls, and ends with the editor", async () => {
    const { create, prompt, updates, said, child } = edit(["--tag", "editor"]);
    const id = await create();
    const { stopReason } = await prompt(id, '/Bash {"command":"echo hi"}\n/say Done.');
    expect(stopReason).toBe("end_turn");
    expect(said("agent_message_chunk")).toBe("Done.");
    const calls = updates.filter((one) => /^tool_call/.test(one.sessionUpdate));
    expect(calls[0]).toMatchObject({ kind: "execute", title: "Bash echo hi", name: "Bash" });
    expect(calls.at(-1)).toMatchObject({ status: "completed", rawOutput: "hi" });
    expect((await rigger.session(id).read()).tags).toEqual(["editor"]);
    child.stdin.end();
    await expect.poll(() => child.exitCode).toBe(0);
  });

  it("asks the editor for permission: once, always, and no", async () => {
    const decide = (title: string) =>
      /one/.test(title) ? "always" : /two/.test(title) ? "deny" : "allow";
    const { create, prompt, asked, said } = edit(["--ask", "Bash"], decide);
    const calls = ["one", "one", "two", "three"].map((word) => `/Bash {"command":"echo ${word}"}`);
    const id = await create();
    await prompt(id, calls.join("\n"));
    expect(asked).toEqual(["Bash echo one", "Bash echo two", "Bash echo three"]);
    expect(said("agent_message_chunk")).toMatch(/Bash failed/);
  });

  it("cancels the message, also while it asks", async () => {
    const { agent, create, prompt, updates, asked } = edit(["--ask", "Bash"], () => undefined);
    const id = await create();
    const cancel = () => agent.notify(methods.agent.session.cancel, { sessionId: id });
    const first = prompt(id, "/delay 60000\nnever");
    await untilMessage(id, "running");
    await cancel();
    expect(await first).toEqual({ stopReason: "cancelled" });
    const second = prompt(id, '/Bash {"command":"ls"}');
    await expect.poll(() => asked).toHaveLength(1);
    await cancel();
    expect(await second).toEqual({ stopReason: "cancelled" });
    expect(updates.at(-1)).toMatchObject({ status: "failed" });
  });

  it("loads a session with what it has done, and what it still does", async () => {
    const id = await newSession();
    const session = rigger.session(id);
    await session.send('/Bash {"command":"echo hi"}\n/say Done.').message();
    const running = session.send("/delay 3000\n/say Later.").message();
    await expect.poll(async () => (await session.read()).numTurns).toBeGreaterThan(1);
    const { agent, initialize, said, updates } = edit([]);
    const { agentCapabilities } = await initialize();
    expect(agentCapabilities).toMatchObject({ loadSession: true });
    const request = { sessionId: id, cwd: "/", mcpServers: [] };
    await agent.request(methods.agent.session.load, request);
    expect(said("user_message_chunk")).toMatch(/^\/Bash/);
    expect(said("agent_message_chunk")).toMatch(/^Done\./);
    expect(updates.some((one) => one.sessionUpdate === "tool_call")).toBe(true);
    await running;
    await expect.poll(() => said("agent_message_chunk")).toBe("Done.Later.");
    const next = session.send("/delay 60000\nnever").message();
    const lastStatus = async () => {
      const { messages } = await rigger.get("/api/sessions/{id}/messages", { path: { id } });
      return messages.at(-1)?.status;
    };
    await expect.poll(lastStatus).toBe("running");
    updates.length = 0;
    await agent.request(methods.agent.session.load, request);
    await agent.notify(methods.agent.session.cancel, { sessionId: id });
    expect((await next).status).toBe("interrupted");
    const unknown = agent.request(methods.agent.session.load, { ...request, sessionId: "sess_1" });
    await expect(unknown).rejects.toMatchObject({ code: -32002 });
  });

  it("ends with the editor while a message runs, which goes on", async () => {
    const { create, prompt, child } = edit([]);
    const id = await create();
    prompt(id, "/delay 1000\n/say Alone.").catch(() => {});
    await untilMessage(id, "running");
    child.stdin.end();
    await expect.poll(() => child.exitCode).toBe(0);
    await untilMessage(id, "completed");
  });

  it("fails a prompt whose message fails", async () => {
    const { create, prompt } = edit([]);
    const failing = prompt(await create(), "/fail 400");
    await expect(failing).rejects.toMatchObject({ code: -32603, message: /told to fail/ });
  });
});
