import { strict as assert } from "node:assert";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { PREVIEW_SERVER } from "../testing/preview-server.ts";
import { type Json, openTrial, until } from "./client.ts";

// Trials of servers in containers that are reached from outside.

/** Checks what previews do at hosts of their own. Returns the number of rules that did not hold. */
export async function tryPreviews(): Promise<number> {
  const trial = await openTrial({ OFFLINE_MODEL: "true", PREVIEW_DOMAIN: "localhost" });
  const { rule, create, call, bash } = trial;
  await rule("a server at a loopback address is reached at a host of its own", async () => {
    const id = await create({ pattern: "hybrid", maxIdleTimeMs: 20_000 });
    const content = JSON.stringify({
      file_path: "/workspace/server.mjs",
      content: PREVIEW_SERVER,
    });
    await call("POST", `/sessions/${id}/message`, { prompt: `/Write ${content}` });
    const serve = `node server.mjs 127.0.0.1 > port 2> /dev/null & until [ -s port ]; do sleep 0.05; done`;
    const said = await bash(id, `${serve}; echo "port $(cat port)"`);
    const port = Number(/port (\d+)/.exec(said)?.[1]);
    const { url, id: previewId } = await call("POST", `/sessions/${id}/previews`, { port });
    const address = new URL(String(url));
    assert.match(address.hostname, /\.localhost$/);

    const bytes = randomBytes(20_000_000);
    const echoed = JSON.parse(await textOf(send(address, "/echo?a=b", bytes)));
    const { method, size, hash } = echoed as Json;
    assert.deepEqual([method, echoed.url, size], ["POST", "/echo?a=b", bytes.length]);
    assert.equal(hash, createHash("sha256").update(bytes).digest("hex"));
    assert.equal((echoed.headers as Json).host, address.host);
    assert.equal((await textOf(send(address, "/answer?n=5000000"))).length, 5_000_000);

    const [events] = (await once(send(address, "/events"), "response")) as [IncomingMessage];
    assert.equal(String((await once(events, "data"))[0]), "data: one\n\n");
    events.destroy();

    const socket = await upgraded(address);
    for (const text of ["hello", "x".repeat(100_000)]) {
      assert.equal(await echoOf(socket, Buffer.from(text)), text);
    }
    socket.destroy();

    const statusOf = async (path = "/") =>
      ((await once(send(address, path), "response")) as [IncomingMessage])[0].statusCode;
    await bash(id, "pkill -f server.mjs; rm port");
    await until(async () => (await statusOf()) === 502);
    const state = async () => ((await call("GET", `/sessions/${id}`)).sandbox as Json).state;
    await until(async () => (await state()) === "suspended");
    assert.equal(await statusOf(), 503);
    assert.equal(await state(), "suspended");
    // The preview is one of the session: it leads into the next container too.
    const again = `sed -i 's/listen(0/listen(${port}/' server.mjs; ${serve}`;
    await bash(id, again);
    assert.equal(await statusOf("/echo"), 200);
    await call("DELETE", `/sessions/${id}/previews/${previewId}`);
    assert.equal(await statusOf("/echo"), 404);
    await call("DELETE", `/sessions/${id}`);
  });
  return trial.broken();
}

/** Sends a request to an address. Node does not look up names below `localhost`, as browsers do. */
function send(address: URL, path: string, body?: Buffer, headers: Record<string, string> = {}) {
  const options = {
    ...{ host: "127.0.0.1", port: address.port, path, method: body ? "POST" : "GET" },
    headers: { host: address.host, ...headers },
  };
  const sent = request(options);
  sent.end(body);
  return sent;
}

async function textOf(sent: ReturnType<typeof send>): Promise<string> {
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function upgraded(address: URL): Promise<Duplex> {
  const sent = send(address, "/socket", undefined, {
    ...{ connection: "Upgrade", upgrade: "websocket" },
    ...{ "sec-websocket-key": randomBytes(16).toString("base64"), "sec-websocket-version": "13" },
  });
  const [answer, socket] = (await once(sent, "upgrade")) as [IncomingMessage, Duplex];
  assert.equal(answer.statusCode, 101);
  return socket;
}

/** Sends a text over a WebSocket, unmasked by a mask of zeros. Returns the text of the frames that answer it. */
async function echoOf(socket: Duplex, text: Buffer): Promise<string> {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(text.length));
  const head = text.length < 126 ? [0x81, 0x80 | text.length] : [0x81, 0xff, ...size];
  socket.write(Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), text]));
  let received = Buffer.alloc(0);
  for (;;) {
    received = Buffer.concat([received, (await once(socket, "data"))[0] as Buffer]);
    const length = (received[1] ?? 0) & 127;
    const start = length < 126 ? 2 : length === 126 ? 4 : 10;
    if (received.length >= start + text.length) return received.subarray(start).toString();
  }
}
