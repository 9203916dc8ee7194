import type { ObjectStore } from "./archive-writer.ts";
import { ARCHIVE_HOST } from "./protocol.ts";
import { pause, Refusal } from "./state.ts";

// The objects of saved workspaces, which the Worker stores in its bucket. Requests of a container pass through the
// Worker, which answers those to this host itself.

/** The origin of `ARCHIVE_HOST`. */
export const ORIGIN = process.env.RIGGER_ARCHIVE ?? `http://${ARCHIVE_HOST}`;

/** Time for one request: a few megabytes. */
const REQUEST_MS = 120_000;
const PAUSES_MS = [200, 1_000, 4_000, 10_000];

/** Returns the objects that `token` gives access to. `onProgress` is called after every transfer. */
export function objectStore(token: string, onProgress: () => void): ObjectStore {
  const at = (name: string) => `${ORIGIN}/${token}/${name}`;
  return {
    async put(name, bytes) {
      const body = bytes as Uint8Array<ArrayBuffer>;
      await transfer(at(name), { method: "PUT", body });
      onProgress();
    },
    async get(name) {
      const bytes = await transfer(at(name), {});
      onProgress();
      return bytes;
    },
  };
}

/** Sends a request, and again after failures that may pass. Returns the body of the response. */
async function transfer(url: string, init: RequestInit): Promise<Uint8Array> {
  for (let failures = 0; ; failures++) {
    let problem: string;
    try {
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST_MS) });
      const bytes = await response.bytes();
      if (response.ok) return bytes;
      problem = `${response.status} ${new TextDecoder().decode(bytes.subarray(0, 200))}`;
      // The token is no longer valid: another attempt may run.
      if (response.status === 403) throw new Refusal("the transfer was ended");
      if (response.status === 404) throw new Refusal("a part of the saved workspace is missing");
    } catch (error) {
      if (error instanceof Refusal) throw error;
      problem = error instanceof Error ? `${error.message} ${error.cause ?? ""}` : String(error);
    }
    const ms = PAUSES_MS[failures];
    if (ms === undefined) throw new Error(`the bucket can't be reached: ${problem}`);
    await pause(ms);
  }
}
