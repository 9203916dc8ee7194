import { type Schema, Validator } from "@cfworker/json-schema";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonSchema } from "./compiled-schema";
import { readOutput } from "./output";

const order: JsonSchema = {
  type: "object",
  properties: {
    customer: { type: "string", minLength: 1 },
    items: {
      type: "array",
      minItems: 1,
      items: {
        type: "object",
        properties: {
          "name/size": { enum: ["S", "L"] },
          price: { type: "number", minimum: 0 },
          note: { anyOf: [{ type: "string" }, { type: "null" }] },
        },
        required: ["price"],
      },
    },
  },
  required: ["customer", "items"],
  additionalProperties: false,
};
const read = (value: unknown, schema = order) => readOutput(schema, JSON.stringify(value));

describe("readOutput", () => {
  it.each([
    { customer: "Ann", items: [{ price: 1 }] },
    { customer: "Ann", items: [{ "name/size": "S", price: 0.5, note: null }, { price: 1 }] },
  ])("answers the value of JSON that fits: %j", (value) => {
    expect(read(value)).toEqual({ ok: true, value });
  });

  it.each([
    [null, { type: "null" }],
    [false, { type: "boolean" }],
    [0, { type: "integer" }],
    ["", { type: "string" }],
    [[], { type: "array" }],
  ])("answers %j where that is what was asked for", (value, schema) => {
    expect(read(value, schema)).toEqual({ ok: true, value });
  });

  it("reads JSON with blanks around it", () => {
    expect(readOutput({ type: "integer" }, "\n 7 ")).toEqual({ ok: true, value: 7 });
  });

  it.each<[string, unknown, string]>([
    ["another type", [], 'Instance type "array" is invalid. Expected "object"'],
    ["what is missing", { customer: "Ann" }, 'Instance does not have required property "items"'],
    [
      "what is too much",
      { customer: "A", items: [{ price: 1 }], x: 1 },
      "at /x: False boolean schema",
    ],
    [
      "a string that is too short",
      { customer: "", items: [{ price: 1 }] },
      "at /customer: String is too short (0 < 1)",
    ],
    ["too few items", { customer: "A", items: [] }, "at /items: Array has too few items (0 < 1)"],
    [
      "a number out of bounds",
      { customer: "A", items: [{ price: 1 }, { price: -1 }] },
      "at /items/1/price: -1 is less than 0",
    ],
    [
      "none of an enum",
      { customer: "A", items: [{ price: 1, "name/size": "M" }] },
      'at /items/0/name~1size: Instance does not match any of ["S","L"]',
    ],
    [
      "none of some choices",
      { customer: "A", items: [{ price: 1, note: 7 }] },
      "at /items/0/note: Instance does not match any subschemas",
    ],
  ])("says where and why %s does not fit", (_, value, why) => {
    expect(read(value)).toEqual({ ok: false, why });
  });

  it.each([
    [null, "it is empty"],
    ["", "it is not JSON"],
    ["Here you are: {}", "it is not JSON"],
    ['{"customer":"A","items":[{"pri', "it is not JSON"],
    [`${"[".repeat(200)}${"]".repeat(200)}`, "it is nested more than 100 levels deep"],
    [`${"[".repeat(200_000)}${"]".repeat(200_000)}`, "it"],
  ])("takes no text that is no JSON: %.40s", (text, why) => {
    const output = readOutput({ type: "array" }, text);
    expect(output).toEqual({ ok: false, why: expect.stringContaining(why) });
  });

  it("follows references, also to itself", () => {
    const tree = {
      type: "object",
      properties: { n: { type: "integer" }, next: { $ref: "#" } },
      required: ["n"],
    };
    expect(read({ n: 1, next: { n: 2, next: { n: 3 } } }, tree).ok).toBe(true);
    expect(read({ n: 1, next: { n: 2, next: {} } }, tree)).toEqual({
      ok: false,
      why: 'at /next/next: Instance does not have required property "n"',
    });
  });

  it("reads a schema by the edition that it names", () => {
    const schema = { $ref: "#/$defs/A", minimum: 5, $defs: { A: { type: "integer" } } };
    const draft7 = { ...schema, $schema: "http://json-schema.org/draft-07/schema#" };
    // Until 2019 a $ref stood for everything beside it.
    expect(read(1, draft7).ok).toBe(true);
    expect(read(1, schema).ok).toBe(false);
  });

  it("keeps its reason short, whatever the schema holds", () => {
    const output = read("x", { enum: ["y".repeat(10_000)] });
    expect(output).toEqual({ ok: false, why: expect.stringMatching(/^.{500}…$/) });
  });

  it("leaves the schema as it is", () => {
    const before = structuredClone(order);
    read({});
    expect(Object.getOwnPropertyNames(order)).toEqual(Object.getOwnPropertyNames(before));
  });
});

describe("a schema that is made to take long", () => {
  const pattern = { type: "string", pattern: "^(a+)+$" };

  it("is matched all the same", () => {
    expect(read(`${"a".repeat(10_000)}!`, pattern)).toEqual({
      ok: false,
      why: "String does not match pattern",
    });
    expect(read("a".repeat(10_000), pattern)).toMatchObject({ ok: true });
    const names = { type: "object", patternProperties: { "^(a+)+$": false } };
    expect(read({ [`${"a".repeat(10_000)}!`]: 1 }, names)).toMatchObject({ ok: true });
    expect(read({ aa: 1 }, names)).toEqual({ ok: false, why: "at /aa: False boolean schema" });
    expect(read(`http://${"a".repeat(4_000)} b`, { type: "string", format: "url" }).ok).toBe(false);
    expect(read("http://example.com/a", { type: "string", format: "url" }).ok).toBe(true);
  });

  it("fails a reply that takes too many steps", () => {
    const twice = { allOf: [{ $ref: "#/$defs/list" }, { $ref: "#/$defs/list" }] };
    const schema = { ...twice, $defs: { list: { type: "array", items: twice } } };
    const value = JSON.parse(`${"[".repeat(60)}${"]".repeat(60)}`);
    const why = "it takes too many steps to hold it against it";
    expect(read(value, schema)).toEqual({ ok: false, why });
    expect(read("a".repeat(100_000), { type: "string", pattern: "a{900}b" })).toEqual({
      ok: false,
      why,
    });
    expect(read([[]], schema).ok).toBe(true);
  });

  it("compares thousands of items", () => {
    const list = Array.from({ length: 20_000 }, (_, n) => ({ n }));
    const schema = { type: "array", uniqueItems: true };
    expect(read(list, schema).ok).toBe(true);
    expect(read([...list, { n: 7 }], schema).ok).toBe(false);
  });

  it("fails the reply of a session from before it was refused", () => {
    expect(read("a", { type: "string", pattern: "(?=a)" })).toEqual({
      ok: false,
      why: expect.stringMatching(/^the schema pattern is not a regular expression/),
    });
  });
});

describe("holding values against schemas", () => {
  const names = ["a", "b", "c"];
  const { value, schema } = fc.letrec<{ value: unknown; schema: object }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(null, true, 0, 1, 2.5, "", "a", "abc"),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie("value"), { maxKeys: 3 }),
    ),
    schema: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<object>(
        { type: "string" },
        { type: ["integer", "array"] },
        { minimum: 1 },
        { multipleOf: 0.5 },
        { maxLength: 1 },
        { pattern: "^a" },
        { enum: [1, "a", [], { a: 1 }] },
        { const: null },
        { required: ["a"] },
        { maxItems: 1, uniqueItems: true },
        { dependentRequired: { a: ["b"] } },
        { $ref: "#/$defs/a" },
      ),
      fc.record(
        {
          type: fc.constantFrom("object", "array", "string"),
          allOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }),
          anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }),
          oneOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }),
          not: tie("schema"),
          if: tie("schema"),
          // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema.
          then: tie("schema"),
          else: tie("schema"),
          properties: fc.dictionary(fc.constantFrom(...names), tie("schema"), { maxKeys: 2 }),
          patternProperties: fc.dictionary(fc.constantFrom("^a", "b|c"), tie("schema"), {
            maxKeys: 1,
          }),
          additionalProperties: fc.oneof(fc.boolean(), tie("schema")),
          propertyNames: tie("schema"),
          prefixItems: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }),
          items: fc.oneof(fc.boolean(), tie("schema")),
          contains: tie("schema"),
          maxContains: fc.constantFrom(1, 2),
          dependentSchemas: fc.dictionary(fc.constantFrom(...names), tie("schema"), { maxKeys: 1 }),
        },
        { requiredKeys: [] },
      ),
    ),
  }));

  it("decides as the library does, which has no bound", () => {
    fc.assert(
      fc.property(schema, value, (given, instance) => {
        const root = { ...given, $defs: { a: { type: "string" } } };
        const expected = new Validator(structuredClone(root) as Schema, "2020-12").validate(
          instance,
        );
        expect(readOutput(root, JSON.stringify(instance)).ok).toBe(expected.valid);
      }),
      { numRuns: 300 },
    );
  });

  it.each<[unknown, boolean]>([
    [{ a: 1 }, true],
    [{ a: 1, b: 1 }, true],
    [{ a: 1, c: 1 }, false],
  ])("knows which properties of %j no schema has spoken of", (instance, ok) => {
    const schema = {
      type: "object",
      properties: { a: { type: "integer" } },
      anyOf: [{ required: ["b"], properties: { b: { type: "integer" } } }, { type: "object" }],
      unevaluatedProperties: false,
    };
    expect(read(instance, schema).ok).toBe(ok);
  });
});
