import { ORIGIN } from "./object-store.ts";
import { STOP_PATH } from "./protocol.ts";
import { pause } from "./state.ts";

/** How long a container that is told to stop waits for its session, in ms. The platform kills it after 15 minutes. */
const PATIENCE_MS = 11 * 60_000;
/** Maximum wait for the last save after that, in ms. */
const LAST_MS = 3 * 60_000;
/** Time for one request. */
const REQUEST_MS = 60_000;
const PAUSE_MS = 1_000;

/**
 * Tells the session that its container is about to be stopped, and returns when it may be. The session moves to another
 * container as soon as no message runs. If that takes too long, it only saves the workspace.
 */
export async function prepareStop(machine: string | undefined): Promise<void> {
  // Nothing was started here.
  if (machine === undefined) return;
  const lastAt = Date.now() + PATIENCE_MS;
  while (Date.now() < lastAt + LAST_MS) {
    if (await mayStop(machine, Date.now() < lastAt ? "" : "?last")) return;
    await pause(PAUSE_MS);
  }
}

/** Asks the session. Returns false if the container should ask again. */
async function mayStop(machine: string, query: string): Promise<boolean> {
  const url = `${ORIGIN}/${STOP_PATH}/${machine}${query}`;
  try {
    const response = await fetch(url, { method: "POST", signal: AbortSignal.timeout(REQUEST_MS) });
    // A container that belongs to no session gets an error.
    return response.status === 204 || (response.status >= 400 && response.status < 500);
  } catch {
    return false;
  }
}
