import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { createHandler } from "../http/handler";
import { cloudflare } from "../sandbox/cloudflare";
import { aCommand } from "../sandbox/contract";
import { providers } from "../sandbox/providers";
import type { SessionSpec } from "../session/rpc";
import type { Settings } from "../settings";
import { aContainer, aContainerSandbox, containerObjects, workspaceOf } from "./containers";
import { PREVIEW_SERVER } from "./preview-server";
import { createSession, newSessionId, read, until } from "./sessions";

// Sessions in replaced containers whose ports are reached.

const workspaces = new Map<string, string>();

/** Puts the sessions of `aSessionWithPorts` into replaced containers. Restore the mocks afterwards. */
export function installContainers(): void {
  vi.spyOn(providers, "cloudflare").mockImplementation((_, { id, machine, isOpen }) =>
    cloudflare(aContainer(id), {
      workspace: workspaces.get(id) ?? "",
      ...{ bucket: env.SNAPSHOTS, machine, isOpen },
    }),
  );
}

/** Creates a session in a replaced container, and waits until that runs. Returns the session's id. */
export async function aSessionWithPorts(changes: Partial<SessionSpec> = {}): Promise<string> {
  const id = newSessionId();
  workspaces.set(id, await workspaceOf(id));
  await createSession({ pattern: "hybrid", ...changes, id, provider: "cloudflare" });
  await until(async () => (await read(id)).sandbox.state === "ready", 10_000);
  return id;
}

/** Starts the server for tests in a session's container, at a loopback address. Returns its port. */
export async function serveIn(id: string, address = "127.0.0.1"): Promise<number> {
  const { sandbox, workspace } = await aContainerSandbox({ id });
  await sandbox.writeFile(`${workspace}/server.mjs`, new TextEncoder().encode(PREVIEW_SERVER));
  const command = `rm -f port; node server.mjs ${address} > port & until [ -s port ]; do sleep 0.02; done; cat port`;
  return Number((await sandbox.run(aCommand(command))).stdout);
}

/** Runs a command in a session's container, which the session does not know of. */
export async function runIn(id: string, command: string): Promise<string> {
  const { sandbox } = await aContainerSandbox({ id });
  return (await sandbox.run(aCommand(command))).stdout;
}

/** The bindings of the Worker: the stand-in takes the requests of containers' objects, and one asset answers for all. */
const bindings = {
  ...env,
  ASSETS: { fetch: async () => new Response("an asset") } as unknown as Fetcher,
  CONTAINER_SANDBOXES: containerObjects,
};

/** Returns what sends requests to a Worker with these settings. */
export function aVisitor(settings: Settings) {
  const handle = createHandler(settings);
  const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
  return (url: string, init?: RequestInit): Promise<Response> =>
    handle(new Request(url, { redirect: "manual", ...init }), bindings, context);
}
