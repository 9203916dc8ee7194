import { ARCHIVE_HOST } from "../../container/protocol";
import {
  ContainerSandbox as Base,
  ContainerProxy,
  PORTS_URL,
  sdkObject,
} from "../../sandbox/cloudflare";
import { serveTransfer } from "../../sandbox/transfers";

export { ContainerProxy };

/** A container that can be killed, as by `kill -9`. */
export class ContainerSandbox extends Base {
  async die(): Promise<void> {
    this.ctx.container?.signal(9);
  }
}

interface Env {
  CONTAINER_SANDBOXES: DurableObjectNamespace<ContainerSandbox>;
  SNAPSHOTS: R2Bucket;
}

// The sessions that know the tokens are in the Worker under test, which containers can't reach. Its bucket has the records
// of saved workspaces, and this Worker's bucket has their objects.
ContainerSandbox.outbound = (request: Request, env: Pick<Env, "SNAPSHOTS">) =>
  new URL(request.url).hostname === ARCHIVE_HOST
    ? serveTransfer(request, env.SNAPSHOTS, () => ({
        prefix: "objects/",
        bytesLeft: Number.POSITIVE_INFINITY,
      }))
    : new Response(null, { status: 403 });

/** Serves real containers with the protocol of their replacement in the tests: `/<id>/<method>`. */
export default {
  async fetch(request, env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, id = "", what] = pathname.split("/");
    if (what === "ports") {
      const target = PORTS_URL + request.url.split("/ports").slice(1).join("/ports");
      return env.CONTAINER_SANDBOXES.getByName(id).fetch(new Request(target, request));
    }
    const path = searchParams.get("path") ?? "";
    const sdk = sdkObject(env.CONTAINER_SANDBOXES, id);
    try {
      switch (what) {
        case "workspace":
          return new Response("/workspace");
        case "exec": {
          const { command, ...options } = await request.json<Asked>();
          return new Response(await sdk.execStream(command, options));
        }
        case "read":
          return new Response((await sdk.readFile(path, { encoding: "none" })).content);
        case "write":
          await sdk.writeFile(path, request.body ?? new ReadableStream());
          return new Response();
        case "outbound":
          // The requests of these containers are not polled for.
          return new Response(null, { status: 204 });
        case "destroy":
          await sdk.destroy();
          return new Response();
        case "die":
          await env.CONTAINER_SANDBOXES.getByName(id).die();
          return new Response();
        default:
          return new Response("Rigger's containers", {
            status: pathname === "/health" ? 200 : 404,
          });
      }
    } catch (error) {
      return new Response(error instanceof Error ? error.message : String(error), { status: 500 });
    }
  },
} satisfies ExportedHandler<Env>;

interface Asked {
  command: string;
  env: Record<string, string>;
  cwd: string;
}
