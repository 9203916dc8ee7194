// What changes of the document break clients that were written for an earlier one.

type Json = Record<string, unknown>;

/** The side that a schema is for: clients send requests, and read answers. */
type Side = "request" | "answer";

const objectOf = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/**
 * Returns the changes from one OpenAPI document to another that break clients, each as a line. Breaking are: an endpoint,
 * a parameter or an answer that is gone; a field that an answer no longer has; a field that a request now must have or may
 * no longer have; a
 * body that is required now; a bound of a request that is narrower; and values that a request may no longer have, or that an
 * answer may have now if there is a list of them. New kinds of events are not: clients pass over what they do not know.
 */
export function breakingChanges(before: Json, after: Json): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  const resolve = (document: Json, value: unknown): Json => {
    const { $ref, ...rest } = objectOf(value);
    if (typeof $ref !== "string") return rest;
    const target = $ref
      .slice(2)
      .split("/")
      .reduce<unknown>((at, key) => objectOf(at)[key], document);
    return resolve(document, target);
  };

  function schemas(old: unknown, now: unknown, side: Side, where: string): void {
    // Schemas refer to each other, and to themselves.
    const refs = `${side} ${objectOf(old).$ref} ${objectOf(now).$ref}`;
    if (objectOf(old).$ref && seen.has(refs)) return;
    seen.add(refs);
    const [a, b] = [resolve(before, old), resolve(after, now)];
    types(a, b, side, where);
    fields(a, b, side, where);
    bounds(a, b, side, where);
    if (a.items && b.items) schemas(a.items, b.items, side, `${where}[]`);
    for (const union of ["oneOf", "anyOf"]) alternatives(a, b, union, side, where);
  }

  function types(a: Json, b: Json, side: Side, where: string): void {
    const [had, has] = [typesOf(a), typesOf(b)];
    const [narrow, wide] = side === "request" ? [had, has] : [has, had];
    if (wide.length > 0 && (narrow.length === 0 || narrow.some((type) => !wide.includes(type)))) {
      found.push(`${where}: the type was ${had.join(" or ")} and is ${has.join(" or ") || "any"}`);
    }
    const [values, others] = [valuesOf(a), valuesOf(b)];
    const [some, all] = side === "request" ? [values, others] : [others, values];
    for (const value of all ? (some ?? []) : []) {
      if (!all?.includes(value)) {
        found.push(
          `${where}: ${JSON.stringify(value)} is ${side === "request" ? "refused" : "new"}`,
        );
      }
    }
  }

  /** Compares bounds: those of a request may only become wider. */
  function bounds(a: Json, b: Json, side: Side, where: string): void {
    if (side === "answer") return;
    for (const name of ["maximum", "maxLength", "maxItems"]) {
      if (Number(b[name] ?? Infinity) < Number(a[name] ?? Infinity))
        found.push(`${where}: ${name} is ${b[name]}`);
    }
    for (const name of ["minimum", "minLength", "minItems"]) {
      if (Number(b[name] ?? -Infinity) > Number(a[name] ?? -Infinity))
        found.push(`${where}: ${name} is ${b[name]}`);
    }
  }

  function fields(a: Json, b: Json, side: Side, where: string): void {
    const [had, has] = [objectOf(a.properties), objectOf(b.properties)];
    const [needed, needs] = [listOf(a.required), listOf(b.required)];
    for (const [name, schema] of Object.entries(had)) {
      const at = `${where}.${name}`;
      if (!(name in has)) found.push(`${at} is gone`);
      else schemas(schema, has[name], side, at);
      if (side === "answer" && needed.includes(name) && name in has && !needs.includes(name)) {
        found.push(`${at} may be absent`);
      }
    }
    for (const name of side === "request" ? needs : []) {
      if (!needed.includes(name)) found.push(`${where}.${name} is required`);
    }
  }

  /** Compares the alternatives of a union: those of a request stay. Answers may get other ones, such as events. */
  function alternatives(a: Json, b: Json, union: string, side: Side, where: string): void {
    const of = (document: Json, schema: Json) =>
      new Map(listOf(schema[union]).map((one, at) => [nameOf(resolve(document, one), at), one]));
    const [had, has] = [of(before, a), of(after, b)];
    for (const [name, one] of had) {
      const other = has.get(name);
      if (other) schemas(one, other, side, `${where}<${name}>`);
      else if (side === "request") found.push(`${where}<${name}> is gone`);
    }
  }

  function operations(old: Json, now: Json, where: string): void {
    const parametersOf = (document: Json, operation: Json) =>
      new Map(
        listOf(operation.parameters).map((one) => {
          const parameter = resolve(document, one);
          return [`${parameter.in} ${parameter.name}`, parameter];
        }),
      );
    const [had, has] = [parametersOf(before, old), parametersOf(after, now)];
    for (const [name, parameter] of had) {
      const other = has.get(name);
      if (other) schemas(parameter.schema, other.schema, "request", `${where} ${name}`);
      else found.push(`${where} ${name} is gone`);
    }
    for (const [name, { required }] of has) {
      if (required && !had.get(name)?.required) found.push(`${where} ${name} is required`);
    }
    contents(old.requestBody, now.requestBody, "request", where);
    const needed = (operation: Json) => objectOf(operation.requestBody).required === true;
    if (needed(now) && !needed(old)) found.push(`${where} needs a body`);
    const answers = objectOf(now.responses);
    for (const [status, answer] of Object.entries(objectOf(old.responses))) {
      if (!(status in answers)) found.push(`${where} no longer answers with ${status}`);
      else contents(answer, answers[status], "answer", `${where} ${status}`);
    }
  }

  function contents(old: unknown, now: unknown, side: Side, where: string): void {
    const [had, has] = [resolve(before, old), resolve(after, now)].map((one) =>
      objectOf(one.content),
    );
    for (const [type, content] of Object.entries(had ?? {})) {
      const other = has?.[type];
      if (!other) found.push(`${where} has no ${type}`);
      else schemas(objectOf(content).schema, objectOf(other).schema, side, where);
    }
  }

  for (const [path, methods] of Object.entries(objectOf(before.paths))) {
    for (const [method, operation] of Object.entries(objectOf(methods))) {
      const where = `${method.toUpperCase()} ${path}`;
      const other = objectOf(objectOf(after.paths)[path])[method];
      if (other) operations(objectOf(operation), objectOf(other), where);
      else found.push(`${where} is gone`);
    }
  }
  return found;
}

const typesOf = ({ type }: Json): unknown[] => (type === undefined ? [] : [type].flat());

const valuesOf = (schema: Json): unknown[] | undefined =>
  "const" in schema ? [schema.const] : (schema.enum as unknown[] | undefined);

/** Returns the name of an alternative: the value of its `type`, its type, or its position. */
function nameOf(schema: Json, at: number): string {
  const { const: only } = objectOf(objectOf(schema.properties).type);
  return String(only ?? schema.type ?? at);
}
