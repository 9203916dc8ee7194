import { format, type Schema, type SchemaDraft, validate } from "@cfworker/json-schema";
import { type CompiledSchema, target } from "./compiled-schema";

// Validates values in a bounded number of steps. The library has no bound and matches patterns by backtracking:
// here it checks only keywords without subschemas and patterns.

/** A violation of a schema. `place` is a JSON pointer to the part of the value that does not fit. */
export interface Misfit {
  place: string;
  why: string;
}

/** The most steps (subschemas, comparisons and so on) for one reply: about a second at worst. */
const MAX_STEPS = 500_000;

/** Characters of text that count as one step. */
const CHARS_PER_STEP = 10;

/** The most characters of a text with a format. */
const MAX_FORMAT_CHARS = 4_096;

/** Thrown if a value takes more steps than are allowed. */
export class TooManySteps extends Error {}

/** Property names and indexes of a value that some schema has evaluated. */
type Evaluated = Set<string | number>;

/** Validates a value against a schema. Returns the first misfit, or undefined. Throws `TooManySteps`. */
export function misfitOf(
  value: unknown,
  { root, known, patterns }: CompiledSchema,
  draft: SchemaDraft,
): Misfit | undefined {
  let steps = 0;
  const spend = (count: number) => {
    steps += count;
    if (steps > MAX_STEPS) throw new TooManySteps();
  };
  const spendText = (text: string, each = 1) =>
    spend(Math.ceil(((text.length + 1) * each) / CHARS_PER_STEP));

  return check(value, root, "", new Set());

  function check(
    value: unknown,
    schema: Schema | boolean,
    place: string,
    evaluated: Evaluated,
  ): Misfit | undefined {
    spend(1);
    if (schema === true) return undefined;
    if (schema === false) return { place, why: "False boolean schema" };
    const ref = target(schema, known);
    if (ref !== undefined) {
      const misfit = check(value, ref, place, evaluated);
      // Before draft 2019-09, `$ref` replaced all keywords beside it.
      if (misfit || draft === "7") return misfit;
    }
    return (
      checkItself(value, schema, place) ??
      checkLogic(value, schema, place, evaluated) ??
      (Array.isArray(value)
        ? checkItems(value, schema, place, evaluated)
        : isObject(value)
          ? checkProperties(value, schema, place, evaluated)
          : undefined)
    );
  }

  /** Checks the keywords without subschemas. */
  function checkItself(value: unknown, schema: Schema, place: string): Misfit | undefined {
    if ("const" in schema && schema.const !== undefined && !isEqual(value, schema.const)) {
      return { place, why: `Instance does not match ${JSON.stringify(schema.const)}` };
    }
    if (schema.enum && !schema.enum.some((one) => isEqual(value, one))) {
      return { place, why: `Instance does not match any of ${JSON.stringify(schema.enum)}` };
    }
    const { type, required, dependentRequired } = schema;
    spend(required?.length ?? 0);
    for (const names of Object.values(dependentRequired ?? {})) spend(1 + names.length);
    if (isObject(value)) spend(Object.keys(value).length);
    if (typeof value === "string") spendText(value);
    const plain: Schema = {
      ...(type !== undefined && { type }),
      ...(required !== undefined && { required }),
      ...(dependentRequired !== undefined && { dependentRequired }),
    };
    for (const keyword of BOUNDS) {
      if (schema[keyword] !== undefined) Object.assign(plain, { [keyword]: schema[keyword] });
    }
    const isPlain = Object.keys(plain).length > 0;
    const error = isPlain ? validate(value, plain, draft, {}).errors.at(-1)?.error : undefined;
    if (error !== undefined) return { place, why: error.replace(/\.$/, "") };
    if (typeof value === "string") return checkText(value, schema, place);
    if (schema.uniqueItems && Array.isArray(value) && hasTwins(value)) {
      return { place, why: "Array has items that are equal" };
    }
    return undefined;
  }

  function checkText(text: string, schema: Schema, place: string): Misfit | undefined {
    if (schema.pattern !== undefined && !matches(schema.pattern, text)) {
      return { place, why: "String does not match pattern" };
    }
    if (schema.format !== undefined && !isOfFormat(text, schema.format)) {
      return { place, why: `String does not match format "${schema.format}"` };
    }
    return undefined;
  }

  function matches(pattern: string, text: string): boolean {
    const compiled = patterns.get(pattern);
    if (!compiled) throw new Error("the pattern was not compiled");
    spendText(text, compiled.programSize());
    return compiled.test(text);
  }

  function checkLogic(
    value: unknown,
    schema: Schema,
    place: string,
    evaluated: Evaluated,
  ): Misfit | undefined {
    /** Validates the value against one more schema; if it fits, merges what that schema evaluated. */
    const inner = (one: Schema | boolean): Misfit | undefined => {
      const spokenOf: Evaluated = new Set();
      const misfit = check(value, one, place, spokenOf);
      if (!misfit) join(evaluated, spokenOf);
      return misfit;
    };
    const { allOf = [], anyOf, oneOf, not } = schema;
    for (const one of allOf) {
      const misfit = inner(one);
      if (misfit) return misfit;
    }
    if (anyOf && anyOf.filter((one) => !inner(one)).length === 0) {
      return { place, why: "Instance does not match any subschemas" };
    }
    const matching = oneOf?.filter((one) => !inner(one)).length ?? 1;
    if (matching !== 1) {
      const why = `Instance does not match exactly one subschema (${matching} matches)`;
      return { place, why };
    }
    if (not !== undefined && !check(value, not, place, new Set())) {
      return { place, why: 'Instance matched "not" schema' };
    }
    if (schema.if !== undefined) {
      const [name, branch] = inner(schema.if) ? ["else", schema.else] : ["then", schema.then];
      if (branch !== undefined && inner(branch)) {
        return { place, why: `Instance does not match "${name}" schema` };
      }
    }
    if (!isObject(value)) return undefined;
    for (const [name, one] of Object.entries({
      ...schema.dependencies,
      ...schema.dependentSchemas,
    })) {
      spend(1);
      if (!Object.hasOwn(value, name)) continue;
      if (!Array.isArray(one)) {
        const misfit = inner(one);
        if (misfit) return misfit;
        continue;
      }
      spend(one.length);
      const missing = one.find((other) => !Object.hasOwn(value, other));
      if (missing === undefined) continue;
      return { place, why: `Instance has "${name}" but does not have "${missing}"` };
    }
    return undefined;
  }

  function checkItems(
    value: readonly unknown[],
    schema: Schema,
    place: string,
    evaluated: Evaluated,
  ): Misfit | undefined {
    const { prefixItems = [], items, contains, unevaluatedItems } = schema;
    for (const [n, item] of value.entries()) {
      const one: Schema | boolean | undefined = n < prefixItems.length ? prefixItems[n] : items;
      if (one === undefined) break;
      const misfit = check(item, one, `${place}/${n}`, new Set());
      if (misfit) return misfit;
      evaluated.add(n);
    }
    if (contains !== undefined) {
      const { minContains: min = 1, maxContains: max = Number.POSITIVE_INFINITY } = schema;
      let found = 0;
      for (const [n, item] of value.entries()) {
        if (check(item, contains, `${place}/${n}`, new Set())) continue;
        evaluated.add(n);
        found += 1;
      }
      if (found < min || found > max) {
        const bound = found < min ? `at least ${min}` : `at most ${max}`;
        return {
          place,
          why: `Array must contain ${bound} items matching schema, and has ${found}`,
        };
      }
    }
    if (unevaluatedItems === undefined) return undefined;
    for (const [n, item] of value.entries()) {
      if (evaluated.has(n)) continue;
      const misfit = check(item, unevaluatedItems, `${place}/${n}`, new Set());
      if (misfit) return misfit;
      evaluated.add(n);
    }
    return undefined;
  }

  function checkProperties(
    value: Readonly<Record<string, unknown>>,
    schema: Schema,
    place: string,
    evaluated: Evaluated,
  ): Misfit | undefined {
    const { properties = {}, patternProperties = {}, propertyNames } = schema;
    const { additionalProperties, unevaluatedProperties } = schema;
    const named = new Set<string>();
    const property = (name: string, one: Schema | boolean): Misfit | undefined => {
      const at = `${place}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      const misfit = check(value[name], one, at, new Set());
      named.add(name);
      evaluated.add(name);
      return misfit;
    };
    const names = Object.keys(value);
    for (const name of names) {
      const misfit =
        (propertyNames !== undefined
          ? check(name, propertyNames, `${place}/${name}`, new Set())
          : undefined) ??
        (Object.hasOwn(properties, name) ? property(name, properties[name] ?? true) : undefined);
      if (misfit) return misfit;
    }
    for (const [pattern, one] of Object.entries(patternProperties)) {
      for (const name of names) {
        const misfit = matches(pattern, name) ? property(name, one) : undefined;
        if (misfit) return misfit;
      }
    }
    const others = (one: Schema | boolean | undefined, known: Evaluated): Misfit | undefined => {
      for (const name of one === undefined ? [] : names) {
        const misfit = known.has(name) ? undefined : property(name, one ?? true);
        if (misfit) return misfit;
      }
      return undefined;
    };
    return (
      others(additionalProperties, new Set(named)) ??
      others(unevaluatedProperties, new Set(evaluated))
    );
  }

  function join(evaluated: Evaluated, more: Evaluated): void {
    spend(more.size / CHARS_PER_STEP);
    for (const one of more) evaluated.add(one);
  }

  function isEqual(one: unknown, other: unknown): boolean {
    spend(1);
    if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
      if (typeof one === "string" && typeof other === "string") spendText(one);
      return one === other;
    }
    if (Array.isArray(one) !== Array.isArray(other)) return false;
    const [ones, others] = [Object.entries(one), Object.entries(other)];
    if (ones.length !== others.length) return false;
    return ones.every(
      ([name, part]) => Object.hasOwn(other, name) && isEqual(part, Reflect.get(other, name)),
    );
  }

  function hasTwins(values: readonly unknown[]): boolean {
    const seen = new Set(values.map(canonical));
    return seen.size < values.length;
  }

  /** Returns the JSON of a value with sorted keys: the same for equal values. */
  function canonical(value: unknown): string {
    spend(1);
    if (typeof value === "string") spendText(value);
    if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
    if (!isObject(value)) return JSON.stringify(value);
    const parts = Object.keys(value).sort();
    return `{${parts.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
  }
}

/** Keywords that the library checks in bounded time. */
const BOUNDS = [
  "minProperties",
  "maxProperties",
  "minItems",
  "maxItems",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
] as const;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns whether a text has a format. Unknown formats are ignored. */
function isOfFormat(text: string, name: string): boolean {
  if (!Object.hasOwn(format, name)) return true;
  if (text.length > MAX_FORMAT_CHARS) return false;
  // The library's own check takes exponential time.
  if (name === "url") return /^(?:https?|ftp):\/\/\S+$/i.test(text) && URL.canParse(text);
  return format[name]?.(text) ?? true;
}
