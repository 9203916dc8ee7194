import { type OutputUnit, type SchemaDraft, Validator } from "@cfworker/json-schema";
import type { JsonSchema } from "./json-schema";

/** A reply's structured result, or how it is none. */
export type Output = { ok: true; value: unknown } | { ok: false; why: string };

/** What is nested deeper can't be passed on: serialising recurses. */
const MAX_DEPTH = 100;
const MAX_WHY_LENGTH = 500;

/** Reads the text of a reply as the JSON that its session asked for. Never throws. */
export function readOutput(schema: JsonSchema, text: string | null): Output {
  if (text === null) return { ok: false, why: "it is empty" };
  try {
    const value: unknown = JSON.parse(text);
    if (isTooDeep(value)) {
      return { ok: false, why: `it is nested more than ${MAX_DEPTH} levels deep` };
    }
    // A validator notes down addresses in its schema.
    const validator = new Validator(structuredClone(schema), draftOf(schema));
    const { valid, errors } = validator.validate(value);
    return valid ? { ok: true, value } : { ok: false, why: whyOf(errors) };
  } catch (error) {
    const why = error instanceof SyntaxError ? "it is not JSON" : "it can't be held against it";
    return { ok: false, why };
  }
}

function isTooDeep(value: unknown): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap((one) => (typeof one === "object" && one ? Object.values(one) : []));
  }
  return false;
}

/** The edition of JSON Schema that a schema says it follows. */
function draftOf({ $schema }: JsonSchema): SchemaDraft {
  const named = /draft-0[4-7]|2019-09/.exec(String($schema))?.[0];
  if (named === undefined) return "2020-12";
  return named === "2019-09" ? named : "7";
}

/** Keywords under which a value may fail one schema and be right: what is below them is no reason. */
const CHOICES = ["anyOf", "oneOf", "not", "if", "contains"];

/** The reason nearest to the value that is wrong, and where that stands. */
function whyOf(errors: readonly OutputUnit[]): string {
  const found = errors.find(({ keyword }) => CHOICES.includes(keyword)) ?? errors.at(-1);
  const place = decodeURIComponent(found?.instanceLocation.slice(1) ?? "");
  const error = found?.error.replace(/\.$/, "") ?? "it differs";
  const why = place === "" ? error : `at ${place}: ${error}`;
  return why.length <= MAX_WHY_LENGTH ? why : `${why.slice(0, MAX_WHY_LENGTH).toWellFormed()}…`;
}
