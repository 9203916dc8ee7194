import { accountOf } from "../account/address";
import type { AccountRpc } from "../account/rpc";
import type { AutomationRpc } from "../automations/rpc";
import type { SessionRpc } from "../session/rpc";
import type { Caller, Result } from "../shared/result";
import { isSessionId } from "../shared/session-id";
import type { WebhookRpc } from "../webhooks/rpc";
import type { AppContext } from "./context";
import { notFound, refusal, unavailable } from "./errors";
import { accountOfId } from "./ids";

/** Delay before each further attempt, in ms. */
const RETRY_AFTER_MS = [100, 500];

interface CallOptions {
  /** The session's id; the one in the request's path when absent. */
  id?: string;
  /** Maximum number of attempts. Use 1 for a call that must not run twice. */
  attempts?: 1 | 3;
  /** Additional fields of the error if the object cannot be reached. */
  details?: Record<string, string>;
}

/**
 * Calls a session's object and returns its answer. Throws an `ApiError` if the object refuses. Calls are idempotent,
 * unless `attempts` says otherwise.
 */
export async function callSession<T>(
  c: AppContext,
  call: (session: SessionRpc, caller: Caller) => Promise<Result<T>>,
  { id = sessionIdOf(c), ...options }: CallOptions = {},
): Promise<T> {
  return unwrap(
    await reach("session", () => call(sessionObject(c.env, id), c.var.caller), options),
  );
}

/** Calls the object of an account and returns its answer. Throws an `ApiError` if the object cannot be reached. */
export const callAccount = <T>(
  env: Env,
  account: string,
  call: (object: AccountRpc) => Promise<T>,
): Promise<T> =>
  // The type of the stub turns readonly lists inside a result into `never`.
  reach("account", () => call(env.ACCOUNTS.getByName(account) as unknown as AccountRpc));

/** Calls the object of a webhook endpoint and returns its answer. Throws an `ApiError` if it refuses. */
export const callWebhook = async <T>(
  env: Env,
  id: string,
  call: (object: WebhookRpc) => Promise<Result<T>>,
): Promise<T> => unwrap(await reach("webhook", () => call(webhookObject(env, id))));

/** Deletes a webhook endpoint's object. */
export const removeWebhook = (env: Env, id: string): Promise<void> =>
  reach("webhook", () => webhookObject(env, id).remove());

/** Calls the object of an automation and returns its answer. Throws an `ApiError` if it refuses. */
export const callAutomation = async <T>(
  env: Env,
  id: string,
  call: (object: AutomationRpc) => Promise<Result<T>>,
): Promise<T> => unwrap(await reach("automation", () => call(automationObject(env, id))));

/** Deletes an automation's object. */
export const removeAutomation = (env: Env, id: string): Promise<void> =>
  reach("automation", () => automationObject(env, id).remove());

/** Returns the owner of an automation, if a token with this hash fires it; null otherwise. */
export const askAutomation = (env: Env, id: string, fireHash: string): Promise<string | null> =>
  reach("automation", () => automationObject(env, id).ownerOf(fireHash));

/** Asks a session which of its share links has the hash of a token. Throws an `ApiError` if it cannot be reached. */
export const askShare = (env: Env, sessionId: string, hash: string) =>
  reach("session", () => sessionObject(env, sessionId).share(hash));

/**
 * Asks a session for the preview with the hash of a token. With `isAgain`, what it answered before led nowhere. Throws an
 * `ApiError` if it cannot be reached.
 */
export const askPreview = (env: Env, sessionId: string, hash: string, isAgain: boolean) =>
  reach("session", () => sessionObject(env, sessionId).preview(hash, isAgain));

/** Returns the value of a result. Throws an `ApiError` for a refusal. */
export function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw refusal(result.failure);
  return result.value;
}

/** Calls an object. A call during which the object was lost (a deploy, a crash) is repeated. */
async function reach<T>(
  what: string,
  call: () => Promise<T>,
  { attempts = 3, details = {} }: Pick<CallOptions, "attempts" | "details"> = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A stub cannot be used again after a failed call.
      return await call();
    } catch (error) {
      const fate = fateOf(error);
      if (fate === "failed") throw error;
      const delayMs = RETRY_AFTER_MS[attempt - 1];
      if (fate === "overloaded" || attempt >= attempts || delayMs === undefined) {
        const message = `The ${what} can't be reached at the moment. Try again.`;
        throw unavailable(message, { cause: error, details });
      }
      await scheduler.wait(delayMs);
    }
  }
}

/**
 * Returns the id in the path of a thing that an account has. Throws "not found" for those of other owners, without a call of
 * any object.
 */
export async function ownIdOf(
  c: AppContext,
  what: "webhook" | "automation",
  isId: (text: string) => boolean,
): Promise<string> {
  const id = c.req.param(`${what}Id`);
  if (id === undefined || !isId(id)) throw notFound(what);
  if (accountOfId(id) !== (await accountOf(c.var.caller.owner))) throw notFound(what);
  return id;
}

/**
 * Returns the session id in the path. Throws "not found" for text that is not a session id, without a call of
 * any object.
 */
export function sessionIdOf(c: AppContext): string {
  const id = c.req.param("id");
  if (id === undefined || !isSessionId(id)) throw notFound("session");
  return id;
}

// The type of the stub rewrites what methods return, and turns `unknown` inside it into `never`.
const sessionObject = (env: Env, id: string) => env.SESSIONS.getByName(id) as unknown as SessionRpc;

const webhookObject = (env: Env, id: string) => env.WEBHOOKS.getByName(id) as unknown as WebhookRpc;

const automationObject = (env: Env, id: string) =>
  env.AUTOMATIONS.getByName(id) as unknown as AutomationRpc;

/** Returns why a call threw: the object was lost, is overloaded, or failed by a defect. */
function fateOf(error: unknown): "lost" | "overloaded" | "failed" {
  if (typeof error !== "object" || error === null) return "failed";
  if ("overloaded" in error && error.overloaded === true) return "overloaded";
  if ("retryable" in error && error.retryable === true) return "lost";
  return "durableObjectReset" in error && error.durableObjectReset === true ? "lost" : "failed";
}
