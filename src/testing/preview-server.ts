/**
 * A server for tests of previews, as a script of Node. It listens on a loopback address, `127.0.0.1` or `::1`, writes its
 * port to stdout, and answers:
 *
 *   /echo…            with what it was asked: method, URL, headers and the SHA-256 of the body
 *   /answer?h=…       with a body of `n` bytes, a status and these headers, each `name: value`
 *   /gzip             with a compressed body
 *   /events           with one event at once, and then nothing
 *   /early            before it has read the body
 *   a WebSocket       with what it is sent; `close <code> <reason>` closes it
 */
export const PREVIEW_SERVER = `
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://x");
  if (pathname === "/early") {
    response.writeHead(413).end("too much");
    return;
  }
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of request) {
    size += piece.length;
    hash.update(piece);
  }
  if (pathname.startsWith("/echo")) {
    const { method, url, headers } = request;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, url, headers, size, hash: hash.digest("hex") }));
  } else if (pathname === "/answer") {
    const headers = searchParams.getAll("h").flatMap((one) => one.split(/: (.*)/s).slice(0, 2));
    response.writeHead(Number(searchParams.get("status") ?? 200), headers);
    response.end(Buffer.alloc(Number(searchParams.get("n") ?? 0), "x"));
  } else if (pathname === "/gzip") {
    const body = gzipSync("packed ".repeat(100));
    response.writeHead(200, { "content-encoding": "gzip", "content-length": body.length }).end(body);
  } else if (pathname === "/events") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: one\\n\\n");
  } else response.writeHead(404).end("nothing here");
});

const frame = (opcode, payload) => {
  const { length } = payload;
  const size = length < 126 ? [length] : length < 65536 ? [126, length >> 8, length & 255]
    : [127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...size]), payload]);
};

server.on("upgrade", (request, socket, head) => {
  if (request.url === "/refused") {
    socket.end("HTTP/1.1 403 Forbidden\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nno");
    return;
  }
  const accept = createHash("sha1")
    .update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
    .digest("base64");
  const protocol = request.headers["sec-websocket-protocol"]?.split(",")[0];
  socket.write(["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
    "Sec-WebSocket-Accept: " + accept, ...(protocol ? ["Sec-WebSocket-Protocol: " + protocol] : []), "", ""].join("\\r\\n"));
  socket.on("error", () => {});
  let rest = head;
  const read = (piece) => {
    rest = Buffer.concat([rest, piece]);
    for (;;) {
      if (rest.length < 6) return;
      const opcode = rest[0] & 15;
      let at = 2;
      let length = rest[1] & 127;
      if (length === 126) { length = rest.readUInt16BE(2); at = 4; }
      else if (length === 127) { length = Number(rest.readBigUInt64BE(2)); at = 10; }
      if (rest.length < at + 4 + length) return;
      const mask = rest.subarray(at, at + 4);
      const payload = Buffer.from(rest.subarray(at + 4, at + 4 + length).map((byte, n) => byte ^ mask[n % 4]));
      rest = rest.subarray(at + 4 + length);
      if (opcode === 8) return socket.end(frame(8, payload));
      const [, code, reason] = opcode === 1 ? /^close (\\d+) (.*)$/.exec(payload) ?? [] : [];
      if (code) socket.write(frame(8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)])));
      else if (opcode === 1 || opcode === 2) socket.write(frame(opcode, payload));
    }
  };
  socket.on("data", read);
  read(Buffer.alloc(0));
});

// A visit tries 127.0.0.1 first, where another program of this computer may listen at the same port.
const listen = () => server.listen(0, process.argv[2], () => {
  const { port } = server.address();
  if (process.argv[2] === "127.0.0.1") return console.log(port);
  const other = createServer();
  other.on("error", () => server.close(listen));
  other.listen(port, "127.0.0.1", () => other.close(() => console.log(port)));
});
listen();
`;
