import type { TurnKind } from "../events/event";
import { pause } from "../shared/backoff";
import type { ModelFailure } from "./model-failure";
import { retryDelayMs } from "./retry";
import { type Counted, NO_COUNT } from "./token-count";

/** A turn that may be made: its price is reserved, and `maxTokens` is what it may say. */
export interface Turn {
  turnId: string;
  attempt: number;
  maxTokens: number;
}

/**
 * Whether a turn may be made. `over_budget`: not within the bound given; an exact count may show that it
 * fits. `pending_calls`: what calls under way will leave over may allow it.
 */
export type TurnReservation =
  | ({ ok: true } & Turn)
  | {
      ok: false;
      why: "interrupted" | "turn_limit" | "max_turns" | "over_budget" | "pending_calls";
    };

/** A turn that a run would like to make. */
export interface TurnRequest {
  kind: TurnKind;
  /** Tells apart turns of one kind that run side by side. */
  ref: string;
  /** The most its prompt can have. */
  promptTokens: number;
  /** What its prompt has, as near as that is known. */
  likelyTokens: number;
  /** The fewest tokens that its prompt can have. */
  leastTokens: number;
  maxTokens: number;
  /** Whether fewer tokens than `maxTokens` may be granted where all of them do not fit. */
  lowered: boolean;
  /** How long the call asks the cache to keep what it writes; five minutes when absent. */
  ttl?: "1h";
}

/** What a search may read: its results enter the prompt of the call that makes it. */
const SEARCH_PROMPT_TOKENS = 100_000;

/** No model's window is larger. */
const MAX_PROMPT_TOKENS = 1_000_000;

/** What a token of a prompt weighs, where nobody counted. */
const BYTES_PER_TOKEN = 4;

/** A turn that is wanted, and how it may be had. */
export interface TurnToReserve {
  kind: TurnKind;
  ref: string;
  /** The most its prompt can have without anybody counting it; null where nothing bounds it. */
  promptBound: number | null;
  /** The fewest that it can have. */
  leastTokens: number;
  maxTokens: number;
  ttl?: TurnRequest["ttl"];
}

/** What is asked for a turn. */
export interface ReserveDeps {
  begin(wish: TurnRequest): TurnReservation;
  count(): Promise<Counted>;
  signal: AbortSignal;
  random(): number;
}

/**
 * Gets a turn granted. The prompt is bounded by its bytes, which needs no request; where that bound is
 * too wide for the money left, the API counts it. A count that can't be had, or can't be true, leaves that
 * bound; what has none is bounded by what a model can read. Answers a failure where not even that fits.
 */
export async function reserveTurn(
  wanted: TurnToReserve,
  deps: ReserveDeps,
): Promise<TurnReservation | { ok: false; why: "uncounted"; failure: ModelFailure }> {
  const { kind, ref, maxTokens, leastTokens, ttl, promptBound: bound } = wanted;
  const results = kind === "web_search" ? SEARCH_PROMPT_TOKENS : 0;
  const ask = (tokens: number, likelyTokens: number, lowered: boolean): TurnReservation =>
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
  const granted = bound === null ? null : ask(bound, likely, false);
  if (granted?.ok || (granted && granted.why !== "over_budget")) return granted;
  const most = bound ?? MAX_PROMPT_TOKENS;
  const counted = believed(await countPatiently(deps), leastTokens);
  if (deps.signal.aborted) return { ok: false, why: "interrupted" };
  if (counted.ok) {
    const tokens = Math.min(counted.tokens, most);
    return ask(Math.min(withMargin(tokens), most), tokens, true);
  }
  const wide = ask(most, Math.max(likely, leastTokens), true);
  if (wide.ok || wide.why !== "over_budget") return wide;
  return { ok: false, why: "uncounted", failure: counted.failure };
}

/** Returns a count, if it can be that of the prompt. */
const believed = (counted: Counted, least: number): Counted =>
  counted.ok && counted.tokens < least ? NO_COUNT : counted;

/** Lets the API count a prompt, trying again as long as it makes sense. */
async function countPatiently({ count, signal, random }: ReserveDeps): Promise<Counted> {
  for (let attempt = 1; ; attempt++) {
    const counted = await count();
    if (counted.ok || signal.aborted) return counted;
    const delayMs = retryDelayMs(counted.failure, attempt, random());
    if (delayMs === null) return counted;
    await pause(delayMs, signal);
  }
}

/** The API calls its count an estimate. */
const withMargin = (tokens: number): number => Math.ceil(tokens * 1.05) + 100;
