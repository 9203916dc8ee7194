type Schema = Readonly<Record<string, unknown>>;

/** The depth below which only required parts are filled in, so that a recursive schema ends. */
const FULL_DEPTH = 6;
const MAX_DEPTH = 100;
/** The most values: a schema whose every leaf requires two more has no end. */
const MAX_VALUES = 10_000;

const FORMATS: Readonly<Record<string, string>> = {
  date: "2026-01-01",
  "date-time": "2026-01-01T00:00:00Z",
  time: "00:00:00Z",
  duration: "PT1S",
  email: "offline@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/offline",
  uuid: "00000000-0000-4000-8000-000000000000",
};

/** Returns a value that is valid for a JSON schema of the kind that structured outputs accept. */
export function sampleOf(schema: Schema): unknown {
  let values = 0;
  const sample: Sample = (given, depth) => {
    values += 1;
    if (depth > MAX_DEPTH || values > MAX_VALUES) return null;
    return valueFor(withHints(asSchema(given)), depth, (inner) => sample(inner, depth + 1), schema);
  };
  return sample(schema, 0);
}

type Sample = (schema: unknown, depth: number) => unknown;
type Deeper = (inner: unknown) => unknown;

function valueFor(schema: Schema, depth: number, deeper: Deeper, root: Schema): unknown {
  if ("const" in schema) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if (typeof schema.$ref === "string") return deeper(resolve(schema.$ref, root));
  const [choices] = [schema.anyOf, schema.oneOf].filter(Array.isArray);
  if (choices) {
    const plain = choices.find(({ type }) => type === "null");
    return deeper(depth < FULL_DEPTH ? choices[0] : (plain ?? choices[depth % choices.length]));
  }
  if (Array.isArray(schema.allOf)) return deeper(merged(schema.allOf, root));
  switch (typeOf(schema)) {
    case "object":
      return sampleObject(schema, deeper, depth);
    case "array":
      return sampleArray(schema, deeper, depth);
    case "integer":
      return sampleNumber(schema, 1);
    case "number":
      return sampleNumber(schema);
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return sampleString(schema);
  }
}

/** A string, or a key without quotes. */
const HINTS = /"(?:[^"\\]|\\.)*"|([\w$-]+):/g;

/**
 * Returns a schema with the keywords that the SDK moved to the description, since the API does not accept them:
 * `{minimum: 3}`.
 */
function withHints(schema: Schema): Schema {
  const { description } = schema;
  const last = typeof description === "string" ? description.split("\n\n").at(-1) : undefined;
  if (!last?.startsWith("{")) return schema;
  try {
    const json = last.replace(HINTS, (found, key) => (key ? `"${key}":` : found));
    return { ...asSchema(JSON.parse(json)), ...schema };
  } catch {
    return schema;
  }
}

function typeOf(schema: Schema): unknown {
  const { type, properties, items } = schema;
  if (Array.isArray(type)) return type.find((name) => name !== "null") ?? "null";
  return type ?? (properties ? "object" : items ? "array" : "string");
}

/** Merges schemas that all apply. */
function merged(schemas: readonly unknown[], root: Schema): Schema {
  const all = schemas
    .map(asSchema)
    .map(({ $ref, ...one }) => (typeof $ref === "string" ? asSchema(resolve($ref, root)) : one));
  const properties = all.flatMap((one) => Object.entries(asSchema(one.properties)));
  return {
    ...Object.assign({}, ...all),
    ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
    required: all.flatMap((one) => listOf(one.required)),
  };
}

function sampleObject(schema: Schema, deeper: Deeper, depth: number) {
  const required = listOf(schema.required);
  const wanted = Object.entries(asSchema(schema.properties)).filter(
    ([name]) => depth < FULL_DEPTH || required.includes(name),
  );
  return Object.fromEntries(wanted.map(([name, inner]) => [name, deeper(inner)]));
}

function sampleArray(schema: Schema, deeper: Deeper, depth: number) {
  const first = listOf(schema.prefixItems);
  const wanted = numberOf(schema.minItems) ?? (depth < FULL_DEPTH ? Math.max(first.length, 1) : 0);
  const length = Math.min(wanted, numberOf(schema.maxItems) ?? wanted, 100);
  return Array.from({ length }, (_, place) => deeper(first[place] ?? schema.items));
}

/** Returns the first of a few likely numbers within the bounds. */
function sampleNumber(schema: Schema, unit?: number): number {
  const step = numberOf(schema.multipleOf) ?? unit;
  const least = numberOf(schema.minimum) ?? Number.NEGATIVE_INFINITY;
  const above = numberOf(schema.exclusiveMinimum) ?? Number.NEGATIVE_INFINITY;
  const most = numberOf(schema.maximum) ?? Number.POSITIVE_INFINITY;
  const below = numberOf(schema.exclusiveMaximum) ?? Number.POSITIVE_INFINITY;
  const low = Math.max(least, above);
  const high = Math.min(most, below);

  const even = step ?? 1;
  const stepped = [Math.ceil(low / even), Math.floor(low / even) + 1, Math.floor(high / even)];
  const likely = [0, low, ...stepped.map((n) => n * even), (low + high) / 2, high, high - even];
  const fits = (value: number) =>
    Number.isFinite(value) &&
    value >= least &&
    value > above &&
    value <= most &&
    value < below &&
    [step, unit].every((one) => one === undefined || Number.isInteger(value / one));
  return likely.find(fits) ?? 0;
}

function sampleString(schema: Schema): string {
  const known = typeof schema.format === "string" ? FORMATS[schema.format] : undefined;
  if (known) return known;
  const length = Math.min(numberOf(schema.maxLength) ?? 7, 7);
  return "offline".slice(0, length).padEnd(Math.min(numberOf(schema.minLength) ?? 0, 10_000), ".");
}

/** Returns the schema at a reference such as `#/$defs/Name`. */
function resolve(ref: string, root: Schema): unknown {
  const steps = ref.split("/").slice(1).map(decodeURIComponent);
  return steps.reduce<unknown>(
    (at, step) => asSchema(at)[step.replaceAll("~1", "/").replaceAll("~0", "~")],
    root,
  );
}

const asSchema = (value: unknown): Schema =>
  typeof value === "object" && value !== null ? { ...value } : {};

const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" ? value : undefined;

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
