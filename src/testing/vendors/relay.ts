import { serveHandler } from "./local-machine.ts";

// Relays the requests of machines to the Worker under test. That can't be called from outside, so it asks for them, and
// sends the answers.

/** How long one question for the next request waits, in ms. */
const WAIT_MS = 5_000;

/**
 * Serves the public address of the Worker under test, for machines and nobody else. `handle` answers the Worker. By
 * default the port is any free one.
 */
export async function startRelay(port = 0): Promise<{
  url: string;
  handle(request: Request): Promise<Response>;
}> {
  const waiting: { request: Request; answered: PromiseWithResolvers<Response> }[] = [];
  const open = new Map<string, PromiseWithResolvers<Response>>();
  let arrived = Promise.withResolvers<void>();
  let count = 0;
  const { url } = await serveHandler(relay, undefined, port);
  return { url, handle };

  async function relay(request: Request): Promise<Response> {
    // The address may be public, and the Worker under test answers anybody.
    const isOfMachine = new URL(request.url).pathname.startsWith("/machines/");
    if (!isOfMachine) return new Response(null, { status: 404 });
    const answered = Promise.withResolvers<Response>();
    waiting.push({ request, answered });
    arrived.resolve();
    return answered.promise;
  }

  async function handle(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/next") return next();
    const n = searchParams.get("n") ?? "";
    const headers = JSON.parse(request.headers.get("x-headers") ?? "{}");
    const status = Number(searchParams.get("status"));
    const body = status === 204 || status === 304 ? null : await request.arrayBuffer();
    open.get(n)?.resolve(new Response(body, { status, headers }));
    open.delete(n);
    return new Response(null, { status: 204 });
  }

  async function next(): Promise<Response> {
    if (waiting.length === 0) {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, WAIT_MS);
      await Promise.race([arrived.promise, late]);
      clearTimeout(timer);
    }
    const asked = waiting.shift();
    if (waiting.length === 0) arrived = Promise.withResolvers<void>();
    if (!asked) return new Response(null, { status: 204 });
    const { request, answered } = asked;
    count += 1;
    const n = String(count);
    open.set(n, answered);
    return new Response(await request.arrayBuffer(), {
      headers: {
        "x-n": n,
        "x-method": request.method,
        "x-url": request.url,
        "x-headers": JSON.stringify(Object.fromEntries(request.headers)),
      },
    });
  }
}
