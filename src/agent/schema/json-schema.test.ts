import { describe, expect, it } from "vitest";
import type { JsonSchema } from "./compiled-schema";
import { checkSchema, wireSchema } from "./json-schema";

const string = { type: "string" };
const object = (properties: object, more: object = {}) => ({ type: "object", properties, ...more });

describe("checkSchema", () => {
  it.each<[string, JsonSchema]>([
    ["an object", object({ a: string }, { required: ["a"], additionalProperties: false })],
    ["a list of types", { type: ["string", "null"] }],
    ["an enum without a type", { enum: ["a", null] }],
    ["null as the only value", { const: null }],
    ["bounds that the API has no notion of", { type: "integer", minimum: 1, multipleOf: 2 }],
    ["a pattern", { type: "string", pattern: "^\\p{L}+$" }],
    ["what is left open where the model is not constrained", object({}, { not: { required: [] } })],
    ["true and false as schemas", object({ a: string }, { additionalProperties: true })],
    ["keywords that nobody knows", { ...string, "x-order": [1], title: "A", examples: ["b"] }],
    ["definitions under their older name", { $ref: "#/definitions/A", definitions: { A: string } }],
    [
      "a schema that holds itself by its properties",
      object({ next: { anyOf: [{ $ref: "#" }, { type: "null" }] } }),
    ],
    ["an anchor", object({ a: { $ref: "#here" }, b: { $anchor: "here", type: "string" } })],
    ["an edition", { $schema: "http://json-schema.org/draft-07/schema#", ...string }],
  ])("accepts %s", (_, schema) => expect(checkSchema(schema)).toEqual([]));

  it.each<[string, JsonSchema, string, string]>([
    ["no type", {}, "", "needs a type"],
    ["a property without a type", object({ a: {} }), "properties.a", "needs a type"],
    ["items without a type", { type: "array", items: {} }, "items", "needs a type"],
    ["an enum of objects without a type", { enum: [{}] }, "", "needs a type"],
    ["an unknown type", { type: "text" }, "type", "must be one of array, boolean"],
    ["a type that is no name", { type: ["string", 7] }, "type", "must be one of"],
    ["properties that are no object", { type: "object", properties: [] }, "properties", "expected"],
    ["a property that is no schema", object({ a: "string" }), "properties.a", "expected object"],
    [
      "required as in drafts long past",
      object({ a: { ...string, required: true } }),
      "properties.a.required",
      "expected array",
    ],
    [
      "items side by side in their older form",
      { type: "array", items: [string] },
      "items",
      "expected object",
    ],
    ["an empty enum", { enum: [] }, "enum", "Too small"],
    ["a bound that is no number", { type: "integer", minimum: "1" }, "minimum", "expected number"],
    ["a negative length", { type: "string", minLength: -1 }, "minLength", "Too small"],
    ["a pattern that is none", { type: "string", pattern: "(" }, "pattern", "regular expression"],
    [
      "a pattern of names that is none",
      object({}, { patternProperties: { "(": {} } }),
      "patternProperties.(",
      "regular expression",
    ],
    [
      "a reference to nothing",
      object({ a: { $ref: "#/$defs/A" } }),
      "",
      'leads nowhere in it: "#/$defs/A"',
    ],
    ["a reference to elsewhere", { $ref: "https://example.com/schema" }, "", "leads nowhere"],
    ["a reference to itself", { $ref: "#" }, "", "leads back to itself"],
    [
      "references in a circle",
      {
        $ref: "#/$defs/A",
        $defs: { A: { anyOf: [{ $ref: "#/$defs/B" }] }, B: { $ref: "#/$defs/A" } },
      },
      "",
      "leads back to itself",
    ],
    [
      "an id given twice",
      object({ a: { $id: "x:a", ...string }, b: { $id: "x:a", ...string } }),
      "",
      "Duplicate schema URI",
    ],
  ])("refuses %s, and says where", (_, schema, path, message) => {
    expect(checkSchema(schema)).toEqual([{ path, message: expect.stringContaining(message) }]);
  });

  it("leaves the schema as it is", () => {
    const schema = object({ a: { $ref: "#/$defs/A" } }, { $defs: { A: string } });
    const before = structuredClone(schema);
    checkSchema(schema);
    expect(schema).toEqual(before);
    expect(Object.getOwnPropertyNames(schema)).toEqual(Object.getOwnPropertyNames(before));
  });

  it("takes a schema of thousands of references", () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 3_000 }, (_, n) => [
        `a${n}`,
        object({ next: { $ref: `#/$defs/a${n}` } }),
      ]),
    );
    expect(checkSchema({ $ref: "#/$defs/a0", $defs })).toEqual([]);
  });
});

describe("a schema that is made to take long", () => {
  /** Definitions that each hold a value against the next one twice. */
  const doubling = (depth: number): JsonSchema => ({
    $ref: "#/$defs/a0",
    $defs: {
      ...Object.fromEntries(
        Array.from({ length: depth }, (_, n) => {
          const next = { $ref: `#/$defs/a${n + 1}` };
          return [`a${n}`, { allOf: [next, next] }];
        }),
      ),
      [`a${depth}`]: string,
    },
  });
  const nested = (depth: number): JsonSchema =>
    Array.from({ length: depth }).reduce<JsonSchema>(
      (inner, _, n) => object({ id: inner }, { $id: `x:${n}` }),
      string,
    );

  it.each([
    ["doubles", doubling(24), "", "as its references multiply"],
    ["doubles further than numbers reach", doubling(1_100), "", "as its references multiply"],
    ["has ids inside of each other", nested(40), "", "inside of each other"],
    ["looks around", { type: "string", pattern: "(?=a)" }, "pattern", "of RE2's syntax"],
    [
      "refers back",
      object({ a: { type: "string", pattern: "(a)\\1" } }),
      "properties.a.pattern",
      "escape",
    ],
    ["repeats repetitions", { type: "string", pattern: "(a{1000}){1000}" }, "pattern", "repeat"],
    [
      "has a long pattern",
      { type: "string", pattern: "(".repeat(5_000) },
      "pattern",
      "more than 1000",
    ],
    [
      "has many large patterns",
      object(
        {},
        {
          patternProperties: Object.fromEntries(
            "abcdefghijk".split("").map((a) => [`${a}{1000}`, {}]),
          ),
        },
      ),
      "patternProperties.j{1000}",
      "too large",
    ],
  ])("is refused where it %s", (_, schema, path, message) => {
    expect(checkSchema(schema)).toEqual([{ path, message: expect.stringContaining(message) }]);
  });

  it.each([
    ["doubles a few times", doubling(8)],
    ["repeats within repetitions", { type: "string", pattern: "^(a+)+$" }],
    ["has a few ids inside of each other", nested(5)],
    ["has properties named id", object({ id: object({ id: object({ id: string }) }) })],
  ])("is taken where it only %s", (_, schema) => expect(checkSchema(schema)).toEqual([]));
});

describe("wireSchema", () => {
  it("closes objects, and puts into words what can't constrain the model", () => {
    const schema = object({ n: { type: "integer", minimum: 3, description: "How many" } });
    expect(wireSchema(schema)).toEqual({
      type: "object",
      properties: { n: { type: "integer", description: "How many\n\n{minimum: 3}" } },
      additionalProperties: false,
    });
  });

  it("keeps definitions where references find them", () => {
    const A = object({});
    const closed = { ...A, additionalProperties: false };
    expect(wireSchema({ $ref: "#/$defs/A", $defs: { A } })).toEqual({
      $ref: "#/$defs/A",
      $defs: { A: closed },
    });
    expect(wireSchema({ $ref: "#/definitions/A", definitions: { A } })).toEqual({
      $ref: "#/definitions/A",
      definitions: { A: closed },
    });
  });
});
