import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

// WebSockets of a stand-in that only sends.

/** Upgrades a connection of a Node server and sends these messages. Ends when the client closes it. */
export async function overSocket(
  request: IncomingMessage,
  socket: Duplex,
  messages: AsyncIterable<Uint8Array>,
): Promise<void> {
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  socket.write(`${[...head, `Sec-WebSocket-Accept: ${accept}`].join("\r\n")}\r\n\r\n`);
  socket.on("error", () => {});
  // The client sends nothing but its farewell.
  socket.on("data", () => socket.end());
  for await (const message of messages) {
    if (!socket.writable) return;
    socket.write(frame(0x2, message));
  }
  if (socket.writable) socket.write(frame(0x8, Uint8Array.of(1000 >> 8, 1000 & 255)));
}

/** Returns a frame of at most 64 KiB, as a server sends it. */
function frame(opcode: number, message: Uint8Array): Uint8Array {
  const { length } = message;
  const size = length < 126 ? [length] : [126, length >> 8, length & 255];
  return Buffer.concat([Uint8Array.of(0x80 | opcode, ...size), message]);
}
