import { env } from "cloudflare:workers";
import { cloudflare, type SdkObject } from "../sandbox/cloudflare";
import type { Sandbox } from "../sandbox/sandbox";

/**
 * Whether the tests can replace containers by local processes. This needs Linux; `npm run test:containers` uses
 * real containers.
 */
export const HAS_CONTAINERS = env.TEST_HAS_CONTAINERS;

/** Returns a replacement for the SDK's object of a container. It runs the real runner in a local folder. */
export function aContainer(id: string = crypto.randomUUID()): SdkObject {
  return {
    async execStream(command, options) {
      const response = await call(id, "exec", JSON.stringify({ command, ...options }));
      return response.body ?? new ReadableStream();
    },
    async readFile(path) {
      const response = await call(id, `read?path=${encodeURIComponent(path)}`);
      return { content: response.body ?? new ReadableStream() };
    },
    async writeFile(path, content) {
      await call(id, `write?path=${encodeURIComponent(path)}`, content);
    },
    async destroy() {
      await call(id, "destroy");
    },
    async setOwner() {
      // The replacement of a container has no separate network.
    },
  };
}

/** Returns the path of a container's workspace: a local folder, not `/workspace`. */
export async function workspaceOf(id: string): Promise<string> {
  return (await call(id, "workspace")).text();
}

/** Kills all processes of a container and removes its files, like `kill -9`. */
export async function killContainer(id: string): Promise<void> {
  await call(id, "die");
}

/** Returns a sandbox in a replaced container. */
export async function aContainerSandbox(
  options: { id?: string; machine?: string } = {},
): Promise<{ sandbox: Sandbox; workspace: string; id: string }> {
  const id = options.id ?? crypto.randomUUID();
  const workspace = await workspaceOf(id);
  const facts = { workspace, bucket: env.SNAPSHOTS, machine: options.machine };
  return { sandbox: cloudflare(aContainer(id), facts), workspace, id };
}

async function call(
  id: string,
  what: string,
  body?: string | ReadableStream<Uint8Array>,
): Promise<Response> {
  const request = body === undefined ? {} : { method: "POST", body };
  const response = await env.TEST_CONTAINERS.fetch(`http://container/${id}/${what}`, request);
  if (!response.ok) throw new Error(await response.text());
  return response;
}
