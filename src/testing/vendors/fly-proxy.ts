import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { z } from "zod";
import type { FlyMachine } from "./fly-machine.ts";
import type { LocalMachine } from "./local-machine.ts";

/** Returns the header that identifies a request in the answers of Fly. */
export const requestId = (): Record<string, string> => ({
  "fly-request-id": `01${randomBytes(12).toString("hex").toUpperCase()}-iad`,
});

/** How long the proxy tries to reach a machine. The real one takes longer. */
const PATIENCE_MS = 2_000;

/**
 * Forwards a request for `<app>.fly.dev` to the machine that its header names, or to any that runs. Only a machine with a
 * service on port 443 is reached, and one that does not run only if its service is started automatically.
 */
export async function proxyTo(
  machines: readonly FlyMachine[],
  request: Request,
  host: string,
  url: URL,
): Promise<Response> {
  const id = request.headers.get("fly-force-instance-id");
  const machine = machines.find(
    (one) =>
      `${one.app}.fly.dev` === host && (id === null ? one.state === "started" : one.id === id),
  );
  const service = machine?.config.services?.find(({ ports }) =>
    ports?.some(({ port, handlers }) => port === 443 && handlers?.join() === "tls,http"),
  );
  if (!machine || !service) return unreachable();
  if (machine.state !== "started" && service.autostart) {
    if (machine.state === "stopped" || machine.state === "suspended") machine.start();
    await machine.waitFor(["started"], PATIENCE_MS);
  }
  if (!(await machine.listens(PATIENCE_MS))) return unreachable();
  const { disk } = machine;
  for (const [name, value] of [...url.searchParams]) {
    url.searchParams.set(name, disk.toLocal(value));
  }
  const { method, signal } = request;
  const body = await bodyFor(disk, request);
  const answered = await fetch(`http://127.0.0.1:${machine.port}${url.pathname}${url.search}`, {
    method,
    headers: headersOf(request),
    signal,
    ...(body !== null && { body, duplex: "half" }),
  } as RequestInit).catch(() => null);
  if (!answered) return unreachable();
  const output =
    answered.body === null
      ? null
      : Readable.fromWeb(answered.body as Parameters<typeof Readable.fromWeb>[0]);
  const translated = output?.pipe(disk.toMachine());
  output?.on("error", (error) => translated?.destroy(error));
  return new Response(translated ? (Readable.toWeb(translated) as ReadableStream) : null, {
    status: answered.status,
    headers: {
      "content-type": answered.headers.get("content-type") ?? "application/octet-stream",
      ...requestId(),
    },
  });
}

/** Fly documents no body for this. */
const unreachable = (): Response =>
  new Response("could not find a good candidate within 40 attempts at load balancing", {
    status: 503,
    headers: requestId(),
  });

const startRequest = z.looseObject({
  env: z.record(z.string(), z.string()),
  cwd: z.string().optional(),
});

/** Returns the body of a request with local paths in the place of the machine's, where it asks to start a program. */
async function bodyFor(disk: LocalMachine, request: Request): Promise<BodyInit | null> {
  if (!request.headers.get("content-type")?.includes("application/json")) return request.body;
  const asked = startRequest.parse(await request.json());
  return JSON.stringify({
    ...asked,
    env: disk.variablesToLocal(asked.env),
    ...(asked.cwd !== undefined && { cwd: disk.local(asked.cwd) }),
  });
}

/** Returns the headers that the proxy passes on. */
function headersOf({ headers }: Request): Record<string, string> {
  const left = ["host", "connection", "content-length", "transfer-encoding"];
  return {
    ...Object.fromEntries([...headers].filter(([name]) => !left.includes(name))),
    ...requestId(),
  };
}
