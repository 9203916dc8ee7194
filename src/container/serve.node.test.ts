import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

// The HTTP server of the runner, as a machine starts it.

const TOKEN = "0123456789abcdef";
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };
const home = mkdtempSync(join(tmpdir(), "rigger-serve-"));
const servers: ChildProcess[] = [];
let url = "";

/** Starts a server with a runner that is this script of bash. Returns its process and address. */
async function serve(
  script: string,
  env: Record<string, string> = {},
): Promise<{ child: ChildProcess; address: string }> {
  const directory = mkdtempSync(join(home, "bin-"));
  const entry = join(directory, "serve.ts");
  // Beside it stands the runner that it starts.
  for (const name of ["serve.ts", "ports.ts", "protocol.ts"]) {
    writeFileSync(join(directory, name), readFileSync(new URL(name, import.meta.url)));
  }
  writeFileSync(join(directory, "rigger-run"), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  const port = await freePort();
  const child = spawn(process.execPath, [entry], {
    env: {
      PATH: process.env.PATH,
      RIGGER_HOME: home,
      RIGGER_PORT: port,
      RIGGER_TOKEN: TOKEN,
      ...env,
    },
    stdio: "ignore",
  });
  servers.push(child);
  const address = `http://127.0.0.1:${port}`;
  const isUp = () =>
    fetch(`${address}/health`).then(
      ({ status }) => status === 204,
      () => false,
    );
  while (!(await isUp())) {
    // Another process may have taken the port meanwhile.
    if (child.exitCode !== null) return serve(script, env);
    await sleep(50);
  }
  return { child, address };
}

async function freePort(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    server.close(() => resolve(String(port)));
  });
  return promise;
}

const start = (body: string, init: RequestInit = {}) =>
  fetch(`${url}/start`, { method: "POST", headers: AUTHORIZED, body, ...init });
const eventsOf = async (response: Response) =>
  (await response.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

beforeAll(async () => {
  ({ address: url } = await serve('echo "$WORD"; echo "token:$RIGGER_TOKEN" >&2; $DO; exit 3'));
});
afterAll(() => {
  for (const child of servers) child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

describe("the runner's server", () => {
  it("starts the runner with the variables of a request and sends its events", async () => {
    const events = await eventsOf(await start(JSON.stringify({ env: { WORD: "hällo" } })));
    expect(events.at(-1)).toEqual({ type: "complete", exitCode: 3 });
    expect(events).toContainEqual({ type: "stdout", data: "hällo\n" });
    // The runner, and what it runs, do not get the server's token.
    expect(events).toContainEqual({ type: "stderr", data: "token:\n" });
  });

  it.each([
    {},
    { authorization: "Bearer other" },
    { authorization: TOKEN },
    { "x-rigger-token": "" },
  ])("answers nobody without the token: %j", async (headers) => {
    for (const [method, path] of [
      ["POST", "/start"],
      ["PUT", "/files?path=/x"],
      ["GET", "/alive"],
    ]) {
      const body = method === "GET" ? null : "{}";
      expect((await fetch(url + path, { method, headers, body } as RequestInit)).status).toBe(401);
    }
  });

  it("knows its token in a header of its own too, where a proxy needs another one", async () => {
    const statusOf = async (own: string, authorization: string) => {
      const headers = { authorization, "x-rigger-token": own };
      return (await fetch(`${url}/alive`, { headers })).status;
    };
    expect(await statusOf(TOKEN, "Bearer for-the-proxy")).toBe(204);
    expect(await statusOf("other", `Bearer ${TOKEN}`)).toBe(401);
  });

  it("answers nobody if it has no token", async () => {
    const { address } = await serve("exit 0", { RIGGER_TOKEN: "" });
    for (const authorization of ["", "Bearer ", "Bearer"]) {
      const { status } = await fetch(`${address}/alive`, { headers: { authorization } });
      expect(status).toBe(401);
    }
  });

  it("writes files below the runner's folder only", async () => {
    const put = (path: string) =>
      fetch(`${url}/files?path=${encodeURIComponent(path)}`, {
        method: "PUT",
        headers: AUTHORIZED,
        body: "b",
      });
    expect((await put(`${home}/inbox/new/file`)).status).toBe(204);
    expect(readFileSync(`${home}/inbox/new/file`, "utf8")).toBe("b");
    for (const path of ["/etc/rigger", `${home}/../rigger`, "", home]) {
      expect((await put(path)).status).toBe(403);
    }
  });

  it("refuses what it can't read, and goes on", async () => {
    for (const body of ["", "{", "null", '{"env": 1', "[]"]) {
      const response = await start(body);
      expect([200, 400]).toContain(response.status);
      await response.text();
    }
    expect((await start(`"${"x".repeat(3 * 1024 ** 2)}"`)).status).toBe(413);
    expect((await fetch(`${url}/other`, { headers: AUTHORIZED })).status).toBe(404);
    expect((await fetch(`${url}/alive`, { headers: AUTHORIZED })).status).toBe(204);
  });

  it("lets the runner go on when its caller has gone", async () => {
    const gone = new AbortController();
    const mark = join(home, "went-on");
    const env = { WORD: "begun", DO: `eval sleep 0.3; touch ${mark}` };
    const response = await start(JSON.stringify({ env }), { signal: gone.signal });
    await response.body?.getReader().read();
    gone.abort();
    await expect.poll(() => existsSync(mark), { timeout: 5_000 }).toBe(true);
  });

  describe("passes a request with a port on to a server", () => {
    const other = createHttpServer((request, response) => {
      const { method, url, rawHeaders } = request;
      response.writeHead(200, { "x-one": ["a", "b"] });
      response.write(`${JSON.stringify({ method, url, rawHeaders })}\n`);
      request.pipe(response);
    });
    other.on("upgrade", (_, socket, head) => {
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: own\r\nConnection: Upgrade\r\n\r\n",
      );
      socket.write(head);
      socket.pipe(socket);
    });
    let port = "";
    beforeAll(async () => {
      await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
      const address = other.address();
      port = String(typeof address === "object" ? address?.port : 0);
    });
    afterAll(() => void other.close());
    const ask = (path: string, headers: Record<string, string>, init: RequestInit = {}) =>
      fetch(url + path, { ...init, headers: { "x-rigger-port": port, ...headers } });

    it("as it is, with the headers that were carried and none of the way", async () => {
      const headers = {
        ...{ authorization: "Bearer for-the-proxy", "x-rigger-token": TOKEN, cookie: "proxy=1" },
        ...{ "x-forwarded-for": "10.0.0.1", "fly-region": "iad", via: "proxy", "x-own": "kept" },
        "x-rigger-of-host": "preview.test",
        "x-rigger-of-authorization": "Basic own",
        "x-rigger-of-x-forwarded-for": "203.0.113.9",
      };
      const answer = await ask("/start?a=%20", headers, { method: "POST", body: "said" });
      expect(answer.headers.get("x-one")).toBe("a, b");
      const [first = "", body] = (await answer.text()).split("\n");
      const { method, url: path, rawHeaders } = JSON.parse(first);
      expect([method, path, body]).toEqual(["POST", "/start?a=%20", "said"]);
      const pairs = (rawHeaders as string[]).flatMap((name, n) =>
        n % 2 ? [] : [[name.toLowerCase(), rawHeaders[n + 1]]],
      );
      const got = Object.fromEntries(pairs);
      expect(got).toMatchObject({
        host: "preview.test",
        authorization: "Basic own",
        "x-forwarded-for": "203.0.113.9",
        "x-own": "kept",
      });
      const names = Object.keys(got).join();
      expect(names).not.toMatch(/x-rigger|cookie|fly|via/);
    });

    it("for nobody without the token", async () => {
      for (const headers of [{}, { "x-rigger-token": "other" }] as Record<string, string>[]) {
        const answer = await ask("/", headers);
        expect([answer.status, answer.headers.get("x-rigger-closed")]).toEqual([401, "machine"]);
        expect(await upgraded(headers)).toMatch(/^HTTP\/1\.1 401 [\s\S]*x-rigger-closed: machine/);
      }
    });

    it("that listens, or says that none does", async () => {
      const headers = { "x-rigger-token": TOKEN, "x-rigger-port": "1" };
      const answer = await ask("/", headers);
      expect([answer.status, answer.headers.get("x-rigger-closed")]).toEqual([502, "port"]);
      expect(await upgraded(headers)).toMatch(/^HTTP\/1\.1 502 [\s\S]*x-rigger-closed: port/);
    });

    it("and joins the connections of an upgrade", async () => {
      const headers = { "x-rigger-token": TOKEN };
      expect(await upgraded(headers, "said")).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\nsaid$/);
    });

    /** Asks for an upgrade and returns all that is answered, until `last` if it is given. */
    function upgraded(headers: Record<string, string>, last?: string): Promise<string> {
      const all = { "x-rigger-port": port, connection: "Upgrade", upgrade: "own", ...headers };
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
      const { promise, resolve } = Promise.withResolvers<string>();
      let text = "";
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      socket.on("data", (piece) => {
        text += piece;
        if (last !== undefined && text.endsWith(last)) socket.destroy();
      });
      socket.on("close", () => resolve(text));
      socket.write(`GET / HTTP/1.1\r\nhost: x\r\n${lines.join("")}\r\n${last ?? ""}`);
      return promise;
    }
  });

  it("ends when nobody has asked for longer than the machine may live", async () => {
    const { child } = await serve("exit 0", { RIGGER_IDLE_MS: "300" });
    const ended = new Promise((done) => child.once("exit", done));
    expect(await ended).toBe(0);
  });
});
