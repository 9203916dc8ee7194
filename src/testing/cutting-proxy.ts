import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A proxy that cuts connections in the middle of streams. */
export interface CuttingProxy {
  url: string;
  /** After how many records a stream is cut; undefined for never. The argument counts the streams from 0. */
  cuts: (stream: number) => number | undefined;
  /** The number of streams so far. Whoever sets `cuts` sets it to 0. */
  streams: number;
  close(): void;
}

/** Starts a proxy of a server. */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const server = createServer((incoming, outgoing) => forward(incoming, outgoing));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: CuttingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: () => undefined,
    streams: 0,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };

  function forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url = "/", headers } = incoming;
    const { host: _, ...kept } = headers;
    const upstream = request(new URL(url, target), { method, headers: kept }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      if (!answer.headers["content-type"]?.startsWith("text/event-stream")) {
        answer.pipe(outgoing);
        return;
      }
      let left = proxy.cuts(proxy.streams++);
      answer.setEncoding("utf8");
      answer.on("data", (text: string) => {
        for (const piece of text.split(/(?<=\n\n)/)) {
          if (left === 0) {
            incoming.socket.destroy();
            upstream.destroy();
            return;
          }
          outgoing.write(piece);
          if (left !== undefined && piece.endsWith("\n\n")) left--;
        }
      });
      answer.on("end", () => outgoing.end());
    });
    upstream.on("error", () => incoming.socket.destroy());
    // A client that leaves has no more use of the answer.
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  }
  return proxy;
}
