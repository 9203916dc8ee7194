import { z } from "zod";
import type { ErrorType } from "../errors";

// The errors of the API: one schema for each HTTP status.

const requestId = z
  .string()
  .describe("Names the request in the server's log. Also the header `X-Request-Id`.");
const text = z.string().exactOptional();

/** Returns the schema of an error. `fields` are those of `error`, besides `type` and `message`. */
function error<F extends z.ZodRawShape>(
  types: [ErrorType, ...ErrorType[]],
  id: string,
  description: string,
  fields: F,
  example: Record<string, unknown>,
) {
  return z
    .object({
      type: z.literal("error"),
      error: z.object({
        type: z.enum(types),
        message: z.string().describe("What is wrong, in English, for people."),
        ...fields,
      }),
      requestId,
    })
    .meta({
      id,
      description,
      examples: [
        {
          type: "error",
          error: { type: types[0], ...example },
          requestId: "req_2662da32666f04c7114731dc3e75d50e",
        },
      ],
    });
}

const issues = z
  .array(
    z.object({
      path: z.string().describe("The field, with dots; empty for the body as a whole."),
      message: z.string(),
    }),
  )
  .describe("Up to 20 of the things that are wrong.");

const conflicts = {
  session_busy:
    "another message runs or waits (with `onBusy: reject`, for a snapshot, and in a session that is to be resumed), or an ephemeral session has its message already",
  session_ended: "the session has ended",
  idempotency_mismatch:
    "the key was used with another body, or what it created shows a secret once only",
  too_many_schedules: "the session has 20 schedules",
  too_many_keys: "the owner has 1,000 keys that can be used",
  too_many_shares: "the session has 100 share links that can be used",
  too_many_previews: "the session has 20 previews that can be used",
  too_many_webhooks: "the owner has 20 webhooks",
  too_many_automations: "the owner has 100 automations",
  automation_paused: "the automation is not enabled",
  already_resolved: "another decision was made, or the call has another result or waits no more",
  session_paused: "the session is paused at a limit, and its files are not changed",
  not_a_file: "the path is that of a directory, a device or a link to nowhere, or is below a file",
  not_a_directory: "the path is not that of a directory",
  key_ended: "the key was revoked or has expired",
} as const;

const refusals = {
  queue_full: "100 messages wait in the session already",
  too_many_requests: "the key, the owner or the address makes too many requests a minute",
  too_many_runs: "as many runs of the automation are at work as may be",
  too_many_sessions: "as many sessions are active as the limits allow",
  spend_limit: "the money of the day or the month is used up",
} as const;

const keysOf = <K extends string>(reasons: Record<K, string>) =>
  Object.keys(reasons) as [K, ...K[]];
const listOf = (reasons: Record<string, string>) =>
  Object.entries(reasons)
    .map(([reason, when]) => `\`${reason}\`: ${when}.`)
    .join(" ");

/** The schemas of errors, by their HTTP status. */
export const ERRORS = {
  400: error(
    ["invalid_request_error"],
    "InvalidRequestError",
    "The body, the query, a header or the path is invalid.",
    { issues },
    {
      message: "maxBudgetUSD: is not known here",
      issues: [{ path: "maxBudgetUSD", message: "is not known here" }],
    },
  ),
  401: error(
    ["authentication_error"],
    "AuthenticationError",
    "There is no key, or a key or share link that is unknown, has expired or was revoked.",
    {},
    { message: "Send an API key: Authorization: Bearer <key>." },
  ),
  403: error(
    ["permission_error"],
    "PermissionError",
    "The key does not have the scope, or would give more than it has; a share link or a token is not for that; a path leads out of the workspace; or a browser asks for a page of another origin.",
    {},
    { message: "Your key does not have the scope sessions:write." },
  ),
  404: error(
    ["not_found_error"],
    "NotFoundError",
    "The path, or what it names, does not exist or belongs to another owner.",
    {
      reason: z
        .enum(["workspace_gone"])
        .exactOptional()
        .describe("The session has ended, and its files were not kept."),
    },
    { message: "There is no such session." },
  ),
  405: error(
    ["method_not_allowed"],
    "MethodNotAllowedError",
    "The path does not support the method. The header `Allow` names those that it does.",
    {},
    { message: "PUT is not possible here: use HEAD or GET." },
  ),
  409: error(
    ["conflict_error"],
    "ConflictError",
    "The request does not fit the state of what it is about.",
    {
      reason: z.enum(keysOf(conflicts)).describe(listOf(conflicts)),
      toolUseId: text.describe("The call that waits for no result."),
      messageId: text.describe("The message that runs, or that the first request created."),
      originId: text.describe("The busy session that was to be resumed."),
      status: text.describe("The status of the session or the approval."),
      terminationReason: text.describe("Of a terminated session."),
      sessionId: text.describe(
        "Of an ended session: its `sessionId`, to resume it. Otherwise the `id` of the session that the first request created.",
      ),
      scheduleId: text.describe("What the first request created, as the next six."),
      keyId: text,
      webhookId: text,
      automationId: text,
      shareId: text,
      previewId: text,
      runId: text,
    },
    { message: "Another message is running.", reason: "session_busy", messageId: "msg_12e5…" },
  ),
  412: error(
    ["precondition_failed"],
    "PreconditionFailedError",
    "The file is not as `If-Match` or `If-None-Match` asks.",
    {},
    { message: '"src/app.ts" is not as If-Match or If-None-Match asks.' },
  ),
  413: error(
    ["request_too_large"],
    "RequestTooLargeError",
    "The body, a prompt, a config or a file is too large, or the disk of the session has no room for it.",
    {},
    { message: "The prompt is larger than 1 MiB." },
  ),
  416: error(
    ["range_not_satisfiable"],
    "RangeNotSatisfiableError",
    "The file has no such bytes. The header `Content-Range` has its size.",
    {},
    { message: "The file has 1024 bytes." },
  ),
  429: error(
    ["rate_limit_error"],
    "RateLimitError",
    "There is too much of something. The header `Retry-After` says for how many seconds to wait.",
    {
      reason: z.enum(keysOf(refusals)).describe(listOf(refusals)),
      limit: text.describe(
        "The limit over many sessions that refused it: `owner_active_sessions`, `user_active_sessions`, `user_daily`, `owner_daily` or `owner_monthly`.",
      ),
      resetsAt: text.describe("When there is money again."),
      messageId: text,
      runId: text.describe("The run that was refused."),
    },
    {
      ...{ message: "The money of this day is used up.", reason: "spend_limit" },
      ...{ limit: "owner_daily", resetsAt: "2026-11-24T00:00:00.000Z" },
    },
  ),
  500: error(
    ["api_error"],
    "ApiError",
    "An internal error. The log has the request id.",
    {},
    { message: "Something went wrong on our side. The request id helps to find out what." },
  ),
  502: error(
    ["upstream_error"],
    "UpstreamError",
    "The message failed: the Messages API rejected it or failed after all retries, the reply does not match `outputSchema`, or the session's set-up failed.",
    {
      messageId: z.string().describe("The message that failed."),
      upstreamRequestId: text.describe("The request id of the Messages API, if it gave one."),
      reason: z
        .enum(["output_mismatch", "crash_loop", "setup_failed"])
        .exactOptional()
        .describe(
          "`output_mismatch`: the reply does not match `outputSchema`. `setup_failed`: a repository could not be cloned, or a command of `config.setup` failed.",
        ),
    },
    {
      message:
        "The model failed (invalid_request_error): The offline model was told to fail with 400.",
      messageId: "msg_6d26…",
      upstreamRequestId: "req_offline_fda2…",
    },
  ),
  503: error(
    ["unavailable_error"],
    "UnavailableError",
    "Something that the request needs is not available: a model, client keys, a key that the Messages API accepts, the encryption key of `env`, a session, its files or the index; or restarts interrupted a message too often. With the header `Retry-After`, try again.",
    {
      messageId: text.describe("The message that failed, or that was sent."),
      originId: text.describe("The session that was to be resumed."),
      upstreamRequestId: text,
      reason: z
        .enum(["crash_loop"])
        .exactOptional()
        .describe("Restarts interrupted the message too often at the same step."),
    },
    { message: "The session can't be reached at the moment. Try again." },
  ),
} as const;

/** An HTTP status with which the API answers with an error. */
export type ErrorStatus = keyof typeof ERRORS;
