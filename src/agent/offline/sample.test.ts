import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkSchema, wireSchema } from "../schema/json-schema";
import { readOutput } from "../schema/output";
import { sampleOf } from "./sample";

const SMALL = { min: -99, max: 99, noNaN: true };

describe("sampleOf", () => {
  it.each([
    [{ type: "string" }, "offline"],
    [{ type: "string", format: "date" }, "2026-01-01"],
    [{ type: "string", minLength: 9 }, "offline.."],
    [{ type: "string", maxLength: 3 }, "off"],
    [{ type: "integer", minimum: 3 }, 3],
    [{ type: "integer", exclusiveMinimum: 0 }, 1],
    [{ type: "number", maximum: -2 }, -2],
    [{ type: "number" }, 0],
    [{ type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
    [{ type: "integer", minimum: 1, multipleOf: 4 }, 4],
    [{ type: "integer", exclusiveMaximum: 0, multipleOf: 4 }, -4],
    [{ type: "integer", minimum: 0.5, maximum: 1.5 }, 1],
    [{ type: "boolean" }, true],
    [{ type: "null" }, null],
    [{ type: ["null", "string"] }, "offline"],
    [{ enum: ["red", "green"] }, "red"],
    [{ const: 7 }, 7],
    [{ type: "array", items: { type: "integer" } }, [0]],
    [{ type: "array", items: { type: "boolean" }, minItems: 2 }, [true, true]],
    [{ type: "array", items: { type: "boolean" }, maxItems: 0 }, []],
    [{ type: "array", prefixItems: [{ const: 1 }, { const: 2 }] }, [1, 2]],
    [{ anyOf: [{ type: "integer" }, { type: "null" }] }, 0],
    [{ type: "integer", description: "Years\n\n{minimum: 1900, maximum: 2100}" }, 1900],
    [{ type: "string", description: '{minLength: 9, pattern: "a, b: {"}' }, "offline.."],
    [{ type: "string", description: "{not: hints}" }, "offline"],
    [
      {
        allOf: [
          { type: "object", properties: { a: { const: 1 } }, required: ["a"] },
          { type: "object", properties: { b: { const: 2 } } },
        ],
      },
      { a: 1, b: 2 },
    ],
    [{ $ref: "#/$defs/a~1b%20c", $defs: { "a/b c": { const: "found" } } }, "found"],
    [
      {
        type: "object",
        properties: { name: { type: "string" }, size: { $ref: "#/$defs/Size" } },
        required: ["name"],
        $defs: { Size: { enum: ["S"] } },
      },
      { name: "offline", size: "S" },
    ],
  ])("fits %j", (schema, value) => expect(sampleOf(schema)).toEqual(value));

  it("comes to an end with a schema that holds itself", () => {
    const tree = {
      type: "object",
      properties: {
        name: { type: "string" },
        left: { anyOf: [{ $ref: "#" }, { type: "null" }] },
        children: { type: "array", items: { $ref: "#" } },
      },
      required: ["name", "left", "children"],
    };
    expect(sampleOf(tree)).toMatchObject({ name: "offline", left: { name: "offline" } });
  });

  it("comes to an end where no value could", () => {
    const twice = { type: "object", properties: { l: { $ref: "#" }, r: { $ref: "#" } } };
    expect(sampleOf({ ...twice, required: ["l", "r"] })).toMatchObject({ l: { r: {} } });
  });

  it("fits whatever can be said to the API, in its words or ours", () => {
    const named = fc.constantFrom("a", "b", "c d", "é");
    const leaf = fc.oneof(
      fc.record({ type: fc.constant("string"), minLength: fc.nat(9) }),
      fc.record({ type: fc.constant("string"), maxLength: fc.nat(9) }),
      fc.record({
        type: fc.constant("string"),
        format: fc.constantFrom("date", "date-time", "time", "duration", "email", "uuid", "uri"),
      }),
      fc.record({
        type: fc.constantFrom("integer", "number"),
        minimum: fc.integer({ min: -9, max: 0 }),
        exclusiveMaximum: fc.integer({ min: 5, max: 9 }),
        multipleOf: fc.constantFrom(1, 2, 3, 4),
      }),
      fc.record({ type: fc.constantFrom("integer", "number"), exclusiveMinimum: fc.double(SMALL) }),
      fc.record({ enum: fc.array(fc.jsonValue({ maxDepth: 0 }), { minLength: 1 }) }),
      fc.record({ const: fc.constantFrom(null, true, "x", 0) }),
      fc.record({ type: fc.constant(["null", "boolean"]) }),
    );
    const { schema } = fc.letrec<{ schema: object }>((tie) => ({
      schema: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.dictionary(named, tie("schema")).map((properties) => ({
          type: "object",
          properties,
          required: Object.keys(properties).slice(0, 2),
        })),
        fc.record({
          type: fc.constant("array"),
          items: tie("schema"),
          minItems: fc.nat(3),
          description: fc.constantFrom("Some", "Some {more: less}"),
        }),
        fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
      ),
    }));
    fc.assert(
      fc.property(schema, (given) => {
        expect(checkSchema({ ...given })).toEqual([]);
        for (const one of [given, wireSchema({ ...given })]) {
          const text = JSON.stringify(sampleOf({ ...one }));
          expect(readOutput({ ...given }, text)).toMatchObject({ ok: true });
        }
      }),
      { numRuns: 300 },
    );
  });
});
