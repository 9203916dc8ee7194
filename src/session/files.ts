import {
  archiveOf,
  type Condition,
  contentOf,
  type FilePage,
  type FileRefusal,
  type FileWritten,
  isRefusal,
  NO_FILES,
  type PageOfFiles,
  PIECE_BYTES,
  type WorkspaceFiles,
  type WorkspaceReader,
} from "../sandbox/files";
import { join } from "../sandbox/paths";
import { SandboxError } from "../sandbox/sandbox";
import { errorText, log } from "../shared/log";
import { type FailureCode, ok, type Result, refuse, refuseForNow } from "../shared/result";
import type { SessionContext } from "./context";
import { redact, workspace } from "./deployment";
import type { FilePart, OpenedFile } from "./rpc";
import { isEnded } from "./rules/lifecycle";
import { beginFileChange, endFileChange, touch, undoFileChange } from "./transactions/files";
import { refuseEnded } from "./transactions/messages";

/** A write that goes on counts as activity again after this time, in ms, or after half of a shorter idle timeout. */
const TOUCH_MS = 10_000;

/** The most bytes of a refused upload that are still read: a client that is cut off may not see the answer. */
const MAX_DISCARDED_BYTES = 32 * 1024 ** 2;

/** Reads and writes the session's files for callers. */
export class SessionFiles {
  readonly #context: SessionContext;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  list(path: string, page: PageOfFiles): Promise<Result<FilePage>> {
    return this.#read(path, (files) => files.list(path, page));
  }

  open(path: string, part: FilePart | null): Promise<Result<OpenedFile>> {
    return this.#read<OpenedFile>(path, async (files) => {
      const { from = 0, end = null } = part ?? {};
      const length = part ? Math.min(PIECE_BYTES, (end ?? Number.POSITIVE_INFINITY) - from) : 0;
      const opened = await files.read(path, { from, length });
      if (isRefusal(opened)) return opened;
      const { stat, bytes: first } = opened;
      if (!part) return { stat, body: null };
      const upTo = Math.min(end ?? stat.size, stat.size);
      return { stat, body: contentOf(files, path, { stat, from, end: upTo, first }) };
    });
  }

  archive(path: string): Promise<Result<ReadableStream<Uint8Array>>> {
    return this.#read(path, async (files) => {
      const first = await files.archive(path, null);
      return isRefusal(first) ? first : archiveOf(files, path, first);
    });
  }

  /** Returns the body of a request for `put`, which keeps the session awake while it is read. */
  upload(content: ReadableStream<Uint8Array>): Upload {
    return new Upload(content, this.#keepAwake());
  }

  async put(path: string, upload: Upload, condition: Condition): Promise<Result<FileWritten>> {
    const put = await this.#change(join(workspace, path), (files) =>
      files.put(path, upload.content, condition).catch((error) => {
        if (upload.isBroken) return BROKEN;
        throw error;
      }),
    );
    if (put.ok) this.#end({ type: "file.written", path, size: put.value.size });
    return put;
  }

  async remove(
    path: string,
    options: { recursive: boolean; condition: Condition },
  ): Promise<Result<null>> {
    const removed = await this.#change(null, (files) => files.remove(path, options));
    if (!removed.ok) return removed;
    this.#end({ type: "file.deleted", path });
    return ok(null);
  }

  async #read<T extends object>(
    path: string,
    read: (files: WorkspaceReader) => Promise<T | FileRefusal>,
  ): Promise<Result<T>> {
    if (this.#isGone()) {
      const message = "The session has ended, and its files were not kept.";
      return refuse("not_found", message, { reason: "workspace_gone" });
    }
    return this.#answer(async (files) => {
      const answer = await read(files);
      // A script may have removed the workspace itself.
      const isEmpty = isRefusal(answer) && answer.problem === "not_found" && path === "";
      return isEmpty ? read(NO_FILES) : answer;
    });
  }

  async #change<T extends object>(
    written: string | null,
    make: (files: WorkspaceFiles) => Promise<T | FileRefusal>,
  ): Promise<Result<T>> {
    const { store, commit } = this.#context;
    const { lifecycle, pausedBecause } = store.state;
    if (isEnded(lifecycle)) return refuseEnded(store);
    if (pausedBecause) {
      const message = `The session is paused at its ${pausedBecause}: raise it first.`;
      return refuse("session_paused", message);
    }
    // Before the change: what an agent has seen of the file is out of date, whatever becomes of this object.
    const seen = commit((now) => beginFileChange(store, written, now));
    const answer = await this.#answer(make);
    if (!answer.ok && written !== null && answer.failure.code !== "unavailable" && this.#isLive()) {
      commit(() => undoFileChange(store, written, seen));
    }
    return answer;
  }

  async #answer<T extends object>(
    ask: (files: WorkspaceFiles) => Promise<T | FileRefusal>,
  ): Promise<Result<T>> {
    const { id } = this.#context;
    const { files } = this.#context.sandbox();
    if (!files) return refuse("unavailable", "The files of this sandbox can't be read.");
    try {
      const answer = await ask(files);
      return isRefusal(answer) ? refuse(CODES[answer.problem], answer.message) : ok(answer);
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error;
      log("files.failed", { session: id, error: errorText(error) });
      const message = `The files can't be reached: ${redact(error.message)}.`;
      return error.transient ? refuseForNow(message) : refuse("unavailable", message);
    }
  }

  /** Whether the session has ended, and its container was given back without a saved workspace. */
  #isGone(): boolean {
    const { lifecycle, machine } = this.#context.store.state;
    if (!isEnded(lifecycle) || !machine || machine.saved) return false;
    return machine.phase !== "ready" && machine.phase !== "saving";
  }

  /** Records a change, unless the session has ended meanwhile. */
  #end(event: Parameters<typeof endFileChange>[1]): void {
    const { store, commit } = this.#context;
    if (this.#isLive()) commit((now) => endFileChange(store, event, now));
  }

  #isLive(): boolean {
    const { store } = this.#context;
    return store.exists() && !store.state.removed && !isEnded(store.state.lifecycle);
  }

  /** Returns a function that keeps the session from falling asleep while it is called. */
  #keepAwake(): () => void {
    const { store, commit } = this.#context;
    let at = Date.now();
    return () => {
      if (!this.#isLive()) return;
      const { maxIdleTimeMs } = store.metadata.limits;
      if (Date.now() - at < Math.min(TOUCH_MS, (maxIdleTimeMs ?? TOUCH_MS) / 2)) return;
      at = Date.now();
      commit((now) => touch(store, now));
    };
  }
}

/** The body of a request that writes a file. */
class Upload {
  readonly content: ReadableStream<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #isBroken = false;
  #last: Promise<unknown> = Promise.resolve();

  /** `onChunk` is called for each chunk that is read. */
  constructor(body: ReadableStream<Uint8Array>, onChunk: () => void) {
    this.#reader = body.getReader();
    this.content = new ReadableStream({
      pull: async (controller) => {
        const { done, value } = await this.#read();
        onChunk();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      // Who needs no more of it leaves the rest.
      cancel: () => {},
    });
  }

  /** Whether it ended too early: the client is gone. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Reads what is left, up to a bound, so that the client gets to read the answer. */
  async discardRest(): Promise<void> {
    for (let size = 0; !this.#isBroken && size <= MAX_DISCARDED_BYTES; ) {
      const { done, value } = await this.#read().catch(() => NOTHING);
      if (done) return;
      size += value.length;
    }
    await this.#reader.cancel().catch(() => {});
  }

  /** Reads after the read that is under way: the platform refuses two at once. */
  #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    const reading = this.#last.then(() => this.#reader.read());
    this.#last = reading.catch(() => {
      this.#isBroken = true;
    });
    return reading;
  }
}

const NOTHING = { done: true, value: undefined } as const;

const BROKEN: FileRefusal = {
  problem: "broken_off",
  message: "The body broke off before its end.",
};

const CODES = {
  not_found: "not_found",
  outside: "forbidden",
  not_a_file: "not_a_file",
  not_a_directory: "not_a_directory",
  precondition_failed: "precondition_failed",
  too_large: "file_too_large",
  broken_off: "invalid_request",
} as const satisfies Record<FileRefusal["problem"], FailureCode>;
