type Schema = Readonly<Record<string, unknown>>;

/** Deeper than this only what is required is filled in: a schema that holds itself comes to an end. */
const FULL_DEPTH = 6;
const MAX_DEPTH = 12;

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

/** A value that fits a JSON schema of the kind that structured outputs take. It has the form, no more. */
export function sampleOf(schema: Schema, root: Schema = schema, depth = 0): unknown {
  if (depth > MAX_DEPTH) return null;
  const deeper = (inner: unknown) => sampleOf(asSchema(inner), root, depth + 1);
  if ("const" in schema) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if (typeof schema.$ref === "string") return deeper(resolve(schema.$ref, root));
  const [choices] = [schema.anyOf, schema.oneOf].filter(Array.isArray);
  if (choices) {
    const plain = depth < FULL_DEPTH ? undefined : choices.find(({ type }) => type === "null");
    return deeper(plain ?? choices[0]);
  }
  if (Array.isArray(schema.allOf)) {
    return deeper(Object.assign({}, ...schema.allOf));
  }
  switch (typeOf(schema)) {
    case "object":
      return sampleObject(schema, deeper, depth);
    case "array":
      return sampleArray(schema, deeper, depth);
    case "integer":
      return Math.ceil(sampleNumber(schema));
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

function typeOf(schema: Schema): unknown {
  const { type, properties, items } = schema;
  if (Array.isArray(type)) return type.find((name) => name !== "null") ?? "null";
  return type ?? (properties ? "object" : items ? "array" : "string");
}

function sampleObject(schema: Schema, deeper: (inner: unknown) => unknown, depth: number) {
  const required = Array.isArray(schema.required) ? schema.required : [];
  const wanted = Object.entries(asSchema(schema.properties)).filter(
    ([name]) => depth < FULL_DEPTH || required.includes(name),
  );
  return Object.fromEntries(wanted.map(([name, inner]) => [name, deeper(inner)]));
}

function sampleArray(schema: Schema, deeper: (inner: unknown) => unknown, depth: number) {
  const least = numberOf(schema.minItems) ?? (depth < FULL_DEPTH ? 1 : 0);
  return Array.from({ length: Math.min(least, 100) }, () => deeper(schema.items));
}

function sampleNumber(schema: Schema): number {
  const above = numberOf(schema.exclusiveMinimum);
  const least = numberOf(schema.minimum) ?? (above === undefined ? undefined : above + 1);
  const most = numberOf(schema.maximum) ?? numberOf(schema.exclusiveMaximum);
  return least ?? Math.min(0, (most ?? 1) - 1);
}

function sampleString(schema: Schema): string {
  const known = typeof schema.format === "string" ? FORMATS[schema.format] : undefined;
  if (known) return known;
  const length = Math.min(numberOf(schema.maxLength) ?? 7, 7);
  return "offline".slice(0, length).padEnd(Math.min(numberOf(schema.minLength) ?? 0, 10_000), ".");
}

/** Follows a reference such as `#/$defs/Name` inside the schema. */
function resolve(ref: string, root: Schema): unknown {
  const steps = ref.split("/").slice(1);
  return steps.reduce<unknown>((at, step) => asSchema(at)[step], root);
}

const asSchema = (value: unknown): Schema =>
  typeof value === "object" && value !== null ? { ...value } : {};

const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" ? value : undefined;
