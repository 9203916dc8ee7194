import type { Ending } from "../../agent/agent-deps";
import { fromBase64, toBase64 } from "../../shared/bytes";
import { all, json, parse, type Row, type Sql, text } from "../../shared/sql";

/** The program of a session, and how far we are with it. */
export interface StoredProgram {
  id: string;
  /** The machine it was started on; empty where machines have no names. */
  machine: string;
  /** The message it works on, or has worked on last; null before the first. */
  messageId: string | null;
  /** How many lines it was given, and the newest of them: that one may have to be given again. */
  told: number;
  line: string;
  /** Whether it has begun with the message. */
  begun: boolean;
  /** How many bytes of its output are written down. */
  heard: number;
  /** How its work on the message ended; null while it goes on. */
  ending: Ending | null;
}

/** The program of a session, its agents, and what it remembers. */
export class ProgramTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  read(): StoredProgram | undefined {
    const row = all(this.#sql, "SELECT * FROM programs")[0];
    return row && decode(row);
  }

  /** Puts a program in the place of the one there was. */
  start(id: string, machine: string): void {
    this.forget();
    this.#sql.exec("INSERT INTO programs (id, machine) VALUES (?, ?)", id, machine);
  }

  /** Forgets the program; what it remembers stays. */
  forget(): void {
    this.#sql.exec("DELETE FROM programs");
    this.#sql.exec("DELETE FROM program_agents");
  }

  /** Begins a message with a first line, which is still to be given. */
  beginMessage(messageId: string, line: string): void {
    this.#sql.exec("UPDATE programs SET message_id = ?, begun = 0, ending = NULL", messageId);
    this.addLine(line);
  }

  addLine(line: string): void {
    this.#sql.exec("UPDATE programs SET told = told + 1, line = ?", line);
  }

  saveBegun(): void {
    this.#sql.exec("UPDATE programs SET begun = 1");
  }

  saveHeard(bytes: number): void {
    this.#sql.exec("UPDATE programs SET heard = ? WHERE heard < ?", bytes, bytes);
  }

  saveEnding(ending: Ending): void {
    this.#sql.exec("UPDATE programs SET ending = ?", json(ending));
  }

  addAgent(id: string, runId: string): void {
    this.#sql.exec("INSERT OR REPLACE INTO program_agents (id, run_id) VALUES (?, ?)", id, runId);
  }

  runOfAgent(id: string): string | undefined {
    const row = all(this.#sql, "SELECT run_id FROM program_agents WHERE id = ?", id)[0];
    return row && String(row.run_id);
  }

  // The transcript

  /** Returns how many bytes of the transcript are kept. */
  transcriptSize(): number {
    const query = "SELECT start + size AS size FROM program_transcript ORDER BY n DESC LIMIT 1";
    return Number(all(this.#sql, query)[0]?.size ?? 0);
  }

  addTranscript(piece: Uint8Array): void {
    this.#sql.exec(
      "INSERT INTO program_transcript (start, size, content) VALUES (?, ?, ?)",
      this.transcriptSize(),
      piece.length,
      toBase64(piece),
    );
  }

  forgetTranscript(): void {
    this.#sql.exec("DELETE FROM program_transcript");
  }

  /** Returns the newest piece that is kept. */
  lastPiece(): Uint8Array | undefined {
    const query = "SELECT content FROM program_transcript ORDER BY n DESC LIMIT 1";
    const row = all(this.#sql, query)[0];
    return row && fromBase64(String(row.content));
  }

  /** Returns the whole transcript. */
  transcript(): Uint8Array {
    const whole = new Uint8Array(this.transcriptSize());
    let at = 0;
    const query = "SELECT content FROM program_transcript ORDER BY n";
    for (const row of this.#sql.exec<Row>(query)) {
      const piece = fromBase64(String(row.content));
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}

const decode = (row: Row): StoredProgram => ({
  id: String(row.id),
  machine: String(row.machine),
  messageId: text(row.message_id),
  told: Number(row.told),
  line: String(row.line),
  begun: row.begun === 1,
  heard: Number(row.heard),
  ending: row.ending === null ? null : parse<Ending>(row.ending),
});
