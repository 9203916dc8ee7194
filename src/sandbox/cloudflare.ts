// Sandboxes in Cloudflare's containers. The only file that uses `@cloudflare/sandbox`: to start our runner in a
// container, to move bytes, and to end containers that are not needed.

import {
  type ExecEvent,
  getSandbox,
  parseSSEStream,
  Sandbox as SdkSandbox,
} from "@cloudflare/sandbox";
import {
  CLOSED_HEADER,
  PORT_HEADER,
  PORTS_PORT,
  RUNNER_HOME,
  STOP_PATH,
  TOKEN_HEADER,
} from "../container/protocol";
import { errorText, log } from "../shared/log";
import { type Bucket, completeParts, partName } from "./archive";
import { handleOutbound } from "./outbound";
import { createRunnerClient, mapErrors } from "./runner-client";
import { type OldPart, runnerSandbox } from "./runner-sandbox";
import { type Sandbox, SandboxError } from "./sandbox";
import { serveTransfer } from "./transfers";

/** The part of the SDK's object that is used. */
export interface SdkObject {
  /** The id of the container, by which its object is found. */
  id: string;
  execStream(
    command: string,
    options: { env: Record<string, string>; cwd: string },
  ): Promise<ReadableStream<Uint8Array>>;
  readFile(
    path: string,
    options: { encoding: "none" },
  ): Promise<{ content: ReadableStream<Uint8Array> }>;
  writeFile(path: string, content: ReadableStream<Uint8Array>): Promise<unknown>;
  destroy(): Promise<void>;
  /** Stores the session that the container belongs to. */
  setOwner(session: string): Promise<void>;
}

export { ContainerProxy } from "@cloudflare/sandbox";

/** The interval at which the SDK reports a container as idle. */
const SLEEP_AFTER = "10m";
/** The interval at which a container asks its session whether it is needed. */
const ASK_MS = 10 * 60_000;

/** The session of a container, and the id by which the session knows the container. */
interface Owner {
  session: string;
  id: string;
}

const OWNER = "rigger.owner";

/** The address of servers in the container, for its object. No such host exists. */
export const PORTS_URL = "http://ports.rigger";

/**
 * The Durable Object of one container. The container runs as long as its session needs it, used or idle, and
 * its requests go where the session allows.
 */
export class ContainerSandbox extends SdkSandbox<Cloudflare.Env> {
  override enableInternet = false;
  override interceptHttps = true;
  #ownedAt = 0;
  #askedAt = Date.now();

  /**
   * Stores the session of the container and the container's id there. Until then its requests are refused. A
   * repeat changes nothing.
   */
  async setOwner(session: string, id: string): Promise<void> {
    this.#ownedAt = Date.now();
    if ((await this.#owner())?.session === session) return;
    await this.setOutboundHandler("egress", { session });
    await this.ctx.storage.put(OWNER, { session, id } satisfies Owner);
  }

  /** Passes requests for servers in the container on to its own server for them. Starts no container. */
  override async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).origin !== PORTS_URL) return super.fetch(request);
    const { container } = this.ctx;
    if (container?.running) return container.getTcpPort(PORTS_PORT).fetch(request);
    return new Response(null, { status: 503, headers: { [CLOSED_HEADER]: "machine" } });
  }

  /** Keeps the container if its session needs it: the SDK's idle timer would stop it, and lose its files. */
  override async onActivityExpired(): Promise<void> {
    await this.#destroyUnlessWanted();
  }

  /**
   * Asks the session at intervals whether the container is needed. The SDK's alarm fires every few minutes
   * while the container runs, also if a program keeps it from ever being idle.
   */
  override async alarm(...args: Parameters<SdkSandbox["alarm"]>): Promise<void> {
    const isDue = Date.now() - this.#askedAt >= ASK_MS;
    if (isDue && (await this.#owner())) await this.#destroyUnlessWanted();
    await super.alarm(...args);
  }

  async #destroyUnlessWanted(): Promise<void> {
    const askedAt = Date.now();
    this.#askedAt = askedAt;
    try {
      const owner = await this.#owner();
      const wanted = owner && (await sessionOf(this.env, owner.session).needsContainer(owner.id));
      // The container may have been started meanwhile.
      if (!wanted && this.#ownedAt < askedAt) await this.destroy();
    } catch (error) {
      log("sandbox.owner_silent", { error: errorText(error) });
    }
  }

  #owner(): Promise<Owner | undefined> {
    return this.ctx.storage.get<Owner>(OWNER);
  }
}

// Not static fields: they would hide the setters of the class above.
ContainerSandbox.outbound = (request: Request) =>
  handleOutbound(request, { ...WORLD, egress: async () => ({ to: "nowhere" }) });
ContainerSandbox.outboundHandlers = {
  egress: (request: Request, env: Cloudflare.Env, { params }: { params?: unknown }) => {
    const session = sessionOf(env, (params as { session: string }).session);
    return handleOutbound(request, {
      ...WORLD,
      egress: (host) => session.egress(host),
      callModel: (call) => {
        const { pathname, search } = new URL(call.url);
        return session.fetch(new Request(`https://session/model${pathname}${search}`, call));
      },
      callMcp: (call) => {
        const { pathname } = new URL(call.url);
        return session.fetch(new Request(`https://session/mcp${pathname}`, call));
      },
      archive: (call) => answerRunner(call, env.SNAPSHOTS, session),
    });
  },
};

/** Answers a request of the runner: for an object of a saved workspace, or whether its container may be stopped. */
async function answerRunner(
  call: Request,
  bucket: Bucket,
  session: ReturnType<typeof sessionOf>,
): Promise<Response> {
  const { pathname, search } = new URL(call.url);
  const [, first, container = ""] = pathname.split("/");
  if (first !== STOP_PATH)
    return serveTransfer(call, bucket, (token, bytes) => session.transfer(token, bytes));
  const mayStop = await session.prepareStop(container, search === "?last");
  return new Response(null, { status: mayStop ? 204 : 202 });
}

const WORLD = {
  callModel: async () => new Response(null, { status: 404 }),
  callMcp: async () => new Response(null, { status: 404 }),
  archive: async () => new Response(null, { status: 404 }),
  fetch: (request: Request) => fetch(request),
};

const sessionOf = (env: Cloudflare.Env, id: string) => env.SESSIONS.getByName(id);

/** Returns the SDK's object of the container with an id. Nothing happens before its first use. */
export function sdkObject(
  namespace: DurableObjectNamespace<ContainerSandbox>,
  id: string,
): SdkObject {
  const open = () =>
    getSandbox(namespace, id, {
      // The default transport does not report how a container ended.
      transport: "rpc",
      // Each call is a process of its own: in a shared shell, one that ends with `exit 3` ends the shell.
      enableDefaultSession: false,
      sleepAfter: SLEEP_AFTER,
    });
  return {
    id,
    execStream: (command, options) => open().execStream(command, options),
    readFile: (path, options) => open().readFile(path, options),
    writeFile: (path, content) => open().writeFile(path, content),
    destroy: () => open().destroy(),
    setOwner: (session) => open().setOwner(session, id),
  };
}

/**
 * The constants of a sandbox. `machine` names the container that must answer; without it, whichever is started
 * does.
 */
interface Facts {
  workspace: string;
  bucket: Bucket;
  machine?: string | undefined;
  /** The session that it belongs to. */
  session?: string | undefined;
  /** See `SandboxAddress`. */
  isOpen?: (() => boolean) | undefined;
}

/** Creates a sandbox in a container. */
export function cloudflare(sdk: SdkObject, facts: Facts): Sandbox {
  const { workspace, bucket, machine, session, isOpen } = facts;
  /** Whether the container is known to have a server for its ports. */
  let hasOpenPorts = false;
  const runner = createRunnerClient(
    {
      start: async (command, env, signal) =>
        parseSSEStream<ExecEvent>(await sdk.execStream(command, { env, cwd: "/" }), signal),
      write: (path, content) => sdk.writeFile(path, content),
    },
    machine,
    isOpen,
  );
  return {
    ...runnerSandbox(runner, { workspace, bucket, saveParts }),

    async start() {
      if (session !== undefined) await mapErrors(() => sdk.setOwner(session));
      // After a container was replaced, the first call of any kind fails with that.
      runner.machine = await runner.request<string>({ do: "start", workspace, machine: undefined });
      return runner.machine;
    },

    async reach(port, isAgain) {
      const token = runner.machine;
      if (token === undefined) throw new Error("ports are those of a container with a name");
      if (isAgain || !hasOpenPorts) {
        hasOpenPorts = (await runner.request<unknown>({ do: "openPorts", token })) === true;
        if (!hasOpenPorts) throw new SandboxError("its image is of an earlier version", FINAL);
      }
      return {
        url: PORTS_URL,
        headers: { [TOKEN_HEADER]: token, [PORT_HEADER]: String(port) },
        container: sdk.id,
      };
    },

    destroy: () => mapErrors(() => sdk.destroy()),
  };

  /** Stores the tar archives that the runner of an earlier version has made: a container outlives a deployment. */
  async function saveParts(key: string, parts: OldPart[]): Promise<{ sizeBytes: number }> {
    let sizeBytes = 0;
    for (const [index, { file, sizeBytes: size }] of parts.entries()) {
      const { content } = await mapErrors(() =>
        sdk.readFile(`${RUNNER_HOME}/${file}`, { encoding: "none" }),
      );
      const sized = content.pipeThrough(new FixedLengthStream(size));
      await mapErrors(() => bucket.put(`${key}/${partName(index + 1)}`, sized));
      sizeBytes += size;
    }
    await completeParts(bucket, key, parts.length);
    return { sizeBytes };
  }
}

const FINAL = { transient: false };
