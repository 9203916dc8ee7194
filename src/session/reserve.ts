import type { SpendLimit } from "../account/limits";
import type { PricedModel } from "../agent/pricing/models";
import type { TurnReservation } from "../agent/reserve-turn";
import { jitteredBackoffMs, pause } from "../shared/backoff";
import type { Notifier } from "../shared/notifier";
import type { SessionContext } from "./context";
import type { Run } from "./storage/runs";
import { haltRun, pauseLimitOf, pauses } from "./transactions/halts";
import { beginTurn, type WantedTurn } from "./transactions/turns";

const BASE_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;

/** The context of a reservation. */
type ReserveContext = SessionContext & {
  signal: AbortSignal;
  /** Notified when a limit may have been raised. */
  decisions: Notifier;
};

/**
 * Reserves a turn of a run within all limits. If the session's lease is too small, asks the account for more. Waits if
 * other sessions hold money that they may give back. At a limit of a session that pauses, a reply waits until the limit is
 * raised or the run is stopped.
 */
export function reserveTurnOf(
  run: Run,
  model: PricedModel,
  request: WantedTurn,
  context: ReserveContext,
): TurnReservation | Promise<TurnReservation> {
  const reserved = reserveOnce(run, model, request, context);
  return pauses(context.store) ? untilRaised(reserved, run, model, request, context) : reserved;
}

async function untilRaised(
  first: TurnReservation | Promise<TurnReservation>,
  run: Run,
  model: PricedModel,
  request: WantedTurn,
  context: ReserveContext,
): Promise<TurnReservation> {
  const { store, commit, signal, decisions } = context;
  for (let reserved = await first; ; ) {
    const limit = reserved.ok ? null : pauseLimitOf(store, run, request, reserved.why);
    if (limit === null || signal.aborted) return reserved;
    const raised = decisions.wait();
    commit(() => haltRun(store, run, limit));
    await raised;
    if (signal.aborted) return INTERRUPTED;
    commit(() => haltRun(store, run, null));
    reserved = await reserveOnce(run, model, request, context);
  }
}

function reserveOnce(
  run: Run,
  model: PricedModel,
  request: WantedTurn,
  context: ReserveContext,
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
  { lowered }: WantedTurn,
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
