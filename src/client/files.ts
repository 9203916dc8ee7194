import type { FileEntry } from "./api.ts";
import { type FileContent, type RequestSettings, RiggerError, type Transport } from "./request.ts";

type Settings = Pick<RequestSettings, "signal">;

/** What a file must be for a change: the one with an ETag; or with `ifNoneMatch: "*"`, none. */
interface Conditions {
  ifMatch?: string | undefined;
  ifNoneMatch?: string | undefined;
}

/** The files of a session. Paths are relative to its workspace, with slashes between their names. */
export class SessionFiles {
  readonly #transport: Transport;
  readonly #id: string;

  constructor(transport: Transport, sessionId: string) {
    this.#transport = transport;
    this.#id = sessionId;
  }

  /** Yields what is in a directory; with `recursive`, also what is below its directories. */
  async *list(
    path = "",
    { recursive = false, signal }: Settings & { recursive?: boolean } = {},
  ): AsyncGenerator<FileEntry> {
    for (let cursor: string | undefined; ; ) {
      const page = await this.#transport.json("get", "/api/sessions/{id}/files", {
        path: { id: this.#id },
        query: { path, recursive: `${recursive}`, ...(cursor !== undefined && { cursor }) },
        signal,
      });
      yield* page.entries;
      if (page.nextCursor === null) return;
      cursor = page.nextCursor;
    }
  }

  /** Returns a file as a response, or the bytes from `start` to `end`, which is not included. */
  read(
    path: string,
    { range, signal }: Settings & { range?: { start: number; end?: number } } = {},
  ): Promise<Response> {
    const last = range?.end === undefined ? "" : range.end - 1;
    const headers = range && { headers: { Range: `bytes=${range.start}-${last}` } };
    return this.#transport.send("get", this.#pathOf(path), { ...headers, signal });
  }

  /** Returns the content of a file as text. */
  text(path: string, { signal }: Settings = {}): Promise<string> {
    return this.#transport.send("get", this.#pathOf(path), { signal }, (file) => file.text());
  }

  /** Writes a file with its directories. Returns its ETag, and whether it is new. */
  async write(
    path: string,
    content: FileContent,
    { signal, ...conditions }: Settings & Conditions = {},
  ): Promise<{ etag: string; created: boolean }> {
    const response = await this.#transport.send("put", this.#pathOf(path), {
      ...{ content, signal, headers: headersOf(conditions) },
      // A repeat would not find what the first try has replaced.
      isOnce: content instanceof ReadableStream || isConditional(conditions),
    });
    return { etag: response.headers.get("ETag") ?? "", created: response.status === 201 };
  }

  /** Deletes a file or a link; with `recursive`, also a directory with all below it. */
  async remove(
    path: string,
    {
      recursive = false,
      signal,
      ...conditions
    }: Settings & Conditions & { recursive?: boolean } = {},
  ): Promise<void> {
    await this.#transport.send("delete", this.#pathOf(path), {
      ...(recursive && { query: { recursive } }),
      ...{ signal, headers: headersOf(conditions), isOnce: isConditional(conditions) },
    });
  }

  /** Returns a directory as a tar archive, in a response; by default the workspace. */
  archive(path = "", { signal }: Settings = {}): Promise<Response> {
    return this.#transport.send("get", "/api/sessions/{id}/archive", {
      ...{ path: { id: this.#id }, query: { path }, signal },
    });
  }

  /** Throws for what a URL can't name: `..` would lead to another path of the API. */
  #pathOf(path: string): string {
    const names = path.split("/");
    if (names.some((name) => /^(|\.|\.\.)$/.test(name))) {
      const message = `"${path}" is no path below the workspace.`;
      throw new RiggerError(message, { type: "invalid_request_error" });
    }
    return `/api/sessions/${[this.#id, "files", ...names].map(encodeURIComponent).join("/")}`;
  }
}

const isConditional = ({ ifMatch, ifNoneMatch }: Conditions): boolean =>
  (ifMatch ?? ifNoneMatch) !== undefined;

const headersOf = ({ ifMatch, ifNoneMatch }: Conditions): Record<string, string> => ({
  ...(ifMatch !== undefined && { "If-Match": ifMatch }),
  ...(ifNoneMatch !== undefined && { "If-None-Match": ifNoneMatch }),
});
