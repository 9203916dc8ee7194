import { env } from "cloudflare:workers";
import { cloudflare, type SdkObject } from "../sandbox/cloudflare";
import type { Sandbox } from "../sandbox/sandbox";

/** Whether there is something to stand for containers: elsewhere than on Linux, `npm run test:containers` has them. */
export const HAS_CONTAINERS = env.TEST_HAS_CONTAINERS;

/** Returns what stands for the SDK's object of a container: it runs the real runner, in a folder of this machine. */
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
    async own() {
      // What stands in for a container has no network of its own.
    },
  };
}

/** Returns the workspace of a container: not `/workspace`, which this machine has no room for. */
export async function workspaceOf(id: string): Promise<string> {
  return (await call(id, "workspace")).text();
}

/** A container ends as by a `kill -9`, and with it all that runs in it and its files. */
export async function killContainer(id: string): Promise<void> {
  await call(id, "die");
}

/** Returns a sandbox in a container that the tests stand in for. */
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
