import { type Block, withoutThoughts } from "../../agent/messages";
import { all, one, page, parse, type Row, type Sql } from "../../shared/sql";

/** A part of a transcript is closed once it has as many characters; one row more may be in it. */
const PART_CHARACTERS = 4 << 20;

/** The tables that a transcript has rows of. */
const TABLES = ["messages", "agents", "history", "tools", "program_transcript"] as const;
type Table = (typeof TABLES)[number];

/** A point in a session's past: whatever is added later is not part of its transcript. */
export interface Point {
  position: number;
  n: number;
  /** The newest piece of what the session's program remembers. */
  piece: number;
  /** The agents as they stood; their rows change. */
  agents: Row[];
  numMessages: number;
}

/** Returns the present, while no message runs. */
export function pointNow(sql: Sql): Point {
  const { position, messages } = one(
    sql,
    "SELECT coalesce(max(position), 0) AS position, count(*) AS messages FROM messages WHERE ended_at IS NOT NULL",
  );
  const { n } = one(sql, "SELECT coalesce(max(n), 0) AS n FROM history");
  const { piece } = one(sql, "SELECT coalesce(max(n), 0) AS piece FROM program_transcript");
  const agents = all(sql, "SELECT * FROM agents");
  return {
    position: Number(position),
    n: Number(n),
    piece: Number(piece),
    agents,
    numMessages: Number(messages),
  };
}

/**
 * Returns what was said and done up to a point, as parts of JSON lines: messages, and each agent's conversation
 * with the results of its tools. Costs stay behind, and thoughts too: they are bound to their conversation.
 */
export function* exportTranscript(sql: Sql, point: Point, sessionId: string): Generator<string> {
  let lines: string[] = [];
  let characters = 0;
  for (const [table, row] of rowsUpTo(sql, point, sessionId)) {
    const line = JSON.stringify([table, row]);
    lines.push(line);
    characters += line.length;
    if (characters < PART_CHARACTERS) continue;
    yield lines.join("\n");
    lines = [];
    characters = 0;
  }
  if (lines.length > 0) yield lines.join("\n");
}

/** Adds a part of a transcript to a session that is being made. */
export function importTranscript(sql: Sql, part: string): void {
  for (const line of part.split("\n")) {
    const [table, row] = parse<[Table, Row]>(line);
    if (!TABLES.includes(table)) throw new Error(`a transcript has no rows of ${table}`);
    const columns = Object.keys(row);
    const values = columns.map(() => "?").join(", ");
    const insert = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${values})`;
    sql.exec(insert, ...Object.values(row));
  }
}

function* rowsUpTo(sql: Sql, point: Point, sessionId: string): Generator<[Table, Row]> {
  const messages = "SELECT * FROM messages WHERE position > ? AND position <= ? ORDER BY position";
  for (const row of paged(sql, messages, "position", point.position)) {
    if (row.ended_at === null) continue;
    // Its events are not in the new log.
    yield ["messages", { ...row, first_seq: 1, session_id: row.session_id ?? sessionId }];
  }
  for (const row of point.agents) yield ["agents", row];
  const history = "SELECT * FROM history WHERE n > ? AND n <= ? ORDER BY n";
  for (const row of paged(sql, history, "n", point.n)) {
    const turnId = row.turn_id ?? null;
    // Turns of the new session count from 1 again, and must not be taken for these.
    const copiedId = turnId === null ? null : `past_${row.n}`;
    const content = row.role === "assistant" ? contentWithoutThoughts(row) : (row.content ?? null);
    yield ["history", { ...row, turn_id: copiedId, content }];
    if (turnId === null) continue;
    const tools = "SELECT * FROM tools WHERE n > ? AND turn_id = ? ORDER BY n";
    for (const { n: _, ...tool } of paged(sql, tools, "n", turnId)) {
      yield ["tools", { ...tool, turn_id: copiedId }];
    }
  }
  const pieces = "SELECT * FROM program_transcript WHERE n > ? AND n <= ? ORDER BY n";
  for (const row of paged(sql, pieces, "n", point.piece)) yield ["program_transcript", row];
}

/** Returns the rows of a query whose first parameter is the key to go on after. No cursor stays open between two rows. */
function* paged(sql: Sql, query: string, key: string, ...more: SqlStorageValue[]): Generator<Row> {
  for (let after = 0; ; ) {
    const rows = page(sql, query, after, ...more);
    if (rows.length === 0) return;
    yield* rows;
    after = Number(rows.at(-1)?.[key]);
  }
}

const contentWithoutThoughts = ({ content }: Row): string =>
  JSON.stringify(withoutThoughts(parse<Block[]>(content)));
