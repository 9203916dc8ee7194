import { type Block, withoutThoughts } from "../../agent/messages";
import { all, one, page, parse, type Row, type Sql } from "../../shared/sql";

/** A part of a transcript ends with the first row that brings it to this size, in characters. */
const PART_CHARACTERS = 4 << 20;

/** The tables whose rows a transcript contains. */
const TABLES = [
  ...(["messages", "agents", "seen_files", "history", "tools", "program_transcript"] as const),
];
type Table = (typeof TABLES)[number];

/** A point in a session's past. The transcript up to this point contains nothing that was added later. */
export interface Point {
  position: number;
  n: number;
  /** The newest piece of the Claude Code process's transcript. */
  piece: number;
  /** Copies of the rows of agents, and of the files that the main agent has seen, since these change later. */
  agents: Row[];
  seenFiles: Row[];
  numMessages: number;
}

/** Returns the current point. Call it while no message runs. */
export function pointNow(sql: Sql): Point {
  const { position, messages } = one(
    sql,
    "SELECT coalesce(max(position), 0) AS position, count(*) AS messages FROM messages WHERE ended_at IS NOT NULL",
  );
  const { n } = one(sql, "SELECT coalesce(max(n), 0) AS n FROM history");
  const { piece } = one(sql, "SELECT coalesce(max(n), 0) AS piece FROM program_transcript");
  const agents = all(sql, "SELECT * FROM agents");
  const seenFiles = all(sql, "SELECT * FROM seen_files WHERE agent = ''");
  return {
    position: Number(position),
    n: Number(n),
    piece: Number(piece),
    agents,
    seenFiles,
    numMessages: Number(messages),
  };
}

/**
 * Yields the transcript up to a point, in parts of JSON lines: the messages, and each agent's conversation with its
 * tool results. Costs are left out, and so are thinking blocks, which are only valid in their own conversation.
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

/** Imports a part of a transcript into a session that is being created. */
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
    // The new session's log does not contain the message's events.
    yield ["messages", { ...row, first_seq: 1, session_id: row.session_id ?? sessionId }];
  }
  for (const row of point.agents) yield ["agents", row];
  for (const row of point.seenFiles) yield ["seen_files", row];
  const history = "SELECT * FROM history WHERE n > ? AND n <= ? ORDER BY n";
  for (const row of paged(sql, history, "n", point.n)) {
    const turnId = row.turn_id ?? null;
    // The new session numbers its turns from 1 again. Their ids must not equal the ids of copied turns.
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

/**
 * Yields the rows of a query page by page. The query's first parameter is the key after which the page starts. No
 * cursor stays open between two rows.
 */
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
