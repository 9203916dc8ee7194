import { z } from "zod";

/** The orders of a list, as the API spells them: "-" is descending. Equal keys are ordered by id. */
export const SORTS = [
  "createdAt",
  "-createdAt",
  "lastActivityAt",
  "-lastActivityAt",
  "totalCost",
  "-totalCost",
] as const;
export type Sort = (typeof SORTS)[number];

/**
 * A position in a list: after this key. It carries the total as counted at the first page, because counting for
 * every page would be slow.
 */
export interface Cursor {
  value: number;
  id: string;
  total: number;
}

const Encoded = z.tuple([z.enum(SORTS), z.int(), z.string(), z.int().nonnegative()]);

/** Encodes a cursor for clients: opaque, and safe in a URL. */
export function writeCursor(sort: Sort, { value, id, total }: Cursor): string {
  const text = btoa(JSON.stringify([sort, value, id, total]));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Decodes a client's cursor; null if it is invalid or was created for another sort. */
export function readCursor(text: string, sort: Sort): Cursor | null {
  const encoded = Encoded.safeParse(parse(text));
  if (!encoded.success) return null;
  const [writtenFor, value, id, total] = encoded.data;
  return writtenFor === sort ? { value, id, total } : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return null;
  }
}
