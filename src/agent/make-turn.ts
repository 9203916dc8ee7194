import type { PublicError, TurnKind } from "../events/event";
import { pause } from "../shared/backoff";
import type { AgentDeps, Ending } from "./agent-deps";
import { type ModelCall, type ModelReply, weighedParts } from "./model/model";
import { isOverflow, type ModelFailure } from "./model/model-failure";
import { retryDelayMs } from "./model/retry";
import { leastTokens, promptBound } from "./pricing/prompt-bounds";
import { reserveTurn, type Turn } from "./reserve-turn";

/** The outcome of a turn. */
type MadeTurn =
  | { ok: true; turn: Turn; outcome: ModelReply }
  | { ok: false; ending: Ending | RefusedPrompt };

/** The API refused the prompt: `overflow` since it exceeds the model's window, `refused` for what it contains. */
export interface RefusedPrompt {
  stopReason: "overflow" | "refused";
  error: PublicError;
}

/** Makes one turn within the limits. Retries transient failures. Never rejects. */
export async function makeTurn(
  wanted: { kind: TurnKind; ref: string; call: ModelCall; live: boolean },
  deps: AgentDeps,
): Promise<MadeTurn> {
  let failure: ModelFailure | undefined;
  for (;;) {
    // Obtained before the reservation, so that a call that is settled meanwhile counts too.
    const otherSettled = deps.journal.otherSettled();
    const reserved = await reserve(wanted, deps);
    if (reserved === "pending_calls") {
      await otherSettled;
      if (deps.signal.aborted) return { ok: false, ending: { stopReason: "interrupted" } };
      continue;
    }
    if (!reserved.ok) {
      // The reservations of failed tries are not spent: the message ends, not the session.
      const isHeld = reserved.ending.stopReason === "budget_limit";
      return failure && isHeld ? { ok: false, ending: failed(failure) } : reserved;
    }
    const turn = reserved.turn;
    const call = { ...wanted.call, maxTokens: turn.maxTokens, attempt: turn.attempt };
    const watch = deps.watch(turn.turnId, wanted.live);
    const outcome = await deps.model.call(call, deps.signal, watch);
    if (deps.signal.aborted) return { ok: false, ending: { stopReason: "interrupted" } };
    if (outcome.ok) return { ok: true, turn, outcome };

    failure = outcome.failure;
    const delayMs = retryDelayMs(failure, turn.attempt, deps.random());
    deps.journal.fail(turn, outcome, delayMs);
    if (delayMs === null) return { ok: false, ending: failed(failure) };
    await pause(delayMs, deps.signal);
    if (deps.signal.aborted) return { ok: false, ending: { stopReason: "interrupted" } };
  }
}

/** Reserves a turn, or returns the end of the run. */
async function reserve(
  wanted: { kind: TurnKind; ref: string; call: ModelCall },
  deps: AgentDeps,
): Promise<
  { ok: true; turn: Turn } | { ok: false; ending: Ending | RefusedPrompt } | "pending_calls"
> {
  const { kind, ref, call } = wanted;
  const { maxTokens } = call;
  const parts = weighedParts(call);
  const reserved = await reserveTurn(
    { kind, ref, maxTokens, promptBound: promptBound(parts), leastTokens: leastTokens(parts) },
    {
      begin: (turn) => deps.journal.begin(turn),
      count: () => deps.model.count(call, deps.signal),
      signal: deps.signal,
      random: deps.random,
    },
  );
  if (reserved.ok) return { ok: true, turn: reserved };
  if ("failure" in reserved) return { ok: false, ending: failed(reserved.failure) };
  if (reserved.why === "pending_calls") return "pending_calls";
  const why = reserved.why === "over_budget" ? "budget_limit" : reserved.why;
  return { ok: false, ending: { stopReason: why } as Ending };
}

/** Returns the end of a run whose call failed. */
const failed = (failure: ModelFailure): Ending | RefusedPrompt => ({
  stopReason: isOverflow(failure) ? "overflow" : failure.status === 400 ? "refused" : "error",
  error: publicError(failure),
});

/** Returns a failure of the model as it is shown to clients. */
function publicError(failure: ModelFailure): PublicError {
  return {
    type: failure.status === 401 || failure.status === 403 ? "unavailable_error" : "upstream_error",
    message: `The model failed (${failure.type}): ${failure.message}`,
    ...(failure.requestId && { upstreamRequestId: failure.requestId }),
  };
}
