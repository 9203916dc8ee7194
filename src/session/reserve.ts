import type { SpendLimit } from "../account/limits";
import type { PricedModel } from "../agent/pricing/models";
import type { TurnRequest, TurnReservation } from "../agent/reserve-turn";
import { jitteredBackoffMs, pause } from "../shared/backoff";
import type { SessionContext } from "./context";
import type { Run } from "./storage/runs";
import { beginTurn } from "./transactions/turns";

const BASE_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;

/**
 * Reserves a turn of a run within all limits. If the session's lease is too small, asks the account for more. Waits if
 * other sessions hold money that they may give back.
 */
export function reserveTurnOf(
  run: Run,
  model: PricedModel,
  request: TurnRequest,
  context: SessionContext & { signal: AbortSignal },
): TurnReservation | Promise<TurnReservation> {
  const { store, commit } = context;
  const begin = (usedUp: SpendLimit | null) =>
    commit((now) =>
      beginTurn({ store, run: store.runs.get(run.id) ?? run, now }, model, request, usedUp),
    );
  const reserved = begin(null);
  return !reserved.ok && reserved.why === "needs_lease"
    ? reserveWithLease(reserved.needNanos, begin, request, context)
    : reserved;
}

const INTERRUPTED = { ok: false, why: "interrupted" } as const;

async function reserveWithLease(
  needNanos: number,
  begin: (usedUp: SpendLimit | null) => ReturnType<typeof beginTurn>,
  { lowered }: TurnRequest,
  { lend, signal }: Pick<SessionContext, "lend"> & { signal: AbortSignal },
): Promise<TurnReservation> {
  for (let tries = 1; !signal.aborted; tries++) {
    const reserved = await lend(needNanos, signal, ({ limit, mayFree }) =>
      // A call that may be made smaller waits, since it is the last chance of its run.
      mayFree && lowered ? ("wait" as const) : begin(limit),
    );
    if (reserved === "wait") {
      await pause(jitteredBackoffMs(tries, BASE_PAUSE_MS, MAX_PAUSE_MS, Math.random()), signal);
    } else if (reserved?.ok === false && reserved.why === "needs_lease") {
      needNanos = reserved.needNanos;
    } else return reserved ?? INTERRUPTED;
  }
  return INTERRUPTED;
}
