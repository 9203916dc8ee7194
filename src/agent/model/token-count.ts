import { readCount } from "../pricing/judge-usage";
import { type ModelFailure, parseObject } from "./model-failure";

/** The tokens of a prompt as the API counts them, or why it does not. */
export type Counted = { ok: true; tokens: number } | { ok: false; failure: ModelFailure };

/** Parses the answer of `count_tokens`. A malformed one is not worth a retry. */
export function countedTokens(body: string): Counted {
  const tokens = readCount(parseObject(body));
  return tokens === null ? NO_COUNT : { ok: true, tokens };
}

/** The failure of a count that is malformed or cannot be true. */
export const NO_COUNT: Counted & { ok: false } = {
  ok: false,
  failure: {
    type: "malformed",
    message: "the tokens of the prompt were not counted",
    status: null,
    requestId: null,
    retryable: false,
    retryAfterMs: null,
    began: false,
  },
};
