import type { Ending } from "../../agent/agent-deps";
import { fromBase64, toBase64 } from "../../shared/bytes";
import { all, json, parse, type Row, type Sql, text } from "../../shared/sql";

/** The Claude Code process of a session, and how far its output is processed. */
export interface StoredProcess {
  id: string;
  /** The container it was started in; empty where containers have no names. */
  container: string;
  /** The message it works on, or has worked on last; null before the first. */
  messageId: string | null;
  /** How many lines of input it has. */
  inputCount: number;
  /** The newest line of input, which may have to be sent again. */
  lastInput: string;
  /** Whether it has begun to work on the message's prompt. */
  promptStarted: boolean;
  /** How many bytes of its output are processed. */
  outputOffset: number;
  /** How its work on the message ended; null while it goes on. */
  ending: Ending | null;
}

/** The Claude Code process of a session, its agents, and its transcript. */
export class ProcessTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  read(): StoredProcess | undefined {
    const row = all(this.#sql, "SELECT * FROM programs")[0];
    return row && decode(row);
  }

  /** Puts a process in the place of the one there was. */
  start(id: string, container: string): void {
    this.forget();
    this.#sql.exec("INSERT INTO programs (id, machine) VALUES (?, ?)", id, container);
  }

  /** Forgets the process; its transcript stays. */
  forget(): void {
    this.#sql.exec("DELETE FROM programs");
    this.#sql.exec("DELETE FROM program_agents");
  }

  /** Begins a message with a first line of input, which is still to be sent. */
  beginMessage(messageId: string, line: string): void {
    this.#sql.exec("UPDATE programs SET message_id = ?, begun = 0, ending = NULL", messageId);
    this.addInput(line);
  }

  addInput(line: string): void {
    this.#sql.exec("UPDATE programs SET told = told + 1, line = ?", line);
  }

  savePromptStarted(): void {
    this.#sql.exec("UPDATE programs SET begun = 1");
  }

  saveOutputOffset(bytes: number): void {
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

const decode = (row: Row): StoredProcess => ({
  id: String(row.id),
  container: String(row.machine),
  messageId: text(row.message_id),
  inputCount: Number(row.told),
  lastInput: String(row.line),
  promptStarted: row.begun === 1,
  outputOffset: Number(row.heard),
  ending: row.ending === null ? null : parse<Ending>(row.ending),
});
