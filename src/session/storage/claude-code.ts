import type { Ending } from "../../agent/agent-deps";
import type { ServerRequest } from "../../agent/claude-code/client-server";
import { fromBase64, toBase64 } from "../../shared/bytes";
import { all, json, parse, type Row, type Sql, text } from "../../shared/sql";

/** The Claude Code process of a session, and how much of its output was processed. */
export interface StoredProcess {
  id: string;
  /** The name of the container it was started in; empty if the provider's containers have no names. */
  container: string;
  /** The message it works on or worked on last; null before its first message. */
  messageId: string | null;
  /** How many input lines were written for it. */
  inputCount: number;
  /** The number of the input line with the message's prompt. */
  firstInput: number;
  /** The newest input line. It may have to be sent again. */
  lastInput: string;
  /** Whether it has started to work on the message's prompt. */
  promptStarted: boolean;
  /** The prompts that it has, or was told, and that are to join the message, by their ids: whether it has started on each. */
  steers: Readonly<Record<string, boolean>>;
  /** How many bytes of its output were processed. */
  outputOffset: number;
  /** How its work on the message ended; null while it is still working. */
  ending: Ending | null;
}

/** The Claude Code process of a session, its agents, and its transcript. */
export class ProcessTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Returns the process; undefined if the session has none. */
  read(): StoredProcess | undefined {
    const row = all(this.#sql, "SELECT * FROM programs")[0];
    return row && decode(row);
  }

  /**
   * Records a new process. It replaces an earlier one. `owed` are the ids of calls whose results it lacks in its transcript.
   */
  start(id: string, container: string, owed: readonly string[]): void {
    this.forget();
    const columns = "id, machine, owed";
    const query = `INSERT INTO programs (${columns}) VALUES (?, ?, ?)`;
    this.#sql.exec(query, id, container, JSON.stringify(owed));
  }

  /** Deletes the process and its agents. The transcript is kept. */
  forget(): void {
    this.#sql.exec("DELETE FROM programs");
    this.#sql.exec("DELETE FROM program_agents");
  }

  /**
   * Assigns a message to the process and records its first input line, which the caller must still send. `steers` are the
   * prompts that have joined the message, or are to join it, and that the process has in its transcript.
   */
  beginMessage(messageId: string, line: string, steers: readonly string[] = []): void {
    this.addInput(line);
    const set =
      "message_id = ?, begun = 0, ending = NULL, first_told = told, requests = '[]', steers = ?";
    const started = Object.fromEntries(steers.map((id) => [id, true]));
    this.#sql.exec(`UPDATE programs SET ${set}`, messageId, JSON.stringify(started));
  }

  /** Records a prompt that the process is told and that is to join the message, or that it has started on one. */
  saveSteer(id: string, isStarted: boolean): void {
    const { steers = {} } = this.read() ?? {};
    this.#sql.exec(
      "UPDATE programs SET steers = ?",
      JSON.stringify({ ...steers, [id]: isStarted }),
    );
  }

  /** Records an input line that is about to be sent. */
  addInput(line: string): void {
    this.#sql.exec("UPDATE programs SET told = told + 1, line = ?", line);
  }

  savePromptStarted(): void {
    this.#sql.exec("UPDATE programs SET begun = 1");
  }

  /** Records how many bytes of the output were processed. A smaller number changes nothing. */
  saveOutputOffset(bytes: number): void {
    this.#sql.exec("UPDATE programs SET heard = ? WHERE heard < ?", bytes, bytes);
  }

  saveEnding(ending: Ending): void {
    this.#sql.exec("UPDATE programs SET ending = ?", json(ending));
  }

  /** Returns the ids of calls whose results the process lacks in its transcript, and has not been given. */
  owed(): string[] {
    const row = all(this.#sql, "SELECT owed FROM programs")[0];
    return row ? parse(row.owed) : [];
  }

  saveOwed(callIds: readonly string[]): void {
    this.#sql.exec("UPDATE programs SET owed = ?", JSON.stringify(callIds));
  }

  /** Returns the requests of the process for results that have not been given to it, oldest first. */
  requests(): ServerRequest[] {
    const row = all(this.#sql, "SELECT requests FROM programs")[0];
    return row ? parse(row.requests) : [];
  }

  addRequest(request: ServerRequest): void {
    this.#saveRequests([...this.requests(), request]);
  }

  dropRequest({ requestId }: ServerRequest): void {
    this.#saveRequests(this.requests().filter((one) => one.requestId !== requestId));
  }

  #saveRequests(requests: readonly ServerRequest[]): void {
    this.#sql.exec("UPDATE programs SET requests = ?", JSON.stringify(requests));
  }

  /** Records the run of an agent, by the id that the process uses for the agent. */
  addAgent(id: string, runId: string): void {
    this.#sql.exec("INSERT OR REPLACE INTO program_agents (id, run_id) VALUES (?, ?)", id, runId);
  }

  /** Returns the run of an agent of the process; undefined for an unknown agent. */
  runOfAgent(id: string): string | undefined {
    const row = all(this.#sql, "SELECT run_id FROM program_agents WHERE id = ?", id)[0];
    return row && String(row.run_id);
  }

  // The transcript

  /** Returns the size of the stored transcript in bytes. */
  transcriptSize(): number {
    const query = "SELECT start + size AS size FROM program_transcript ORDER BY n DESC LIMIT 1";
    return Number(all(this.#sql, query)[0]?.size ?? 0);
  }

  /** Appends a piece to the stored transcript. */
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

  /** Returns the newest stored piece of the transcript; undefined if nothing is stored. */
  lastPiece(): Uint8Array | undefined {
    const query = "SELECT content FROM program_transcript ORDER BY n DESC LIMIT 1";
    const row = all(this.#sql, query)[0];
    return row && fromBase64(String(row.content));
  }

  /** Returns the whole stored transcript. */
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
  firstInput: Number(row.first_told),
  lastInput: String(row.line),
  promptStarted: row.begun === 1,
  steers: parse<Record<string, boolean>>(row.steers),
  outputOffset: Number(row.heard),
  ending: row.ending === null ? null : parse<Ending>(row.ending),
});
