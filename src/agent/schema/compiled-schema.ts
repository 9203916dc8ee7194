import { dereference, type Schema } from "@cfworker/json-schema";

import { type Patterns, patternCompiler } from "./schema-patterns";

/** A JSON schema from a client. */
export type JsonSchema = Record<string, unknown>;

/** A schema that validates replies in bounded time. */
export interface CompiledSchema {
  root: Schema;
  /** Its subschemas by their addresses. */
  known: Known;
  patterns: Patterns;
}

type Known = Readonly<Record<string, Schema | boolean>>;

/** Thrown for a schema that cannot be used. `path` is that of the part that is wrong. */
export class UnusableSchema extends Error {
  constructor(
    readonly path: string,
    message: string,
  ) {
    super(message);
  }
}

/** The most subschemas that one value is validated against through `$ref`, `allOf` and the like: they multiply. */
const MAX_WEIGHT = 2_000;

/** The most nested schemas with an id: with each, the lookup of its parts takes twice as long. */
const MAX_NESTED_IDS = 5;

/** Keywords whose value maps names to schemas; such a name may be "id". */
const MAPS = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/** Compiles a schema without changing it. Throws `UnusableSchema`. */
export function compileSchema(schema: JsonSchema): CompiledSchema {
  try {
    if (nestedIds(schema, false) > MAX_NESTED_IDS) {
      throw new UnusableSchema(
        "",
        `has more than ${MAX_NESTED_IDS} schemas with an $id inside of each other`,
      );
    }
    // The lookup writes addresses into the schemas, so it gets a copy.
    const root: Schema = structuredClone(schema);
    const known: Known = dereference(root);
    checkReferences(known);
    const weights = new Map<unknown, number>();
    for (const one of Object.values(known)) {
      const weight = weightOf(one, known, weights);
      if (weight <= MAX_WEIGHT) continue;
      const message = `holds one value against more than ${MAX_WEIGHT} schemas, as its references multiply`;
      throw new UnusableSchema("", message);
    }
    return { root, known, patterns: compilePatterns(known) };
  } catch (error) {
    if (error instanceof UnusableSchema) throw error;
    const why = error instanceof Error ? error.message.slice(0, 200) : "unknown";
    throw new UnusableSchema("", `can't be used: ${why}`);
  }
}

/** Returns the schema that `$ref` points to; undefined if there is no `$ref` or nothing at it. */
export const target = ({ $ref, __absolute_ref__: address }: Schema, known: Known) =>
  $ref === undefined || address === undefined ? undefined : known[address];

function nestedIds(value: unknown, isMap: boolean): number {
  if (typeof value !== "object" || value === null) return 0;
  const { id, $id }: { id?: unknown; $id?: unknown } = value;
  const own = !isMap && (id || $id) ? 1 : 0;
  let most = 0;
  for (const [key, child] of Object.entries(value)) {
    most = Math.max(most, nestedIds(child, !isMap && MAPS.includes(key)));
  }
  return own + most;
}

function checkReferences(known: Known): void {
  const dangling = Object.values(known).find(
    (one) => typeof one === "object" && one.$ref !== undefined && target(one, known) === undefined,
  );
  if (typeof dangling !== "object") return;
  const ref = JSON.stringify(dangling.$ref).slice(0, 200);
  throw new UnusableSchema("", `has a $ref that leads nowhere in it: ${ref}`);
}

/**
 * Counts the schemas that a value is validated against with this one, itself included. Throws for an endless
 * recursion.
 */
function weightOf(schema: unknown, known: Known, weights: Map<unknown, number>): number {
  if (typeof schema !== "object" || schema === null) return 1;
  const done = weights.get(schema);
  if (done === 0) {
    throw new UnusableSchema("", "has a $ref that leads back to itself and to no value");
  }
  if (done !== undefined) return done;
  // 0 marks a weight that is being counted.
  weights.set(schema, 0);
  let weight = 1;
  for (const one of ofSameValue(schema, known)) {
    if (one !== undefined) weight += weightOf(one, known, weights);
  }
  weights.set(schema, weight);
  return weight;
}

/** Returns the schemas that apply to the same value as this one. */
const ofSameValue = (schema: Schema, known: Known): unknown[] => [
  target(schema, known),
  ...(schema.allOf ?? []),
  ...(schema.anyOf ?? []),
  ...(schema.oneOf ?? []),
  schema.not,
  schema.if,
  schema.then,
  schema.else,
  ...Object.values(schema.dependentSchemas ?? {}),
  ...Object.values(schema.dependencies ?? {}),
];

function compilePatterns(known: Known): Patterns {
  const compiler = patternCompiler();
  for (const [address, schema] of Object.entries(known)) {
    if (typeof schema !== "object") continue;
    const { pattern, patternProperties } = schema;
    const found: [pattern: unknown, keyword: string[]][] = [
      [pattern, ["pattern"]],
      ...Object.keys(patternProperties ?? {}).map((name): [string, string[]] => [
        name,
        ["patternProperties", name],
      ]),
    ];
    for (const [text, keyword] of found) {
      if (typeof text !== "string") continue;
      try {
        compiler.add(text);
      } catch (error) {
        const message = error instanceof Error ? error.message : "can't be used";
        throw new UnusableSchema([...pathOf(address), ...keyword].join("."), message);
      }
    }
  }
  return compiler.patterns;
}

/** Returns the path in a schema that an address ends with, in parts. */
function pathOf(address: string): string[] {
  const pointer = address.split("#/")[1];
  if (pointer === undefined) return [];
  const unescaped = (part: string) => part.replaceAll("~1", "/").replaceAll("~0", "~");
  return pointer.split("/").map((part) => unescaped(decodeURI(part)));
}
