import type { Draft } from "../../agent/model/assemble";
import { costOf } from "../../agent/pricing/cost";
import { type Judgement, judgeUsage } from "../../agent/pricing/judge-usage";
import { addUsage, type CallUsage, NO_USAGE, totalTokens } from "../../agent/pricing/usage";
import type { UsageByModel } from "../../db/schema";
import type { PublicCharge } from "../../events/event";
import { dayOf } from "../../shared/days";
import { dollars } from "../../shared/money";
import { modelOf } from "../deployment";
import { type Remainder, settle, WARN_AT, type Warning, warnings } from "../rules/ledger";
import type { Call } from "../storage/calls";
import type { SessionStore } from "../storage/store";
import { settleInLease } from "./leases";
import { change, type RunChange, scopeOf } from "./state";

// The cost of model calls. Each call is settled once and added to the totals of the session and of its message. Call
// functions that change something within a transaction.

/**
 * Determines the charge for a call, whose reply may have been cut off. The prices at the start of the call apply, even
 * if they changed since.
 */
export const judge = (
  call: Call,
  reported: Draft["usage"],
  { isComplete }: { isComplete: boolean },
): Judgement =>
  judgeUsage(reported, call, isComplete, (usage) =>
    costOf(modelOf(call.model, call.begunAt), usage, call.begunAt),
  );

/** Returns whether a call counts as a turn of its agent. */
export const isReply = (call: Call): boolean => call.kind === "reply";

/** The charge for a call if no part of its reply arrived: 0. */
export const NO_CHARGE: Judgement = {
  usage: { ...NO_USAGE, cacheWrite1hTokens: 0 },
  costNanos: 0,
  dispute: null,
};

/** The charge for a call, the amount that stays reserved for it, and the limits whose warning threshold it crossed. */
interface Charged {
  model: string;
  costNanos: number;
  heldNanos: number;
  usage: CallUsage;
  dispute: Judgement["dispute"];
  warnings: Warning[];
}

/** How a call is settled. */
interface Settlement {
  judged: Judgement;
  /** What happens to the part of the bound that was not charged. */
  rest: Remainder;
  /** Whether no further attempt of its turn follows. */
  closed: boolean;
  /** Whether it counts as a turn of the session and of the message. */
  counts: boolean;
}

/** Settles a call in the ledger and adds it to the totals of the session and of the message. */
export function charge(
  { store, run, now }: RunChange,
  call: Call,
  settlement: Settlement,
): Charged {
  const { usage, costNanos, dispute } = settlement.judged;
  const { state } = store;
  const settled = settle(state.balance, call, costNanos, settlement.rest);
  const { costNanos: cost, heldNanos } = settled.reservation;
  store.calls.settle(call, settled.reservation, settlement.closed);
  settleInLease(store, call.id, settled.reservation);

  const turns = settlement.counts ? 1 : 0;
  const numTurns = state.numTurns + turns;
  const isFree = cost === 0 && totalTokens(usage) === 0;
  const added = { ...usage, costNanos: cost };
  change(
    store,
    {
      balance: settled.balance,
      numTurns,
      totalTokens: state.totalTokens + totalTokens(usage),
      ...(!isFree && {
        usage: withUsage(state.usage, call.model, added),
        usageDays: withUsageOn(dayOf(call.begunAt), state.usageDays, call.model, added),
      }),
    },
    now,
  );
  const message = store.messages.get(run.messageId);
  if (message) {
    store.messages.saveTotals(message.id, {
      costNanos: message.costNanos + cost,
      usage: addUsage(message.usage, usage),
      numTurns: message.numTurns + turns,
      toolsUsed: message.toolsUsed,
    });
  }
  const before = { spentNanos: state.balance.spentNanos, numTurns: state.numTurns };
  const after = { spentNanos: settled.balance.spentNanos, numTurns };
  const crossed = warnings(before, after, store.metadata.limits, store.identity.config.warnAt);
  return { model: call.model, costNanos: cost, heldNanos, usage, dispute, warnings: crossed };
}

/** How many days with usage a session keeps apart: the index may not have heard of the last ones. */
const MAX_USAGE_DAYS = 3;

function withUsage(
  before: UsageByModel,
  model: string,
  { costNanos, ...usage }: CallUsage & { costNanos: number },
): UsageByModel {
  const known = before[model] ?? { ...NO_USAGE, costNanos: 0 };
  const grown = { ...addUsage(known, usage), costNanos: known.costNanos + costNanos };
  return { ...before, [model]: grown };
}

/** Adds usage to that of a day. Forgets the oldest day if there are too many. */
function withUsageOn(
  day: string,
  before: Record<string, UsageByModel> = {},
  ...usage: [model: string, CallUsage & { costNanos: number }]
): Record<string, UsageByModel> {
  const grown = { ...before, [day]: withUsage(before[day] ?? {}, ...usage) };
  const kept = Object.keys(grown).toSorted().slice(-MAX_USAGE_DAYS);
  return Object.fromEntries(kept.map((key) => [key, grown[key] ?? {}]));
}

/** Appends the event of a turn's end, with its cost. */
export function appendTurnCompleted(
  at: RunChange,
  call: Call,
  stopReason: string,
  charged: Charged,
): void {
  const { store, run, now } = at;
  const { turnId, kind } = call;
  store.log.append(
    { type: "turn.completed", turnId, kind, stopReason, ...publicCharge(charged) },
    scopeOf(run),
    now,
  );
  appendNotices(at, call, charged);
}

/** Appends the event of a failed attempt of a turn. Another attempt follows after a delay, in ms. */
export function appendTurnRetried(
  at: RunChange,
  call: Call,
  retry: { reason: string; delayMs: number },
  charged: Charged,
): void {
  const { turnId, attempt, kind } = call;
  const withdrawn = { turnId, kind, attempt, ...retry };
  const event = { type: "turn.retried", ...withdrawn, ...publicCharge(charged) } as const;
  at.store.log.append(event, scopeOf(at.run), at.now);
  appendNotices(at, call, charged);
}

/** Appends events for a usage report that was disputed and for limits whose warning threshold was crossed. */
function appendNotices({ store, run, now }: RunChange, call: Call, charged: Charged): void {
  const { model, dispute } = charged;
  if (dispute) {
    const { turnId, attempt, boundNanos } = call;
    const { reason, reportedNanos } = dispute;
    const reported = reportedNanos === null ? null : dollars(reportedNanos);
    const disputed = { turnId, attempt, model, reason, reported, bound: dollars(boundNanos) };
    store.log.append({ type: "usage.disputed", ...disputed }, scopeOf(run), now);
  }
  for (const warning of charged.warnings) {
    store.log.append({ type: "limit.warned", ...warning }, scopeOf(run), now);
  }
}

/**
 * Appends the warning that the whole budget is used up, when a call needs more than what is left of it. Does nothing if
 * the session does not warn of that, or has done so when the last part was spent.
 */
export function warnOfUsedBudget(store: SessionStore, messageId: string | null, now: number): void {
  const { maxBudgetNanos } = store.metadata.limits;
  const { spentNanos } = store.state.balance;
  const warns = (store.identity.config.warnAt ?? WARN_AT).includes(1);
  if (maxBudgetNanos === null || spentNanos >= maxBudgetNanos || !warns) return;
  const amounts = { used: dollars(spentNanos), max: dollars(maxBudgetNanos) };
  const scope = messageId === null ? {} : { messageId };
  store.log.append({ type: "limit.warned", limit: "budget", part: 1, ...amounts }, scope, now);
}

/** Returns the charge for a call with the fields that clients see. */
function publicCharge({ model, costNanos, heldNanos, usage }: Charged): PublicCharge {
  const { cacheWrite1hTokens: _, ...shown } = usage;
  return { model, cost: dollars(costNanos), held: dollars(heldNanos), usage: shown };
}
