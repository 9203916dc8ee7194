import { type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { chunksOf } from "./chunks";
import { fold } from "./fold";
import { agentSessions, UNSEARCHED } from "./schema";

/** The full-text index has every three characters that follow one another, so it can't find shorter texts. */
const GRAM = 3;
/** More of them exclude few more sessions. */
const MAX_GRAMS = 8;

/** Returns a description as searches compare it. */
export const searchTextOf = (description: string): string => visible(fold(description));

/** Returns the condition for sessions whose description contains a text, in any case. */
export function contains(text: string): SQL {
  const wanted = searchTextOf(text);
  // Until the description is in the full-text index, SQLite folds it, which it can do for ASCII only.
  return sql`instr(coalesce(${agentSessions.searchText}, lower(${agentSessions.description})), ${wanted}) > 0`;
}

/**
 * Returns the query for the rowids, as `key`, of the sessions whose description can contain a text; undefined if the
 * full-text index has no answer.
 */
export function searched(text: string): SQL | undefined {
  const grams = gramsOf(searchTextOf(text));
  if (grams.length === 0) return undefined;
  const match = grams.map((gram) => `"${gram.replaceAll('"', '""')}"`).join(" AND ");
  return sql`
    select s.rowid as key from session_search cross join agent_sessions as s on s.search_id = session_search.rowid
    where session_search match ${match}
    union all select rowid as key from agent_sessions where ${UNSEARCHED}`;
}

/** Returns parts of three characters, spread evenly over the text. */
function gramsOf(text: string): string[] {
  const characters = Array.from(text);
  const last = characters.length - GRAM;
  const count = Math.min(Math.ceil(characters.length / GRAM), MAX_GRAMS);
  if (last < 0) return [];
  const starts = Array.from({ length: count }, (_, i) => Math.round((last * i) / (count - 1 || 1)));
  return [...new Set(starts)].map((start) => characters.slice(start, start + GRAM).join(""));
}

/**
 * Adds descriptions to the full-text index that are not in it yet: those that were written before there was one. Returns
 * the number added, at most `limit`; 0 if all are there.
 */
export async function addUnsearched(d1: D1Database, limit: number): Promise<number> {
  const db = drizzle(d1);
  const rows = await db
    .select({
      id: agentSessions.id,
      version: agentSessions.version,
      description: agentSessions.description,
    })
    .from(agentSessions)
    .where(UNSEARCHED)
    .limit(limit);
  const all = rows.map(({ id, version, description }) => ({
    id,
    version,
    text: searchTextOf(description ?? ""),
  }));
  const [texts = []] = chunksOf(all);
  // A row that has changed meanwhile has its text, or is added the next time.
  await db.run(sql`
    update agent_sessions set search_text = added.value ->> 'text'
    from json_each(${JSON.stringify(texts)}) as added
    where agent_sessions.id = added.value ->> 'id' and version = added.value ->> 'version'`);
  return texts.length;
}

// The full-text index ends a text at a NUL.
const visible = (text: string): string => text.replaceAll("\0", "\ufffd");
