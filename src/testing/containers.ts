import { env } from "cloudflare:workers";
import { cloudflare, type SdkObject } from "../sandbox/cloudflare";
import type { Sandbox } from "../sandbox/sandbox";
import { grantOf, serveTransfer } from "../sandbox/transfers";

/**
 * Whether the tests can replace containers by local processes. This needs Linux; `npm run test:containers` uses
 * real containers.
 */
export const HAS_CONTAINERS = env.TEST_HAS_CONTAINERS;

/** Returns a replacement for the SDK's object of a container. It runs the real runner in a local folder. */
export function aContainer(id: string = crypto.randomUUID()): SdkObject {
  return {
    id,
    async execStream(command, options) {
      const response = await call(id, "exec", JSON.stringify({ command, ...options }));
      if (options.env.RIGGER_ASK?.includes('"token"')) answerRequests(id).catch(() => {});
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

/** Stands for the objects of containers where requests for their ports are sent. */
export const containerObjects = {
  getByName: (id: string) => ({
    fetch(target: string, init: RequestInit) {
      const { pathname, search } = new URL(target);
      return env.TEST_CONTAINERS.fetch(`http://container/${id}/ports${pathname}${search}`, init);
    },
  }),
} as unknown as Env["CONTAINER_SANDBOXES"];

/** How containers' requests for objects are answered. Tests may inject faults. */
export const transfers = {
  answer: (request: Request): Promise<Response> => serveTransfer(request, env.SNAPSHOTS, grantOf),
};

/** Answers a container's requests for objects, while commands run in it. */
async function answerRequests(id: string): Promise<void> {
  for (;;) {
    const poll = await call(id, "outbound");
    if (poll.status === 204) return;
    // The next request is answered meanwhile. A container that was killed needs no answer.
    answerRequest(id, poll).catch(() => {});
  }
}

async function answerRequest(id: string, poll: Response): Promise<void> {
  const method = poll.headers.get("x-method") ?? "";
  const body = method === "PUT" ? await poll.arrayBuffer() : null;
  const headers: Record<string, string> = body ? { "content-length": `${body.byteLength}` } : {};
  const url = `http://archive/${poll.headers.get("x-path")}`;
  const request = new Request(url, { method, headers, ...(body && { body }) });
  const said = await transfers
    .answer(request)
    .catch((error) => new Response(String(error), { status: 502 }));
  const n = poll.headers.get("x-n");
  await call(id, `answer?n=${n}&status=${said.status}`, await said.arrayBuffer());
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
  body?: string | ArrayBuffer | ReadableStream<Uint8Array>,
): Promise<Response> {
  const request = body === undefined ? {} : { method: "POST", body };
  const response = await env.TEST_CONTAINERS.fetch(`http://container/${id}/${what}`, request);
  if (!response.ok) throw new Error(await response.text());
  return response;
}
