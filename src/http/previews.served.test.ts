import { request } from "node:http";
import { beforeAll, expect, inject, it } from "vitest";
import { Rigger, type SessionHandle } from "../client/rigger.ts";
import { PREVIEW_SERVER } from "../testing/preview-server.ts";

// A preview of a server in a machine, at a host name of its own, as a browser reaches it.

const url = inject("serverUrl");
const rigger = new Rigger({ url });
let session: SessionHandle;
let port = 0;

/** Requests a path at an address. Node does not look up names below `localhost`, as browsers do. */
function get(address: string, headers: Record<string, string> = {}) {
  const { host, hostname, port, pathname, search } = new URL(address);
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  expect(hostname).toMatch(/\.localhost$/);
  const options = {
    host: "127.0.0.1",
    port,
    path: pathname + search,
    headers: { host, ...headers },
  };
  request(options, async (response) => {
    const pieces: Buffer[] = [];
    for await (const piece of response) pieces.push(piece);
    resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() });
  })
    .on("error", reject)
    .end();
  return promise;
}

beforeAll(async () => {
  session = await rigger.create({
    pattern: "long-running",
    config: { sandbox: { provider: "e2b" } },
  });
  const run = async (tool: string, input: object) => {
    const { result } = await session.send(`/${tool} ${JSON.stringify(input)}`).message();
    return result ?? "";
  };
  await run("Write", { file_path: "/workspace/server.mjs", content: PREVIEW_SERVER });
  const command =
    "node server.mjs 127.0.0.1 > port & until [ -s port ]; do sleep 0.05; done; cat port";
  await run("Bash", { command });
  for await (const event of session.log()) {
    if (event.type === "tool.completed" && event.name === "Bash")
      port = Number.parseInt(event.content, 10);
  }
});

it("a preview is reached at its own host, over HTTP and a WebSocket, until it is deleted", async () => {
  const { id, url: address } = await session.previews.create(port);
  expect(new URL(address).port).toBe(new URL(url).port);
  const echoed = await get(`${address}echo?a=b`, { cookie: "a=1" });
  expect(echoed.status).toBe(200);
  expect(JSON.parse(echoed.text)).toMatchObject({ url: "/echo?a=b", headers: { cookie: "a=1" } });

  // The name is for the Worker, and the address for the connection.
  const { host } = new URL(address);
  const socket = upgraded(host, "/socket");
  expect(await socket).toMatch(/^HTTP\/1\.1 101 /);

  expect((await session.previews.list()).map((one) => one.id)).toEqual([id]);
  await session.previews.delete(id);
  expect((await get(address)).status).toBe(404);
});

it("no host below the domain has a page or an endpoint of the deployment", async () => {
  const { host } = new URL(url.replace("127.0.0.1", "localhost"));
  for (const path of [
    "/",
    "/index.html",
    "/main.js",
    "/docs",
    "/openapi.json",
    "/api/me",
    "/health",
  ]) {
    const { status, text } = await get(`http://other.${host}${path}`);
    expect([status, text]).toEqual([404, expect.stringContaining("Rigger: This preview")]);
  }
  expect((await fetch(`${url}/`)).headers.get("content-type")).toContain("text/html");
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect((await fetch(`${url}/nothing`)).status).toBe(404);
});

/** Asks for a WebSocket. Returns the head of the answer. */
function upgraded(host: string, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const key = Buffer.alloc(16).toString("base64");
  const headers = {
    ...{ host, connection: "Upgrade", upgrade: "websocket" },
    ...{ "sec-websocket-key": key, "sec-websocket-version": "13" },
  };
  request({ host: "127.0.0.1", port: new URL(url).port, path, headers })
    .on("upgrade", ({ statusCode, statusMessage }, socket) => {
      socket.destroy();
      resolve(`HTTP/1.1 ${statusCode} ${statusMessage}`);
    })
    .on("response", ({ statusCode }) => resolve(`HTTP/1.1 ${statusCode}`))
    .on("error", reject)
    .end();
  return promise;
}
