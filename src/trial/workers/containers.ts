import { ContainerSandbox as Base, ContainerProxy, sdkObject } from "../../sandbox/cloudflare";

export { ContainerProxy };

/** A container that can be killed, as by `kill -9`. */
export class ContainerSandbox extends Base {
  async die(): Promise<void> {
    this.ctx.container?.signal(9);
  }
}

interface Env {
  CONTAINER_SANDBOXES: DurableObjectNamespace<ContainerSandbox>;
}

/** Serves real containers with the protocol of their replacement in the tests: `/<id>/<method>`. */
export default {
  async fetch(request, env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, id = "", what] = pathname.split("/");
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
