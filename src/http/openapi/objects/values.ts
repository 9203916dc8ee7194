import { z } from "zod";
import { type Prompt, STOP_REASONS } from "../../../events/event";

// What the objects of this folder are made of: what the API answers with. The Worker imports only their types, to which
// views.ts is held.

/** An ISO 8601 instant in UTC. */
export const instant = z.string().meta({ format: "date-time" });
export const count = z.int().min(0);
export const usd = z.number().min(0);
export const durationMs = z.int().min(0);

/** Text, or content blocks of the Messages API: as in the request. */
export const prompt = z
  .custom<Prompt>()
  .meta({ override: { $ref: "#/components/schemas/Prompt" } }) as z.ZodType<Prompt>;

/** A value that was given in a request, with the schema of that request. */
export const asGiven = (name: string) =>
  z.record(z.string(), z.unknown()).meta({ override: { $ref: `#/components/schemas/${name}` } });

export const Usage = z
  .object({
    inputTokens: count.describe("Tokens of the prompt that the cache did not have."),
    outputTokens: count.describe("Tokens of the reply, thinking included."),
    cacheReadTokens: count.describe("Tokens of the prompt that were read from the cache."),
    cacheWriteTokens: count.describe("Tokens of the prompt that were written to the cache."),
    webSearchRequests: count.describe("Searches of the web."),
  })
  .meta({
    id: "Usage",
    description: "Token counts. The prompt has input + cache read + cache write tokens.",
  });

export const PublicError = z
  .object({
    type: z.string().describe("As `error.type` of an error response."),
    message: z.string(),
    upstreamRequestId: z
      .string()
      .exactOptional()
      .describe("The request id of the Messages API, if it gave one."),
    reason: z
      .enum(["output_mismatch", "crash_loop", "setup_failed"])
      .exactOptional()
      .describe(
        "`output_mismatch`: the reply does not match `config.outputSchema`. `crash_loop`: restarts interrupted the message too often at the same step. `setup_failed`: a repository could not be cloned, or a command of `config.setup` failed.",
      ),
  })
  .meta({ id: "Failure", description: "Why a message or a session failed." });

export const stopReason = z.enum(STOP_REASONS).meta({
  id: "StopReason",
  description: [
    "Why a message ended. With the status `completed`, `end_turn`: the agent finished. `max_tokens`: a reply reached its maximum length. `max_turns`: `maxTurns` of the message or the config was reached.",
    "`budget_limit`: the budget of the message, the budget of the session, which ends then, or the money of a day or month (see `limit`) is used up. `turn_limit`: `maxTurns` of the session was reached, and the session ends. `refusal`: the model refused.",
    "With `interrupted`, `interrupted`: a caller stopped it. `terminated`, `lifetime_limit`: the session ended. With `failed`, `error`: see `error` of the message.",
  ].join(" "),
});
