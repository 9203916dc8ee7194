import { transformJSONSchema } from "@anthropic-ai/sdk/lib/transform-json-schema";
import { z } from "zod";
import { compileSchema, type JsonSchema, UnusableSchema } from "./compiled-schema";

// The JSON schemas that clients may give for results, and for the inputs of their tools. The API accepts a part of JSON
// Schema, by which it constrains the model's results; the SDK turns the rest into text, and replies are validated against
// all of it. It does not constrain inputs, so their schemas may have any keyword.

const MAX_PROBLEMS = 20;

const TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"];
const isType = (value: unknown) => TYPES.some((type) => type === value);
const Type = z.unknown().refine((value) => (Array.isArray(value) ? value : [value]).every(isType), {
  error: `must be one of ${TYPES.join(", ")}, or a list of them`,
});

const size = z.int().min(0);
const names = z.array(z.string());

/** A schema that is used for validation only. */
const Checking: z.ZodType = z.lazy(() => orBoolean(Keywords));

/** A schema of an input, or a part of one. */
const Input: z.ZodType = z.lazy(() => orBoolean(InputKeywords));

/** `true` and `false` are schemas too. */
const orBoolean = (schema: z.ZodType) =>
  z.preprocess((value) => (typeof value === "boolean" ? {} : value), schema);

/** A schema by which the API constrains the model. It needs a type. */
const Constraining: z.ZodType = z.lazy(() =>
  Keywords.refine(hasType, {
    error: "needs a type, or an enum, const, anyOf, oneOf, allOf or $ref in its place",
    when: ({ issues }) => issues.length === 0,
  }),
);

/** The keywords of a schema: with its parts that describe a value, and those that only exclude some. */
const keywords = (part: z.ZodType, checking: z.ZodType) =>
  z
    .looseObject({
      $schema: z.string(),
      $id: z.string(),
      $anchor: z.string(),
      $ref: z.string(),
      $defs: z.record(z.string(), part),
      definitions: z.record(z.string(), part),
      type: Type,
      enum: z.array(z.unknown()).min(1),
      anyOf: z.array(part).min(1),
      oneOf: z.array(part).min(1),
      allOf: z.array(part).min(1),
      not: checking,
      if: checking,
      // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema.
      then: checking,
      else: checking,

      properties: z.record(z.string(), part),
      patternProperties: z.record(z.string(), checking),
      additionalProperties: checking,
      unevaluatedProperties: checking,
      propertyNames: checking,
      required: names,
      minProperties: size,
      maxProperties: size,
      dependentRequired: z.record(z.string(), names),
      dependentSchemas: z.record(z.string(), checking),

      items: part,
      prefixItems: z.array(checking),
      unevaluatedItems: checking,
      contains: checking,
      minItems: size,
      maxItems: size,
      minContains: size,
      maxContains: size,
      uniqueItems: z.boolean(),

      minimum: z.number(),
      maximum: z.number(),
      exclusiveMinimum: z.number(),
      exclusiveMaximum: z.number(),
      multipleOf: z.number().positive(),

      minLength: size,
      maxLength: size,
      pattern: z.string(),
      format: z.string(),
    })
    .partial();

const Keywords = keywords(Constraining, Checking);
const InputKeywords = keywords(Input, Input);

function hasType({ $ref, type, enum: values, const: value, ...schema }: JsonSchema): boolean {
  const isPlain = (one: unknown) => one === null || typeof one !== "object";
  return (
    $ref !== undefined ||
    type !== undefined ||
    (Array.isArray(values) && values.every(isPlain)) ||
    (value !== undefined && isPlain(value)) ||
    ["anyOf", "oneOf", "allOf"].some((keyword) => keyword in schema)
  );
}

/** Returns what is wrong with a schema, each with its path; empty if replies can be validated against it. */
export const checkSchema = (schema: JsonSchema): { path: string; message: string }[] =>
  problemsOf(schema, Constraining, () => {
    compileSchema(schema);
    wireSchema(schema);
  });

function problemsOf(
  schema: JsonSchema,
  form: z.ZodType,
  use: (schema: JsonSchema) => unknown,
): { path: string; message: string }[] {
  const { error } = form.safeParse(schema);
  if (error) {
    const issues = error.issues.slice(0, MAX_PROBLEMS);
    return issues.map(({ path, message }) => ({ path: path.join("."), message }));
  }
  try {
    use(schema);
    return [];
  } catch (error) {
    if (error instanceof UnusableSchema) return [{ path: error.path, message: error.message }];
    const why = error instanceof Error ? error.message.slice(0, 200) : "unknown";
    return [{ path: "", message: `can't be used: ${why}` }];
  }
}

/** The API's pattern for the names of a tool's inputs. */
const INPUT_NAME = /^[\w.-]{1,64}$/;

/** Returns what is wrong with the schema of a tool's input, each with its path; empty if the API accepts it. */
export function checkInputSchema(schema: JsonSchema): { path: string; message: string }[] {
  if (schema.type !== "object") return [{ path: "type", message: 'must be "object"' }];
  const combined = ["anyOf", "oneOf", "allOf"].find((keyword) => keyword in schema);
  if (combined !== undefined) {
    return [{ path: combined, message: "is not possible at the top of a tool's input" }];
  }
  const problems = problemsOf(schema, Input, compileSchema);
  if (problems.length > 0) return problems;
  const name = Object.keys(schema.properties ?? {}).find((key) => !INPUT_NAME.test(key));
  if (name === undefined) return [];
  const message = "has a name that is not 1 to 64 letters, digits, and _ . -";
  return [{ path: `properties.${name.slice(0, 100)}`, message }];
}

/** Returns the schema that is sent to the API: keywords that cannot constrain the model become descriptions. */
export function wireSchema({ definitions, ...schema }: JsonSchema): JsonSchema {
  const named = Object.entries(definitions ?? {}).map(([name, one]) => [
    name,
    transformJSONSchema(one),
  ]);
  return {
    ...transformJSONSchema(schema),
    // The API accepts the older name too; the SDK would turn it into text.
    ...(definitions !== undefined && { definitions: Object.fromEntries(named) }),
  };
}
