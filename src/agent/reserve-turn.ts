import type { TurnKind } from "../events/event";
import { pause } from "../shared/backoff";
import type { ModelFailure } from "./model/model-failure";
import { retryDelayMs } from "./model/retry";
import { type Counted, NO_COUNT } from "./model/token-count";

/** A reserved turn. `maxTokens` is the most that its reply may have. */
export interface Turn {
  turnId: string;
  attempt: number;
  maxTokens: number;
}

/**
 * The outcome of a reservation. `over_budget`: the turn exceeds the budget with the given bound, and may fit
 * with an exact count. `pending_calls`: it may fit when other calls of the session are settled.
 */
export type TurnReservation =
  | ({ ok: true } & Turn)
  | {
      ok: false;
      why: "interrupted" | "turn_limit" | "max_turns" | "over_budget" | "pending_calls";
    };

/** A request to reserve a turn. */
export interface TurnRequest {
  kind: TurnKind;
  /** Distinguishes turns of one kind that run in parallel. */
  ref: string;
  /** The most tokens of its prompt. */
  promptTokens: number;
  /** The best estimate of its prompt's tokens. */
  likelyTokens: number;
  /** A lower bound of its prompt's tokens. */
  leastTokens: number;
  maxTokens: number;
  /** True if fewer tokens than `maxTokens` may be reserved where all of them do not fit. */
  lowered: boolean;
  /** The lifetime of the cache entries that the call writes; five minutes when absent. */
  ttl?: "1h";
}

/** The most tokens of search results: they enter the prompt of the call that searches. */
const SEARCH_PROMPT_TOKENS = 100_000;

/** The largest window of any model. */
const MAX_PROMPT_TOKENS = 1_000_000;

/** The assumed bytes of a token, for a prompt that was not counted. */
const BYTES_PER_TOKEN = 4;

/** A turn to reserve. */
export interface TurnToReserve {
  kind: TurnKind;
  ref: string;
  /** An upper bound of its prompt's tokens; null if only the API can count them. */
  promptBound: number | null;
  /** A lower bound of its prompt's tokens. */
  leastTokens: number;
  maxTokens: number;
  ttl?: TurnRequest["ttl"];
}

/** The dependencies of a reservation. */
export interface ReserveDeps {
  begin(turn: TurnRequest): TurnReservation | Promise<TurnReservation>;
  count(): Promise<Counted>;
  signal: AbortSignal;
  random(): number;
}

/**
 * Reserves a turn. The prompt is bounded by its bytes, which needs no request; if that bound exceeds the
 * budget, the API counts the tokens. Without a plausible count the bound is used again, or the largest window
 * for a prompt without one. Returns the failure of the count if not even that fits.
 */
export async function reserveTurn(
  wanted: TurnToReserve,
  deps: ReserveDeps,
): Promise<TurnReservation | { ok: false; why: "uncounted"; failure: ModelFailure }> {
  const { kind, ref, maxTokens, leastTokens, ttl, promptBound: bound } = wanted;
  const results = kind === "web_search" ? SEARCH_PROMPT_TOKENS : 0;
  const ask = (tokens: number, likelyTokens: number, lowered: boolean) =>
    deps.begin({
      kind,
      ref,
      promptTokens: tokens + results,
      likelyTokens,
      leastTokens,
      maxTokens,
      lowered,
      ...(ttl && { ttl }),
    });

  const likely = Math.ceil((bound ?? 0) / BYTES_PER_TOKEN);
  const granted = bound === null ? null : await ask(bound, likely, false);
  if (granted?.ok || (granted && granted.why !== "over_budget")) return granted;
  const most = bound ?? MAX_PROMPT_TOKENS;
  const counted = believed(await countWithRetries(deps), leastTokens);
  if (deps.signal.aborted) return { ok: false, why: "interrupted" };
  if (counted.ok) {
    const tokens = Math.min(counted.tokens, most);
    return ask(Math.min(withMargin(tokens), most), tokens, true);
  }
  const wide = await ask(most, Math.max(likely, leastTokens), true);
  if (wide.ok || wide.why !== "over_budget") return wide;
  return { ok: false, why: "uncounted", failure: counted.failure };
}

/** Returns the count, or a failure if it is too low to be true. */
const believed = (counted: Counted, least: number): Counted =>
  counted.ok && counted.tokens < least ? NO_COUNT : counted;

/** Counts the tokens of a prompt. Retries transient failures. */
async function countWithRetries({ count, signal, random }: ReserveDeps): Promise<Counted> {
  for (let attempt = 1; ; attempt++) {
    const counted = await count();
    if (counted.ok || signal.aborted) return counted;
    const delayMs = retryDelayMs(counted.failure, attempt, random());
    if (delayMs === null) return counted;
    await pause(delayMs, signal);
  }
}

/** Returns a count with a margin: the API calls its count an estimate. */
const withMargin = (tokens: number): number => Math.ceil(tokens * 1.05) + 100;
