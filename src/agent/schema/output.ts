import type { SchemaDraft } from "@cfworker/json-schema";
import { isDeeperThan, MAX_JSON_DEPTH } from "../../shared/json-depth";
import type { JsonSchema } from "./compiled-schema";
import { compileSchema, UnusableSchema } from "./compiled-schema";
import { type Misfit, misfitOf, TooManySteps } from "./validate";

/** A reply's structured result, or why there is none. */
export type Output = { ok: true; value: unknown } | { ok: false; why: string };

const MAX_WHY_LENGTH = 500;

/** Parses the text of a reply and validates it against the session's schema. Never throws. */
export function readOutput(schema: JsonSchema, text: string | null): Output {
  if (text === null) return { ok: false, why: "it is empty" };
  try {
    const value: unknown = JSON.parse(text);
    const why = misfitWith(schema, value);
    return why === undefined ? { ok: true, value } : { ok: false, why };
  } catch {
    return { ok: false, why: "it is not JSON" };
  }
}

/** Returns why a value does not fit a schema from a client; undefined if it does. Never throws. */
export function misfitWith(schema: JsonSchema, value: unknown): string | undefined {
  if (isDeeperThan(value, MAX_JSON_DEPTH)) {
    return `it is nested more than ${MAX_JSON_DEPTH} levels deep`;
  }
  try {
    const misfit = misfitOf(value, compileSchema(schema), draftOf(schema));
    return misfit && whyOf(misfit);
  } catch (error) {
    return whyUnread(error);
  }
}

/** Returns why a value could not be held against a schema. Schemas that were stored before the bounds existed may exceed them. */
function whyUnread(error: unknown): string {
  if (error instanceof TooManySteps) return "it takes too many steps to hold it against it";
  if (!(error instanceof UnusableSchema)) return "it can't be held against it";
  return shortened(["the schema", error.path, error.message].filter(Boolean).join(" "));
}

/** Returns the draft of JSON Schema that a schema names. */
function draftOf({ $schema }: JsonSchema): SchemaDraft {
  const named = /draft-0[4-7]|2019-09/.exec(String($schema))?.[0];
  if (named === undefined) return "2020-12";
  return named === "2019-09" ? named : "7";
}

function whyOf({ place, why }: Misfit): string {
  return shortened(place === "" ? why : `at ${place}: ${why}`);
}

function shortened(why: string): string {
  return why.length <= MAX_WHY_LENGTH ? why : `${why.slice(0, MAX_WHY_LENGTH).toWellFormed()}…`;
}
