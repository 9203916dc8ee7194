import type { ServerResponse } from "node:http";

interface Asked {
  path: string;
  method: string;
  body: Buffer;
  response: ServerResponse;
}

/**
 * The requests of a container's replacement to the Worker under test. The Worker can't be called from outside, so it
 * polls for them, and sends the answers.
 */
export class StandInRequests {
  readonly #queue: Asked[] = [];
  readonly #polls: ServerResponse[] = [];
  readonly #open = new Map<string, ServerResponse>();
  #count = 0;
  #commands = 0;

  /** Adds a request, which waits for its answer. */
  send(path: string, method: string, body: Buffer, response: ServerResponse): void {
    this.#queue.push({ path, method, body, response });
    this.#deliver();
  }

  /** Answers a poll with the next request, as soon as there is one, or with 204 when no command runs. */
  poll(response: ServerResponse): void {
    if (this.#commands === 0) response.writeHead(204).end();
    else this.#polls.push(response);
    this.#deliver();
  }

  /** Counts a command that sends requests. */
  begin(): void {
    this.#commands += 1;
  }

  /** Counts the end of a command. */
  end(): void {
    this.#commands -= 1;
    if (this.#commands > 0) return;
    for (const poll of this.#polls.splice(0)) poll.writeHead(204).end();
  }

  /** Answers the request with the number `n`. */
  answer(params: URLSearchParams, body: Buffer): void {
    const n = params.get("n") ?? "";
    this.#open
      .get(n)
      ?.writeHead(Number(params.get("status")))
      .end(body);
    this.#open.delete(n);
  }

  #deliver(): void {
    while (this.#queue.length > 0 && this.#polls.length > 0) {
      const asked = this.#queue.shift();
      const poll = this.#polls.shift();
      if (!asked || !poll) return;
      this.#count += 1;
      const n = String(this.#count);
      this.#open.set(n, asked.response);
      const path = asked.path.split("/").slice(3).join("/");
      poll.writeHead(200, { "x-n": n, "x-method": asked.method, "x-path": path }).end(asked.body);
    }
  }
}
