import { randomBytes } from "node:crypto";
import type { FlyMachine } from "./fly-machine.ts";
import { forwardTo } from "./served-proxy.ts";

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
  const answered = await forwardTo(machine, request, url);
  if (!answered) return unreachable();
  for (const [name, value] of Object.entries(requestId())) answered.headers.set(name, value);
  return answered;
}

/** Fly documents no body for this. */
const unreachable = (): Response =>
  new Response("could not find a good candidate within 40 attempts at load balancing", {
    status: 503,
    headers: requestId(),
  });
