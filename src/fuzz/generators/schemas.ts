import type { Random } from "../../soak/random.ts";
import { many } from "./grammar.ts";
import { anyValue, mutateValue } from "./json.ts";
import { mcpConfig } from "./mcp.ts";

/** A config with patterns and schemas of a client, and the text to match. */
export interface SchemasInput {
  config: Record<string, unknown>;
  /** The reply to validate. */
  reply: string;
  /** Tool calls that are checked against the rules, or search with patterns. */
  calls: { name: string; input: unknown }[];
}

const repeat = (random: Random, text: string) => text.repeat(random.pick([1, 3, 12, 25, 30, 60]));

/** Returns a regular expression that is extremely slow for a backtracking matcher, or invalid. */
function regex(random: Random): string {
  const atom = random.pick([
    "a",
    "[a-z]",
    "\\w",
    ".",
    "(a|a)",
    "(a|ab)",
    "(?:a?)",
    "\\p{L}",
    "a{1,9}",
  ]);
  return random.pick([
    () => "^(a+)+$",
    () => `^(${atom}+)+$`,
    () => `^(${atom}*)*b$`,
    () => `^${repeat(random, `${atom}?`)}${repeat(random, "a")}$`,
    () => `${repeat(random, ".*")}x`,
    () => `(${repeat(random, `${atom}|`)})+$`,
    () => `${"(".repeat(random.pick([1, 50, 1_000]))}a${")*".repeat(random.pick([1, 50, 1_000]))}`,
    () => `(${atom}{${random.int(0, 1_000)}}){${random.int(0, 1_000)}}`,
    () => `(?=${atom}+)(?!b)${atom}+$`,
    () => `(${atom}+)\\1+$`,
    () => `(?<n>${atom})\\k<n>`,
    () => random.pick(["(", "[", "*", "\\", "(?<", "a{99999999999}", "[z-a]", "\\u{110000}"]),
  ])();
}

/** Returns a path glob with a very large number of possible matches. */
const glob = (random: Random): string =>
  random
    .pick([
      () => `/${repeat(random, "**/")}x`,
      () => `/${repeat(random, "*a")}b`,
      () => `/**/${repeat(random, "?*")}b`,
      () => `/${repeat(random, "{a,b}")}`,
      () => `/${repeat(random, "{a,")}${repeat(random, "}")}`,
      () => `/${repeat(random, "[a-z]*")}!`,
      () => `/${repeat(random, "**")}/${repeat(random, "*/")}`,
      () => `/{${repeat(random, "*,")}a}${repeat(random, "*")}`,
      () => `/[${repeat(random, "\\]")}`,
    ])()
    .slice(0, 190);

/** Returns a random schema. References may point to `$defs` that do not exist. */
function schema(random: Random, depth: number): unknown {
  const inner = () => schema(random, depth + 1);
  if (depth > 4) return { type: "string", pattern: regex(random) };
  const several = (least = 1) => many(random, least, random.pick([2, 4, 8]), inner);
  return random.pick<() => unknown>([
    () => ({ type: "string", pattern: regex(random) }),
    () => ({ type: "string", pattern: regex(random), maxLength: random.int(0, 100) }),
    () => ({ type: "object", properties: { a: inner(), b: inner() }, required: ["a"] }),
    () => ({ type: "object", patternProperties: { [regex(random)]: inner() } }),
    () => ({ type: "object", propertyNames: { pattern: regex(random) } }),
    () => ({ type: "array", items: inner(), uniqueItems: true }),
    () => ({ type: "array", contains: inner(), minContains: random.int(0, 9) }),
    () => ({ anyOf: several() }),
    () => ({ oneOf: several() }),
    () => ({ allOf: several() }),
    () => ({ type: "string", not: inner() }),
    // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema.
    () => ({ type: "string", if: inner(), then: inner(), else: inner() }),
    () => ({ $ref: `#/$defs/d${random.int(0, 40)}` }),
    () => ({
      $ref: random.pick(["#", "#/properties/a", "https://example.com/s", "#/$defs/%", "x#y"]),
    }),
    () => ({ enum: many(random, 1, random.pick([3, 2_000]), () => random.int(0, 9)) }),
    () => ({
      type: ["string", "null"],
      format: random.pick(["email", "uri", "date-time", "regex", "x"]),
    }),
    () => ({ type: "number", multipleOf: random.pick([1e-300, 0.1, 3]), minimum: -1e308 }),
    () => mutateValue(random, { type: "object", properties: { a: { type: "string" } } }),
    () => ({ const: anyValue(random) }),
  ])();
}

/** Returns a schema whose size doubles with every step, or that is recursive. */
function doubling(random: Random): unknown {
  const steps = random.pick([3, 12, 24, 40, 200]);
  const keyword = random.pick(["allOf", "anyOf", "oneOf", "properties", "items"]);
  const next = (n: number) => ({ $ref: `#/$defs/d${n}` });
  const defs = Array.from({ length: steps }, (_, n) => {
    const both = [next(n + 1), next(n + 1)];
    if (keyword === "properties") return { type: "object", properties: { a: both[0], b: both[1] } };
    if (keyword === "items") return { type: "array", items: both[0], prefixItems: both };
    return { [keyword]: both };
  });
  const end = random.chance(0.8) ? { type: "string" } : next(0);
  const $defs = Object.fromEntries([...defs, end].map((one, n) => [`d${n}`, one]));
  return { $defs, ...next(0) };
}

/** Returns a chain of nested schemas. */
function deep(random: Random): unknown {
  const levels = random.pick([10, 40, 90, 120]);
  const wrap = random.pick<(inner: unknown) => unknown>([
    (inner) => ({ type: "object", properties: { a: inner } }),
    (inner) => ({ type: "array", items: inner }),
    (inner) => ({ allOf: [inner] }),
    (inner) => ({ anyOf: [inner, { type: "null" }] }),
    (inner) => ({ type: "string", not: inner }),
  ]);
  let one: unknown = { type: "string" };
  for (let level = 0; level < levels; level++) one = wrap(one);
  return one;
}

function subject(random: Random): string {
  return random.pick([
    () => `${"a".repeat(random.pick([20, 40, 2_000, 50_000]))}${random.pick(["", "!", "b", "\n"])}`,
    () => "ab".repeat(random.pick([20, 2_000])),
    () => random.pick(["", "é", "😀", "\u2028"]),
  ])();
}

function reply(random: Random): string {
  return random.pick([
    () => JSON.stringify(subject(random)),
    () => JSON.stringify({ a: subject(random), [subject(random).slice(0, 5_000)]: 1 }),
    () => JSON.stringify(Array.from({ length: random.pick([3, 3_000]) }, (_, n) => n % 7)),
    () => JSON.stringify(Array.from({ length: 400 }, () => ({ a: [1, 2, { b: 3 }] }))),
    () => `${"[".repeat(5_000)}${"]".repeat(5_000)}`,
    () => `${'{"a":'.repeat(90)}1${"}".repeat(90)}`,
    () => JSON.stringify(anyValue(random)).slice(0, 100_000),
    () => random.pick(["1e999", "-0", "null", '"\\ud800"', "{", "NaN", '{"a":1,"a":2}']),
  ])();
}

/** Returns a random config, with random text for its patterns. */
export function schemasInput(random: Random): SchemasInput {
  const path = `/${subject(random).slice(0, 3_000).replaceAll("\n", "/")}`;
  const stars = `${repeat(random, random.pick(["*", "* ", "a*", "*a*b", "?*"]))}b`.slice(0, 150);
  const count = random.pick([1, 3, 200, 1_000]);
  const rules = () =>
    many(random, 1, count, () =>
      random.pick([
        () => `Bash(${stars})`,
        () => `Bash(${"*".repeat(random.int(1, 90))}b)`,
        () => `${random.pick(["Read", "Write", "Glob", "Grep", "Edit"])}(${glob(random)})`,
        () => `WebFetch(domain:${repeat(random, "*.")}x)`,
      ])(),
    );
  const outputSchema = random.pick([
    () => schema(random, 0),
    () => schema(random, 0),
    () => doubling(random),
    () => deep(random),
    () => ({
      type: "object",
      $defs: { d0: schema(random, 1), d1: schema(random, 1) },
      ...(schema(random, 1) as object),
    }),
  ]);
  const config = {
    ...(random.chance(0.7) && { outputSchema: outputSchema() }),
    ...(random.chance(0.3) && { allowedTools: rules() }),
    ...(random.chance(0.3) && { disallowedTools: rules() }),
    ...(random.chance(0.15) && mcpConfig(random)),
  };
  const calls = [
    { name: "Write", input: { file_path: "/workspace/f", content: subject(random) } },
    { name: "Read", input: { file_path: path } },
    { name: "Grep", input: { pattern: regex(random), path: "/workspace" } },
    { name: "Glob", input: { pattern: glob(random), path: "/" } },
    { name: "Grep", input: { pattern: "a", glob: glob(random).slice(1) } },
    { name: "mcp__a__b", input: { a: subject(random).slice(0, 5_000) } },
    { name: "Bash", input: { command: `echo ${subject(random).slice(0, 5_000)}`, timeout: 1_000 } },
    {
      name: "Edit",
      input: { file_path: "/workspace/f", old_string: "a", new_string: "aa", replace_all: true },
    },
  ];
  return { config, reply: reply(random), calls: calls.filter(() => random.chance(0.5)) };
}
