import { findTool, runTool } from "../../agent/tools";
import {
  type ContainerSandbox,
  cloudflare,
  type SdkObject,
  sdkObject,
} from "../../sandbox/cloudflare";
import type { Sandbox } from "../../sandbox/sandbox";

export { ContainerProxy, ContainerSandbox } from "../../sandbox/cloudflare";

interface Env {
  CONTAINER_SANDBOXES: DurableObjectNamespace<ContainerSandbox>;
  SNAPSHOTS: R2Bucket;
  /** The address of the replacement of containers; empty if real ones are measured. */
  STAND_IN: string;
}

/** The sandbox of a container, and how many calls have been made to the container. */
interface Counted {
  sandbox: Sandbox;
  workspace: string;
  calls: number;
}

const opened = new Map<string, Counted>();

/** Runs single tool calls in containers: `/<id>/start`, `/<id>/destroy`, and `/<id>/<tool>` with its input. */
export default {
  async fetch(request, env): Promise<Response> {
    const [, id = "", what = ""] = new URL(request.url).pathname.split("/");
    if (id === "health") return new Response();
    const container = opened.get(id) ?? (await open(id, env));
    opened.set(id, container);
    const { sandbox, workspace: cwd } = container;
    const before = container.calls;
    let failure: unknown;
    if (what === "start") await sandbox.start?.();
    else if (what === "destroy") await sandbox.destroy();
    else {
      const tool = findTool(what);
      if (!tool) return new Response(`there is no tool ${what}`, { status: 404 });
      const unused = () => Promise.reject(new Error("not in this benchmark"));
      const result = await runTool(tool, await request.json(), {
        sandbox,
        cwd,
        setCwd: () => {},
        callId: crypto.randomUUID(),
        interrupted: false,
        env: {},
        signal: new AbortController().signal,
        output: () => {},
        search: unused,
        wake: unused,
        fetch: unused,
      });
      if (result.isError) failure = result.content;
    }
    return Response.json({ calls: container.calls - before, failure });
  },
} satisfies ExportedHandler<Env>;

async function open(id: string, env: Env): Promise<Counted> {
  const standIn = (path: string, body?: BodyInit) =>
    askStandIn(env.STAND_IN, `${id}/${path}`, body);
  const sdk = env.STAND_IN ? overHttp(standIn) : sdkObject(env.CONTAINER_SANDBOXES, id);
  const workspace = env.STAND_IN ? await (await standIn("workspace")).text() : "/workspace";
  const counted: Counted = { workspace, calls: 0, sandbox: undefined as never };
  const facts = { workspace, bucket: env.SNAPSHOTS, session: id };
  counted.sandbox = cloudflare(counting(sdk, counted), facts);
  return counted;
}

/** Returns the object of a container with a count of its calls. */
function counting(sdk: SdkObject, counted: Counted): SdkObject {
  const count =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R => {
      counted.calls += 1;
      return call(...args);
    };
  return {
    id: sdk.id,
    execStream: count(sdk.execStream),
    readFile: count(sdk.readFile),
    writeFile: count(sdk.writeFile),
    destroy: count(sdk.destroy),
    setOwner: count(sdk.setOwner),
  };
}

/** Returns the object of a container's replacement. */
function overHttp(ask: (path: string, body?: BodyInit) => Promise<Response>): SdkObject {
  const at = (path: string) => `path=${encodeURIComponent(path)}`;
  return {
    id: "container",
    async execStream(command, options) {
      const { body } = await ask("exec", JSON.stringify({ command, ...options }));
      return body ?? new ReadableStream();
    },
    async readFile(path) {
      return { content: (await ask(`read?${at(path)}`)).body ?? new ReadableStream() };
    },
    writeFile: (path, content) => ask(`write?${at(path)}`, content),
    async destroy() {
      await ask("destroy");
    },
    async setOwner() {
      // It has no network of its own.
    },
  };
}

async function askStandIn(address: string, path: string, body?: BodyInit): Promise<Response> {
  const request = body === undefined ? {} : { method: "POST", body };
  const response = await fetch(`http://${address}/${path}`, request);
  if (!response.ok) throw new Error(await response.text());
  return response;
}
