/** The caller: `owner` is the tenant of the key. An admin may access the sessions of every owner. */
export interface Caller {
  owner: string;
  admin: boolean;
  /** The id of the share link by which the caller reaches a session of the owner. Without it, any of the owner's. */
  share?: string;
}

/** Why a call was refused. `http/errors.ts` maps each code to an HTTP status. */
export type FailureCode =
  | "invalid_request"
  | "forbidden"
  | "not_found"
  | "session_busy"
  | "session_ended"
  | "idempotency_mismatch"
  | "queue_full"
  | "too_many_sessions"
  | "spend_limit"
  | "too_many_schedules"
  | "too_many_keys"
  | "too_many_shares"
  | "too_many_previews"
  | "too_many_webhooks"
  | "too_many_automations"
  | "too_many_runs"
  | "automation_paused"
  | "key_ended"
  | "already_resolved"
  | "session_paused"
  | "not_a_file"
  | "not_a_directory"
  | "precondition_failed"
  | "file_too_large"
  | "unavailable";

/** The reason for a refusal. Error classes do not survive RPC, so refusals are returned as values. */
export interface Failure {
  code: FailureCode;
  message: string;
  /** Further fields of the API's error besides `type` and `message`, such as the id of a blocking message. */
  details?: Record<string, string>;
  /** Set if the same call may succeed soon, with the code `unavailable`. */
  transient?: true;
}

/** The result of a call: a value or a refusal. */
export type Result<T> = { ok: true; value: T } | Refusal;
export interface Refusal {
  ok: false;
  failure: Failure;
}

/** Returns a result with a value. */
export const ok = <T>(value: T): Result<T> => ({ ok: true, value });

/** Returns a refusal. */
export const refuse = (
  code: FailureCode,
  message: string,
  details?: Record<string, string>,
): Refusal => ({ ok: false, failure: { code, message, ...(details && { details }) } });

/** Returns a refusal for now: the same call may succeed soon. */
export const refuseForNow = (message: string): Refusal => ({
  ok: false,
  failure: { code: "unavailable", message, transient: true },
});

/**
 * Returns a refusal of an idempotency key that was used with another body. `details` identifies what that request
 * created.
 */
export const refuseReusedKey = (details: Record<string, string>): Refusal =>
  refuse("idempotency_mismatch", "This Idempotency-Key was used with another body.", details);
