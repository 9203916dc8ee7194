import { z } from "zod";

/** The orders of a list, as the API spells them: "-" is descending. */
export const SORTS = [
  "createdAt",
  "-createdAt",
  "lastActivityAt",
  "-lastActivityAt",
  "totalCost",
  "-totalCost",
] as const;
export type Sort = (typeof SORTS)[number];

/** A session's place in a list: sessions with equal values are ordered by their creation, and then by id. */
export interface Position {
  value: number;
  createdAt: number;
  id: string;
}

/** The number of sessions in a list, or a lower bound of it. */
export interface Total {
  total: number;
  totalIsExact: boolean;
}

/**
 * A position in a list, after which a page begins. It carries the total as counted at the first page, because counting
 * for every page would be slow.
 */
export interface Cursor extends Position, Total {}

const Encoded = z.tuple([
  z.enum(SORTS),
  z.int(),
  z.int(),
  z.string(),
  z.int().nonnegative(),
  z.boolean(),
]);

/** Encodes a cursor for clients: opaque, and safe in a URL. */
export function writeCursor(sort: Sort, cursor: Cursor): string {
  const { value, createdAt, id, total, totalIsExact } = cursor;
  return encodeCursor([sort, value, createdAt, id, total, totalIsExact]);
}

/** Decodes a client's cursor; null if it is invalid or was created for another sort. */
export function readCursor(text: string, sort: Sort): Cursor | null {
  const encoded = Encoded.safeParse(decodeCursor(text));
  if (!encoded.success) return null;
  const [writtenFor, value, createdAt, id, total, totalIsExact] = encoded.data;
  return writtenFor === sort ? { value, createdAt, id, total, totalIsExact } : null;
}

/** Returns a function that compares positions in the order of a sort. */
export const byPosition =
  (sort: Sort) =>
  (a: Position, b: Position): number => {
    const ids = a.id < b.id ? -1 : Number(a.id > b.id);
    const ascending = a.value - b.value || a.createdAt - b.createdAt || ids;
    return sort.startsWith("-") ? -ascending : ascending;
  };

/** Encodes a JSON value as text that is safe in a URL. */
export function encodeCursor(value: unknown): string {
  const ascii = JSON.stringify(value).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return btoa(ascii).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Decodes what `encodeCursor` has encoded; null for any other text. */
export function decodeCursor(text: string): unknown {
  try {
    return JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return null;
  }
}
