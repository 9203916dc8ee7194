import { describe, expect, it } from "vitest";
import { sampleOf } from "./sample";

describe("sampleOf", () => {
  it.each([
    [{ type: "string" }, "offline"],
    [{ type: "string", format: "date" }, "2026-01-01"],
    [{ type: "string", minLength: 9 }, "offline.."],
    [{ type: "string", maxLength: 3 }, "off"],
    [{ type: "integer", minimum: 3 }, 3],
    [{ type: "integer", exclusiveMinimum: 0 }, 1],
    [{ type: "number", maximum: -2 }, -3],
    [{ type: "number" }, 0],
    [{ type: "boolean" }, true],
    [{ type: "null" }, null],
    [{ type: ["null", "string"] }, "offline"],
    [{ enum: ["red", "green"] }, "red"],
    [{ const: 7 }, 7],
    [{ type: "array", items: { type: "integer" } }, [0]],
    [{ type: "array", items: { type: "boolean" }, minItems: 2 }, [true, true]],
    [{ anyOf: [{ type: "integer" }, { type: "null" }] }, 0],
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
});
