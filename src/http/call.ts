import type { Caller, Result, SessionRpc } from "../session/rpc";
import { isSessionId } from "../shared/session-id";
import type { AppContext } from "./context";
import { notFound, refusal, unavailable } from "./errors";

/** How long to wait before each further try. */
const RETRY_AFTER_MS = [100, 500];

interface CallOptions {
  /** The session, when it is not the one of the request's path. */
  id?: string;
  /** How often to try. Once, for what must not happen twice. */
  attempts?: 1 | 3;
  /** What stands in the error when the object can't be reached. */
  details?: Record<string, string>;
}

/**
 * Calls a session's object and answers what it answered, or throws what it refused. An object that was
 * lost in the middle (a deploy, a crash) is called again: calls are harmless to repeat, unless
 * `attempts` says otherwise.
 */
export async function callSession<T>(
  c: AppContext,
  call: (session: SessionRpc, caller: Caller) => Promise<Result<T>>,
  { id = sessionIdOf(c), attempts = 3, details = {} }: CallOptions = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A stub is of no more use once a call of it has failed.
      const result = await call(sessionObject(c.env, id), c.var.caller);
      if (!result.ok) throw refusal(result.failure);
      return result.value;
    } catch (error) {
      const fate = fateOf(error);
      if (fate === "failed") throw error;
      const delayMs = RETRY_AFTER_MS[attempt - 1];
      if (fate === "overloaded" || attempt >= attempts || delayMs === undefined) {
        const message = "The session can't be reached at the moment. Try again.";
        throw unavailable(message, { cause: error, details });
      }
      await scheduler.wait(delayMs);
    }
  }
}

/** Returns the session's id in the path. What can't be one is not found without asking any object. */
export function sessionIdOf(c: AppContext): string {
  const id = c.req.param("id");
  if (id === undefined || !isSessionId(id)) throw notFound("session");
  return id;
}

// The stub's own type rewrites what methods return, and makes `never` of what is `unknown` in it.
const sessionObject = (env: Env, id: string) => env.SESSIONS.getByName(id) as unknown as SessionRpc;

/** Returns what the runtime says of a call that threw: the object was lost, has too much to do, or has a bug. */
function fateOf(error: unknown): "lost" | "overloaded" | "failed" {
  if (typeof error !== "object" || error === null) return "failed";
  if ("overloaded" in error && error.overloaded === true) return "overloaded";
  if ("retryable" in error && error.retryable === true) return "lost";
  return "durableObjectReset" in error && error.durableObjectReset === true ? "lost" : "failed";
}
