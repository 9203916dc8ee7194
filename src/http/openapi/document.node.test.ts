import { readFile } from "node:fs/promises";
import { dereference, type Schema, validate } from "@cfworker/json-schema";
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { breakingChanges } from "./breaking.ts";
import { generate } from "./build.ts";

const root = new URL("../../../", import.meta.url);
const read = (path: string) => readFile(new URL(path, root), "utf8");
const files = await generate();
const document = JSON.parse(files["docs/openapi.json"] ?? "");

describe("the OpenAPI document", () => {
  it.each(Object.keys(files))(
    "is as %s has it: run npm run openapi after a change",
    async (path) => {
      expect(await read(path)).toBe(files[path]);
    },
  );

  it("is valid OpenAPI 3.1, as a public validator knows it", async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect(result).toMatchObject({ valid: true });
  });

  it("has an example of everything that is sent or received by name, which fits", () => {
    const schemas: Record<string, Schema> = document.components.schemas;
    const lookup = dereference(document);
    const problems = Object.entries(schemas).flatMap(([name, schema]) =>
      [...(schema.examples ?? [])].flatMap((example: unknown) =>
        validate(example, schema, "2020-12", lookup).errors.map(
          ({ instanceLocation, error }) => `${name} ${instanceLocation} ${error}`,
        ),
      ),
    );
    expect(problems).toEqual([]);
    const without = Object.entries(schemas).filter(
      ([name, { examples, oneOf, anyOf }]) =>
        !examples && !oneOf && !anyOf && usedByName(document).has(name),
    );
    expect(without.map(([name]) => name)).toEqual([]);
  });

  it("describes every field of what is sent and every endpoint", () => {
    const schemas: Record<string, Schema> = document.components.schemas;
    const bare = Object.entries(schemas).flatMap(
      ([name, { properties = {}, additionalProperties }]) =>
        Object.entries(properties as Record<string, Schema>)
          .filter(
            ([, field]) => additionalProperties === false && !field.description && !field.$ref,
          )
          .map(([field]) => `${name}.${field}`),
    );
    expect(bare).toEqual([]);
  });
});

/** Returns the names of schemas that are the body or an answer of an endpoint, or an event. */
function usedByName({ paths, components }: typeof document): Set<string> {
  const text = JSON.stringify([paths, components.responses, components.schemas.Event]);
  return new Set(
    [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? ""),
  );
}

describe("a change that breaks clients of the last release", () => {
  it("is announced as breaking in the change log", async () => {
    const changes = breakingChanges(JSON.parse(await read("docs/openapi.released.json")), document);
    const [, unreleased = ""] = (await read("CHANGELOG.md")).split(/^## /m);
    const announced = /^### Breaking$/m.test(unreleased);
    expect(announced ? [] : changes).toEqual([]);
  });

  const schema = (properties: object, required: string[] = []) => ({
    type: "object",
    properties,
    required,
  });
  const withEndpoint = (request: object, answer: object, parameters: object[] = []) => ({
    paths: {
      "/a": {
        post: {
          parameters,
          requestBody: { content: { "application/json": { schema: request } } },
          responses: { 200: { content: { "application/json": { schema: answer } } } },
        },
      },
    },
  });
  const text = { type: "string" };
  const none = schema({});
  const limit = { in: "query", name: "limit", schema: { type: "integer" } };

  it.each<[string, object, object, string[]]>([
    ["an endpoint that is gone", withEndpoint(none, none), { paths: {} }, ["POST /a is gone"]],
    [
      "a parameter that is gone",
      withEndpoint(none, none, [limit]),
      withEndpoint(none, none),
      ["POST /a query limit is gone"],
    ],
    [
      "a parameter that is required",
      withEndpoint(none, none, [limit]),
      withEndpoint(none, none, [{ ...limit, required: true }]),
      ["POST /a query limit is required"],
    ],
    [
      "a field that an answer no longer has",
      withEndpoint(none, schema({ a: text })),
      withEndpoint(none, none),
      ["POST /a 200.a is gone"],
    ],
    [
      "a field that an answer may lack",
      withEndpoint(none, schema({ a: text }, ["a"])),
      withEndpoint(none, schema({ a: text })),
      ["POST /a 200.a may be absent"],
    ],
    [
      "a field that a request must have",
      withEndpoint(schema({ a: text }), none),
      withEndpoint(schema({ a: text }, ["a"]), none),
      ["POST /a.a is required"],
    ],
    [
      "a type that a request no longer takes",
      withEndpoint(schema({ a: { type: ["string", "null"] } }), none),
      withEndpoint(schema({ a: text }), none),
      ["POST /a.a: the type was string or null and is string"],
    ],
    [
      "a value that a request no longer takes",
      withEndpoint(schema({ a: { enum: ["x", "y"] } }), none),
      withEndpoint(schema({ a: { enum: ["x"] } }), none),
      ['POST /a.a: "y" is refused'],
    ],
    [
      "a bound of a request that is narrower",
      withEndpoint(schema({ a: { type: "string", maxLength: 9 } }), none),
      withEndpoint(schema({ a: { type: "string", maxLength: 8 } }), none),
      ["POST /a.a: maxLength is 8"],
    ],
    [
      "an alternative that a request no longer takes",
      withEndpoint({ anyOf: [text, { type: "integer" }] }, none),
      withEndpoint({ anyOf: [text] }, none),
      ["POST /a<integer> is gone"],
    ],
    [
      "a type that an answer may have now",
      withEndpoint(none, schema({ a: text })),
      withEndpoint(none, schema({ a: { type: ["string", "null"] } })),
      ["POST /a 200.a: the type was string and is string or null"],
    ],
  ])("is %s", (_, before, after, expected) => {
    expect(breakingChanges(before as never, after as never)).toEqual(expected);
  });

  it.each<[string, object, object]>([
    [
      "a new field of an answer",
      withEndpoint(none, none),
      withEndpoint(none, schema({ a: text }, ["a"])),
    ],
    ["a new field of a request", withEndpoint(none, none), withEndpoint(schema({ a: text }), none)],
    [
      "a value that a request takes now",
      withEndpoint(schema({ a: { enum: ["x"] } }), none),
      withEndpoint(schema({ a: { enum: ["x", "y"] } }), none),
    ],
    [
      "a null that an answer no longer has",
      withEndpoint(none, schema({ a: { type: ["string", "null"] } })),
      withEndpoint(none, schema({ a: text })),
    ],
  ])("is not %s", (_, before, after) => {
    expect(breakingChanges(before as never, after as never)).toEqual([]);
  });
});
