// Sandboxes in Cloudflare's containers. The only file that uses `@cloudflare/sandbox`: to start our runner in a
// container, to move bytes, and to end containers that are not needed.

import {
  type ExecEvent,
  getSandbox,
  parseSSEStream,
  Sandbox as SdkSandbox,
} from "@cloudflare/sandbox";
import { type Frame, RUNNER_HOME, STOP_PATH } from "../container/protocol";
import { fromBase64, toBase64 } from "../shared/bytes";
import { errorText, log } from "../shared/log";
import {
  abandonSave,
  asSaved,
  type Bucket,
  beginSave,
  completeParts,
  completeSave,
  getArchive,
  partName,
  prefixOf,
} from "./archive";
import { handleOutbound } from "./outbound";
import { harmless } from "./output";
import {
  createRunnerClient,
  MAX_INLINE_BYTES,
  mapErrors,
  waitBeforeRetry,
  withRetries,
} from "./runner-client";
import {
  type Changed,
  type CommandResult,
  type FoundCommand,
  type ProgramLine,
  type Sandbox,
  SandboxError,
} from "./sandbox";
import { concat } from "./tar";
import { openTransfer, serveTransfer } from "./transfers";

/** The part of the SDK's object that is used. */
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
  const runner = createRunnerClient(
    {
      start: async (command, env, signal) =>
        parseSSEStream<ExecEvent>(await sdk.execStream(command, { env, cwd: "/" }), signal),
      write: (path, content) => sdk.writeFile(path, content),
    },
    machine,
    isOpen,
  );
  const { request, requestOnce } = runner;
  /** Commands that were requested and have not begun: a question about one must not overtake it. */
  const beginning = new Map<string, Promise<void>>();

  return {
    async start() {
      if (session !== undefined) await mapErrors(() => sdk.setOwner(session));
      // After a container was replaced, the first call of any kind fails with that.
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
          // A retry gets all output from the beginning.
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
          // A request after the end of a command gets its result only.
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
          bytes.length < MAX_INLINE_BYTES
            ? { base64: toBase64(bytes) }
            : { file: await runner.upload(new Blob([bytes]).stream()) };
        await requestOnce({ do: "write", path, content });
      }),

    changeFile: (path, change, { id, seen }) => {
      const asked = "edit" in change ? change : { content: toBase64(change.content) };
      return request<Changed | null>({ do: "change", id, path, change: asked, seen });
    },

    async snapshot(key, { base = null, mode = "all", onProgress } = {}) {
      const begun = await mapErrors(() => beginSave(bucket, key, base));
      const transfer = openTransfer({ prefix: begun.prefix, bytesLeft: MAX_SAVE_BYTES });
      const { token } = transfer;
      let isComplete = false;
      try {
        const ask = {
          do: "save",
          workspace,
          token,
          store: begun.store,
          base: begun.base,
          mode,
        } as const;
        const answer = await request<unknown>(ask, progressOf(onProgress));
        if (answer === null) return null;
        if (Array.isArray(answer)) return await saveParts(key, answer);
        const saved = asSaved(answer);
        await mapErrors(() => completeSave(bucket, key, begun, saved));
        isComplete = true;
        return { sizeBytes: saved.sizeBytes };
      } finally {
        transfer.close();
        if (!isComplete) await abandonSave(bucket, key, begun);
      }
    },

    async restore(key, onProgress) {
      const archive = await mapErrors(() => getArchive(bucket, key));
      const transfer = openTransfer({ prefix: prefixOf(key, archive), bytesLeft: 0 });
      const { token } = transfer;
      const saved =
        "parts" in archive
          ? { parts: Array.from({ length: archive.parts }, (_, n) => partName(n + 1)) }
          : { index: archive.index };
      try {
        const ask = { do: "restore", workspace, token, saved } as const;
        const isDone = await request<unknown>(ask, progressOf(onProgress));
        if (isDone !== true)
          throw new SandboxError("its runner is of an earlier version", TRANSIENT);
      } finally {
        transfer.close();
      }
    },

    programs: {
      begin: (program) =>
        withRetries(async () => {
          for await (const frame of runner.frames({ do: "begin", workspace, program })) {
            if ("begun" in frame || "answer" in frame) return;
          }
        }),
      tell: (id, n, line) => request({ do: "tell", id, n, line }),
      endSince: (id, n) => request({ do: "endSince", id, n }),
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

/** An archive with a part of a workspace, in the runner's folder. */
interface OldPart {
  file: string;
  sizeBytes: number;
}

/** The most bytes that one save may store: twice the disk of a container. */
const MAX_SAVE_BYTES = 24 * 1024 ** 3;

/** Returns a listener of frames that reports progress. A runner that only sends heartbeats makes none. */
const progressOf = (onProgress: (() => void) | undefined) => (frame: Frame) => {
  if ("progress" in frame) onProgress?.();
};

const TRANSIENT = { transient: true };
