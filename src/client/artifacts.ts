import type { Artifact } from "./api.ts";
import type { RequestSettings, Transport } from "./request.ts";

/** What the agents of a session have published. */
export class SessionArtifacts {
  readonly #transport: Transport;
  readonly #id: string;

  constructor(transport: Transport, sessionId: string) {
    this.#transport = transport;
    this.#id = sessionId;
  }

  /** Yields the artifacts, newest first: all, or those of a path or a message. */
  async *list(of: { path?: string; messageId?: string } = {}): AsyncGenerator<Artifact> {
    for (let cursor: string | undefined; ; ) {
      const page = await this.#transport.json("get", "/api/sessions/{id}/artifacts", {
        path: { id: this.#id },
        query: { ...of, ...(cursor !== undefined && { cursor: Number(cursor) }) },
      });
      yield* page.artifacts;
      if (page.nextCursor === null) return;
      cursor = page.nextCursor;
    }
  }

  /** Returns an artifact. */
  get(artifactId: string): Promise<Artifact> {
    return this.#transport.json("get", "/api/sessions/{id}/artifacts/{artifactId}", {
      path: { id: this.#id, artifactId },
    });
  }

  /** Returns the response with the content of an artifact. Its body is a stream. */
  content(artifactId: string, settings: RequestSettings = {}): Promise<Response> {
    return this.#transport.send("get", "/api/sessions/{id}/artifacts/{artifactId}/content", {
      path: { id: this.#id, artifactId },
      ...settings,
    });
  }
}
