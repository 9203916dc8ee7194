// Sandboxes in Cloudflare's containers. All that this project knows of `@cloudflare/sandbox` is in this file: a
// way to start our runner in a container and to move bytes, and what becomes of a container meanwhile.

import {
  type ExecEvent,
  getSandbox,
  parseSSEStream,
  Sandbox as SdkSandbox,
} from "@cloudflare/sandbox";
import { RUNNER_HOME, type SavedPart } from "../container/protocol";
import { fromBase64, toBase64 } from "../shared/bytes";
import { type Bucket, countParts, getPart, partKey, putIndex } from "./archive";
import { handleOutbound } from "./outbound";
import { harmless } from "./output";
import {
  createRunnerClient,
  MAX_INLINE_BYTES,
  mapErrors,
  waitBeforeRetry,
  withRetries,
} from "./runner-client";
import type { CommandResult, FoundCommand, ProgramLine, Sandbox } from "./sandbox";
import { concat } from "./tar";

/** What is used of the SDK's object. */
export interface SdkObject {
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
  /** Says whose container this is. */
  own(session: string): Promise<void>;
}

export { ContainerProxy } from "@cloudflare/sandbox";

/** How often a container that nobody uses is asked about. */
const SLEEP_AFTER = "10m";
/** How often any container asks its session whether it is wanted. */
const ASK_MS = 10 * 60_000;

/** The session that a container works for, and the id by which the session knows it. */
interface Owner {
  session: string;
  id: string;
}

const OWNER = "rigger.owner";

/**
 * The object behind one container. It runs as long as its session wants it, whether it is used or not; what
 * it sends into the world goes where its session lets it.
 */
export class ContainerSandbox extends SdkSandbox<Cloudflare.Env> {
  override enableInternet = false;
  override interceptHttps = true;
  #ownedAt = 0;
  #askedAt = Date.now();

  /** Says whose sandbox this is, and how it is called; until then its requests go nowhere. */
  async own(session: string, id: string): Promise<void> {
    this.#ownedAt = Date.now();
    if ((await this.#owner())?.session === session) return;
    await this.setOutboundHandler("egress", { session });
    await this.ctx.storage.put(OWNER, { session, id } satisfies Owner);
  }

  /** A timer of the SDK would stop it, and lose its files. */
  override async onActivityExpired(): Promise<void> {
    await this.#destroyUnlessWanted();
  }

  /** It comes every few minutes while the container runs, which a program may keep from ever being idle. */
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
      // It may have been started meanwhile.
      if (!wanted && this.#ownedAt < askedAt) await this.destroy();
    } catch (error) {
      console.error({ event: "sandbox.owner_silent", error: String(error) });
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
    });
  },
};

const WORLD = {
  callModel: async () => new Response(null, { status: 404 }),
  fetch: (request: Request) => fetch(request),
};

const sessionOf = (env: Cloudflare.Env, id: string) => env.SESSIONS.getByName(id);

/** Returns the SDK's object of a container of that id. Nothing is touched before its first use. */
export function sdkObject(
  namespace: DurableObjectNamespace<ContainerSandbox>,
  id: string,
): SdkObject {
  const open = () =>
    getSandbox(namespace, id, {
      // The default transport tells nothing of how a container ended.
      transport: "rpc",
      // Each call is a process of its own: in a shared shell, one that ends with `exit 3` ends the shell.
      enableDefaultSession: false,
      sleepAfter: SLEEP_AFTER,
    });
  return {
    execStream: (command, options) => open().execStream(command, options),
    readFile: (path, options) => open().readFile(path, options),
    writeFile: (path, content) => open().writeFile(path, content),
    destroy: () => open().destroy(),
    own: (session) => open().own(session, id),
  };
}

/** What is fixed for a sandbox. Without a `machine`, the one that is started is the right one. */
interface Facts {
  workspace: string;
  bucket: Bucket;
  machine?: string | undefined;
  /** Whose it is. */
  session?: string | undefined;
}

/** Returns a sandbox in a container. */
export function cloudflare(sdk: SdkObject, facts: Facts): Sandbox {
  const { workspace, bucket, machine, session } = facts;
  const runner = createRunnerClient(
    {
      start: async (command, env, signal) =>
        parseSSEStream<ExecEvent>(await sdk.execStream(command, { env, cwd: "/" }), signal),
      write: (path, content) => sdk.writeFile(path, content),
    },
    machine,
  );
  const { request, requestOnce } = runner;
  /** Commands that were asked for here and have not begun yet: no question about one may overtake it. */
  const beginning = new Map<string, Promise<void>>();

  return {
    async start() {
      if (session !== undefined) await mapErrors(() => sdk.own(session));
      // The first call after a container has gone is told of that, whatever it asks.
      runner.machine = await request<string>({ do: "start", workspace, machine: undefined });
      return runner.machine;
    },

    async run(command, onOutput) {
      const { promise, resolve: begun } = Promise.withResolvers<void>();
      beginning.set(command.id, promise);
      const heard = { stdout: 0, stderr: 0 };
      const show = onOutput && harmless(onOutput);
      try {
        return await withRetries(async () => {
          // Another try hears everything from the beginning.
          const told = { stdout: 0, stderr: 0 };
          const pass = (stream: "stdout" | "stderr", text: string) => {
            const fresh = text.slice(Math.max(0, heard[stream] - told[stream]));
            told[stream] += text.length;
            heard[stream] = Math.max(heard[stream], told[stream]);
            if (fresh !== "") show?.(stream, fresh);
          };
          const result = await requestOnce<CommandResult>(
            { do: "run", workspace, command },
            (frame) => {
              if ("begun" in frame) begun();
              else if ("stdout" in frame) pass("stdout", frame.stdout);
              else if ("stderr" in frame) pass("stderr", frame.stderr);
            },
          );
          // Whoever comes after the end is told of nothing but the result.
          for (const stream of ["stdout", "stderr"] as const) {
            if (!result.truncated) pass(stream, result[stream].slice(told[stream]));
          }
          return result;
        });
      } finally {
        begun();
        beginning.delete(command.id);
      }
    },

    async kill(id) {
      await beginning.get(id);
      await request({ do: "kill", id });
    },

    async find(id) {
      await beginning.get(id);
      return request<FoundCommand>({ do: "find", id });
    },

    readFile: (path) =>
      withRetries(async () => {
        const pieces: Uint8Array[] = [];
        const found = await requestOnce<boolean>({ do: "read", path }, (frame) => {
          if ("base64" in frame) pieces.push(fromBase64(frame.base64));
        });
        return found ? concat(pieces) : null;
      }),

    writeFile: (path, bytes) =>
      withRetries(async () => {
        const content =
          bytes.length * 2 < MAX_INLINE_BYTES
            ? { base64: toBase64(bytes) }
            : { file: await runner.upload(new Blob([bytes]).stream()) };
        await requestOnce({ do: "write", path, content });
      }),

    async snapshot(key) {
      const parts = await request<SavedPart[]>({ do: "save", workspace });
      for (const [index, { file, sizeBytes }] of parts.entries()) {
        const { content } = await mapErrors(() =>
          sdk.readFile(`${RUNNER_HOME}/${file}`, { encoding: "none" }),
        );
        const sized = content.pipeThrough(new FixedLengthStream(sizeBytes));
        await mapErrors(() => bucket.put(partKey(key, index + 1), sized));
      }
      await putIndex(bucket, key, parts.length);
      return { sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
    },

    async restore(key) {
      const count = await mapErrors(() => countParts(bucket, key));
      const parts: string[] = [];
      for (let part = 1; part <= count; part++) {
        const { body } = await mapErrors(() => getPart(bucket, key, part));
        parts.push(await runner.upload(body));
      }
      await requestOnce({ do: "restore", workspace, parts });
    },

    programs: {
      begin: (program) =>
        withRetries(async () => {
          for await (const frame of runner.frames({ do: "begin", workspace, program })) {
            if ("begun" in frame || "answer" in frame) return;
          }
        }),
      tell: (id, n, line) => request({ do: "tell", id, n, line }),
      async *listen(id, after, signal): AsyncGenerator<ProgramLine> {
        let [at, failures] = [after, 0];
        while (!signal.aborted) {
          try {
            for await (const frame of runner.frames({ do: "listen", id, after: at }, signal)) {
              if ("answer" in frame) return;
              if (!("line" in frame)) continue;
              failures = 0;
              at = frame.end;
              yield { line: frame.line, end: frame.end };
            }
          } catch (error) {
            if (signal.aborted) return;
            await waitBeforeRetry(error, failures);
            failures += 1;
          }
        }
      },
    },

    destroy: () => mapErrors(() => sdk.destroy()),
  };
}
