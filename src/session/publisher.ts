import {
  contentOf,
  etagOf,
  type FileEntry,
  isRefusal,
  PIECE_BYTES,
  type WorkspaceReader,
} from "../sandbox/files";
import { isWithin } from "../sandbox/paths";
import { messageOf, SandboxError } from "../sandbox/sandbox";
import { sha256, toHex } from "../shared/bytes";
import { mediaTypeOf } from "../shared/media-type";
import { settledWithin } from "../shared/timeout";
import { ArtifactBucket, newArtifactId } from "./artifact-bucket";
import type { SessionContext } from "./context";
import { redact, workspace } from "./deployment";
import { filesMatching } from "./matching-files";
import { MAIN } from "./storage/agents";
import {
  excessOf,
  type FailedArtifact,
  type Published,
  type PublishRequest,
  recordArtifact,
} from "./transactions/artifacts";

/** How often a file is read again that has changed meanwhile, or could not be stored. */
const MAX_TRIES = 3;
/** How long the end of a message may wait for its files, in ms, and how many of them are published at the same time. */
const MESSAGE_MS = 120_000;
const AT_ONCE = 4;
/** The most files that a message publishes at its end, and the most of which events say why they were not. */
const MAX_FILES = 1_000;
const MAX_FAILURES = 20;

/**
 * Publishes files of the session's workspace: stores their bytes, then records them. A repeat after a loss stores the same
 * bytes with the same id.
 */
export class Publisher {
  readonly #context: SessionContext;
  readonly #bucket: ArtifactBucket;

  constructor(context: SessionContext) {
    this.#context = context;
    this.#bucket = new ArtifactBucket(context.env.SNAPSHOTS);
  }

  /** Publishes a file, unless its newest artifact has the same content. Rejects if the sandbox or the storage fails. */
  async publish(request: PublishRequest, signal: AbortSignal): Promise<Published> {
    const { toolUseId } = request;
    const path = request.path.slice(workspace.length + 1);
    if (path === "" || !isWithin(workspace, request.path)) {
      return { ok: false, message: `it is no file below ${workspace}` };
    }
    // The database would store another text.
    if (!path.isWellFormed()) return { ok: false, message: "its name is not UTF-8" };
    const known = this.#context.store.artifacts.newestOf(path);
    if (known && toolUseId !== null && known.toolUseId === toolUseId) {
      return { ok: true, id: known.id, sizeBytes: known.sizeBytes };
    }
    for (let tries = 1; ; tries++) {
      try {
        return await this.#tryToPublish({ ...request, path }, signal);
      } catch (error) {
        if (signal.aborted || tries >= MAX_TRIES) throw error;
      }
    }
  }

  /**
   * Publishes the files that `config.artifacts` names and that are new or have changed. Returns which could not be
   * published. Never rejects.
   */
  async publishMatching(messageId: string, signal: AbortSignal): Promise<FailedArtifact[]> {
    const globs = this.#context.store.identity.config.artifacts ?? [];
    if (globs.length === 0) return [];
    const over = new AbortController();
    const failures: FailedArtifact[] = [];
    const failAll = (reason: string) => failures.push(...globs.map((path) => ({ path, reason })));
    const both = AbortSignal.any([signal, over.signal]);
    try {
      const work = this.#publishAll(globs, messageId, both, failures);
      if (!(await settledWithin(work, MESSAGE_MS))) {
        failAll(`not all was published within ${MESSAGE_MS / 1_000} s`);
      }
    } catch (error) {
      failAll(reasonOf(error));
    } finally {
      over.abort();
    }
    return failures.slice(0, MAX_FAILURES);
  }

  /** Publishes what matches, and adds to `failures` what can't be published. Rejects if the files can't be listed. */
  async #publishAll(
    globs: readonly string[],
    messageId: string,
    signal: AbortSignal,
    failures: FailedArtifact[],
  ): Promise<void> {
    const { store } = this.#context;
    const found: FileEntry[] = [];
    for await (const entry of filesMatching(this.#files(), globs)) {
      if (signal.aborted) return;
      if (store.artifacts.newestOf(entry.path)?.stamp === etagOf(entry)) continue;
      if (found.length === MAX_FILES) {
        const reason = `a message publishes ${MAX_FILES} files at its end, and the next one those that are left`;
        failures.push({ path: entry.path, reason });
        break;
      }
      found.push(entry);
    }
    const agent = store.runs.get(messageId)?.agent ?? MAIN;
    const by = { messageId, toolUseId: null, agent, description: null };
    const worker = async () => {
      for (let one = found.shift(); one && !signal.aborted; one = found.shift()) {
        const { path } = one;
        const file = { ...by, path: `${workspace}/${path}` };
        const published = await this.publish(file, signal).catch((error) => ({
          ok: false as const,
          message: reasonOf(error),
        }));
        if (!published.ok && !signal.aborted)
          failures.push({ path: path.toWellFormed(), reason: published.message });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  async #tryToPublish(request: PublishRequest, signal: AbortSignal): Promise<Published> {
    const { store, commit } = this.#context;
    const { path } = request;
    const files = this.#files();
    const first = await files.read(path, { from: 0, length: PIECE_BYTES });
    if (isRefusal(first)) return { ok: false, message: first.message.replace(/\.$/, "") };
    const { size: sizeBytes } = first.stat;
    const before = store.artifacts.newestOf(path);
    // One of the same size may be the same. Any other is not read if there is no room for it.
    const excess = before?.sizeBytes === sizeBytes ? undefined : excessOf(store, sizeBytes);
    if (excess !== undefined) return { ok: false, message: excess };
    // A small file is read once. A large one is read again to be stored, and must not have changed meanwhile.
    const whole = first.bytes.length === sizeBytes ? first.bytes : null;
    const range = { stat: first.stat, from: 0, end: sizeBytes };
    const hash = await hashOf(whole ?? contentOf(files, path, { ...range, first: first.bytes }));
    if (before?.sha256 === hash) return { ok: true, id: before.id, sizeBytes };
    const stamp = etagOf(first.stat);
    const facts = { ...request, contentType: mediaTypeOf(path), sizeBytes, sha256: hash, stamp };
    const { id: sessionId, owner } = store.identity;
    const id = await newArtifactId(sessionId, facts);
    signal.throwIfAborted();
    const content = whole ?? contentOf(files, path, range);
    await this.#bucket.put(owner, { ...facts, id }, content);
    const recorded = signal.aborted
      ? INTERRUPTED
      : commit((now) => recordArtifact(store, { ...facts, id, createdAt: now }, now));
    if (!recorded.ok || recorded.id !== id) await this.#bucket.remove(id);
    return recorded;
  }

  #files(): WorkspaceReader {
    const { files } = this.#context.sandbox();
    if (!files) throw new SandboxError("its files can't be read", { transient: false });
    return files;
  }
}

const INTERRUPTED: Published = { ok: false, message: "it was interrupted" };

/** Returns the SHA-256 of bytes, as hex. */
async function hashOf(content: Uint8Array | ReadableStream<Uint8Array>): Promise<string> {
  if (content instanceof Uint8Array) return toHex(await sha256(content));
  const digest = new crypto.DigestStream("SHA-256");
  await content.pipeTo(digest);
  return toHex(new Uint8Array(await digest.digest));
}

const reasonOf = (error: unknown): string => redact(messageOf(error));
