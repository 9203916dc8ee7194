import { describe, expect, it } from "vitest";
import type { JsonSchema } from "./json-schema";
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
