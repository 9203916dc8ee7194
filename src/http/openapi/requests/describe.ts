import { z } from "zod";

// What the document says about the schemas that the Worker parses requests with. It is said here, so that the Worker does
// not contain it. Each field has to be described.

/** What is said about a schema. */
export interface Meta {
  [name: string]: unknown;
  description: string;
  id?: string;
  examples?: unknown[];
  override?: Record<string, unknown>;
}

/** Returns the object that a request is parsed from, without what is done with it. */
export function objectOf(schema: z.ZodType): z.ZodObject {
  if (schema instanceof z.ZodObject) return schema;
  if (schema instanceof z.ZodPipe) return objectOf(schema.in as z.ZodType);
  if (schema instanceof z.ZodPrefault) return objectOf(schema.unwrap() as z.ZodType);
  throw new TypeError("is parsed from no object");
}

/**
 * Describes an object and each of its fields. A field with a schema of its own keeps the description of that. Throws if
 * two fields are the same schema and would need two descriptions.
 */
export function describe<S extends z.ZodType>(
  schema: S,
  meta: Meta | null,
  fields: { [K in keyof z.input<S> & string]: string | Meta },
): void {
  const object = objectOf(schema);
  if (meta) z.globalRegistry.add(object, meta);
  for (const [name, said] of Object.entries<string | Meta>(fields)) {
    const field = object.shape[name] as z.ZodType;
    const known = z.globalRegistry.get(field);
    if (known?.id) continue;
    const given = typeof said === "string" ? { description: said } : said;
    if (known && known.description !== given.description) {
      throw new TypeError(`${name} shares its schema with a field of another description`);
    }
    z.globalRegistry.add(field, given);
  }
}
