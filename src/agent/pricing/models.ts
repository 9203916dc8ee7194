/** Prices of one model in nano-dollars per token: dollars per million tokens, times 1,000. */
export interface Prices {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
}

/**
 * Prices that are valid from a day (UTC) on, for prompts of more than `abovePromptTokens`. Of the rows that apply to a
 * call, the last one counts.
 */
interface PriceRow extends Prices {
  from?: string;
  abovePromptTokens?: number;
}

/** A model's prices and abilities. `id` is sent to the API and shown as the model that ran. */
export interface PricedModel {
  id: string;
  prices: readonly PriceRow[];
  contextWindow: number;
  maxOutput: number;
  /** The kind of thinking to ask for by default; older models think on demand only. */
  thinking: "adaptive" | "none";
}

/** A deployment's prices of models that are not in the table: dollars per million tokens. */
export type ExtraPrices = Readonly<
  Record<
    string,
    {
      input: number;
      output: number;
      cacheRead?: number | undefined;
      cacheWrite?: number | undefined;
    }
  >
>;

/** The model of a session that names none. */
export const DEFAULT_MODEL = "claude-sonnet-5-5";

/**
 * Returns prices in nano-dollars per token, from dollars per million tokens. Writing to the cache costs 1.25 times the input
 * price for five minutes, twice for an hour.
 */
const listPrices = (input: number, output: number, cacheRead: number): Prices => ({
  input: input * 1000,
  output: output * 1000,
  cacheRead: cacheRead * 1000,
  cacheWrite5m: input * 1250,
  cacheWrite1h: input * 2000,
});

type Facts = Omit<PricedModel, "id" | "prices">;
const MILLION: Facts = { contextWindow: 1_000_000, maxOutput: 128_000, thinking: "adaptive" };
const GENERATION_4_5: Facts = { contextWindow: 200_000, maxOutput: 64_000, thinking: "none" };

/** Cautious facts about a model that only `MODEL_PRICES` knows. */
const UNKNOWN: Facts = { contextWindow: 200_000, maxOutput: 32_000, thinking: "none" };

const FABLE_5_2 = listPrices(8, 40, 0.2);
const FABLE_5_1 = listPrices(10, 50, 0.25);
const FABLE_5 = listPrices(10, 50, 1);
const OPUS_4_AND_5 = listPrices(5, 25, 0.5);
const SONNET_4 = listPrices(3, 15, 0.3);

// Sources, read 2026-11-23. "docs": platform.claude.com/docs/en/models/<model>/overview and
// …/about-claude/pricing. "cli": list prices measured on Claude Code 2.1.330, built 2026-11-20.
const MODELS: Readonly<Record<string, Facts & { prices: readonly PriceRow[] }>> = {
  "claude-fable-5-2": { ...MILLION, prices: [FABLE_5_2] }, // cli; window and output as its family
  "claude-mythos-5-2": { ...MILLION, prices: [FABLE_5_2] }, // cli; window and output as its family
  "claude-fable-5-1": { ...MILLION, prices: [FABLE_5_1] }, // docs, cli
  "claude-mythos-5-1": { ...MILLION, prices: [FABLE_5_1] }, // docs, cli
  "claude-fable-5": { ...MILLION, prices: [FABLE_5] }, // docs, cli
  "claude-mythos-5": { ...MILLION, prices: [FABLE_5] }, // docs, cli
  "claude-opus-5-5": { ...MILLION, prices: [listPrices(4, 20, 0.2)] }, // docs, cli
  "claude-opus-5": { ...MILLION, prices: [OPUS_4_AND_5] }, // docs, cli
  "claude-opus-4-8": { ...MILLION, prices: [OPUS_4_AND_5] }, // docs, cli
  "claude-opus-4-7": { ...MILLION, prices: [OPUS_4_AND_5] }, // docs, cli
  "claude-opus-4-6": { ...MILLION, prices: [OPUS_4_AND_5] }, // docs, cli
  "claude-opus-4-5": { ...GENERATION_4_5, prices: [OPUS_4_AND_5] }, // docs, cli
  "claude-sonnet-5-5": {
    ...MILLION,
    prices: [
      listPrices(2, 10, 0.2), // docs, before the cut
      { from: "2026-10-07", ...listPrices(2, 10, 0.1) }, // docs, cli
    ],
  },
  "claude-sonnet-5": { ...MILLION, prices: [listPrices(2, 10, 0.2)] }, // docs, cli
  "claude-sonnet-4-6": { ...MILLION, prices: [SONNET_4] }, // docs, cli
  "claude-sonnet-4-5": { ...GENERATION_4_5, prices: [SONNET_4] }, // docs, cli
  "claude-haiku-5-5": {
    ...MILLION,
    prices: [
      listPrices(0.1, 0.5, 0.01), // docs, cli
      { abovePromptTokens: 100_000, ...listPrices(0.5, 2.5, 0.05) }, // docs; the whole request
    ],
  },
  "claude-haiku-4-5": { ...GENERATION_4_5, prices: [listPrices(1, 5, 0.1)] }, // docs, cli
};

/** Dated names of live models. They are sent unchanged. */
const DATED: Readonly<Record<string, string>> = {
  "claude-opus-4-5-20251101": "claude-opus-4-5",
  "claude-sonnet-4-5-20250929": "claude-sonnet-4-5",
  "claude-haiku-4-5-20251001": "claude-haiku-4-5",
};

/** Names that are retired, at once or from a day (UTC) on, with their replacements. */
export interface Retirement {
  names: RegExp;
  successor: string;
  retiredOn?: string;
}

/**
 * Retired names and their family's current model. Days: platform.claude.com/docs/en/about-claude/
 * model-deprecations, read 2026-11-23; a row without a day has long been retired.
 */
export const SUCCESSORS: readonly Retirement[] = [
  {
    names: /^claude-sonnet-4-5(-20250929)?$/,
    successor: "claude-sonnet-5-5",
    retiredOn: "2026-11-30",
  },
  {
    names: /^claude-opus-4-1(-20250805)?$/,
    successor: "claude-opus-5-5",
    retiredOn: "2026-08-05",
  },
  {
    names: /^claude-opus-4(-0|-20250514)?$/,
    successor: "claude-opus-5-5",
    retiredOn: "2026-06-15",
  },
  {
    names: /^claude-sonnet-4(-0|-20250514)?$/,
    successor: "claude-sonnet-5-5",
    retiredOn: "2026-06-15",
  },
  { names: /^claude-3-haiku(-|$)/, successor: "claude-haiku-5-5", retiredOn: "2026-04-20" },
  { names: /^claude-3-7-sonnet(-|$)/, successor: "claude-sonnet-5-5", retiredOn: "2026-02-19" },
  { names: /^claude-3-5-haiku(-|$)/, successor: "claude-haiku-5-5", retiredOn: "2026-02-19" },
  { names: /^claude-3-opus(-|$)/, successor: "claude-opus-5-5", retiredOn: "2026-01-05" },
  { names: /^claude-3-5-sonnet(-|$)/, successor: "claude-sonnet-5-5", retiredOn: "2025-10-28" },
  { names: /^claude-3-sonnet(-|$)/, successor: "claude-sonnet-5-5", retiredOn: "2025-07-21" },
  { names: /^claude-2(\.|$)/, successor: "claude-sonnet-5-5" },
  { names: /^claude-1(\.|$)/, successor: "claude-sonnet-5-5" },
  { names: /^claude-instant(-|$)/, successor: "claude-haiku-5-5" },
];

/** Returns the first instant, in ms since 1970, of a day such as 2026-11-30. */
const dayStart = (day: string): number => Date.parse(`${day}T00:00:00Z`);

/** Returns the replacement of a name that is retired at an instant; undefined for any other name. */
export function successorOf(name: string, at: number): string | undefined {
  const row = SUCCESSORS.find(({ names }) => names.test(name));
  if (!row) return undefined;
  // Before its retirement, a model is available only if its prices are still known.
  const runs = row.retiredOn !== undefined && at < dayStart(row.retiredOn) && listed(name);
  return runs ? undefined : row.successor;
}

/**
 * Returns the model of a name at an instant (ms since 1970), or undefined for a name without a price. A price
 * of the deployment's own takes precedence: a gateway may serve what the API has retired.
 */
export function resolveModel(
  name: string,
  at: number,
  extraPrices: ExtraPrices = {},
): PricedModel | undefined {
  const extra = Object.hasOwn(extraPrices, name) ? extraPrices[name] : undefined;
  if (extra) return { id: name, ...(listed(name) ?? UNKNOWN), prices: [ownPrices(extra)] };
  const id = successorOf(name, at) ?? name;
  const facts = listed(id);
  return facts && { id, ...facts };
}

/** Returns the names of the table's models that run at an instant, newest generation first. */
export function knownModels(at: number): string[] {
  return Object.keys(MODELS).filter((name) => successorOf(name, at) === undefined);
}

/**
 * Returns the prices of a call that begins at an instant (ms since 1970) with a prompt of `promptTokens`,
 * cached ones included.
 */
export function pricesOf(model: PricedModel, promptTokens: number, at: number): Prices {
  const row = model.prices.findLast(
    ({ from, abovePromptTokens }) =>
      (from === undefined || at >= dayStart(from)) && promptTokens > (abovePromptTokens ?? -1),
  );
  if (!row) throw new RangeError(`${model.id} has no price for a prompt of ${promptTokens} tokens`);
  return row;
}

/** Returns every set of prices that may apply to a prompt of at most `promptTokens`. */
export function reachablePrices(model: PricedModel, promptTokens: number, at: number): Prices[] {
  const edges = model.prices.map(({ abovePromptTokens }) => (abovePromptTokens ?? -1) + 1);
  const reached = new Set(edges.filter((edge) => edge <= promptTokens));
  return [...reached].map((edge) => pricesOf(model, edge, at));
}

function listed(name: string) {
  const key = Object.hasOwn(DATED, name) ? DATED[name] : name;
  return key !== undefined && Object.hasOwn(MODELS, key) ? MODELS[key] : undefined;
}

function ownPrices(price: ExtraPrices[string]): Prices {
  const { input, output, cacheRead = input, cacheWrite = input * 1.25 } = price;
  return {
    input: nanosPerToken(input),
    output: nanosPerToken(output),
    cacheRead: nanosPerToken(cacheRead),
    cacheWrite5m: nanosPerToken(cacheWrite),
    cacheWrite1h: nanosPerToken(Math.max(cacheWrite, input * 2)),
  };
}

/** Rounds up, but ignores floating-point dust: 0.07 × 1,000 is 70 and not 71. */
const nanosPerToken = (dollarsPerMillion: number): number =>
  Math.ceil(Number((dollarsPerMillion * 1000).toFixed(6)));
