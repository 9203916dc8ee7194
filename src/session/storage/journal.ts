import {
  type Block,
  type Message,
  promptBlocks,
  toolResultBlock,
  withoutThoughts,
} from "../../agent/messages";
import type { ToolResult } from "../../agent/tool";
import type { Prompt, PublicError, StopReason, TurnKind } from "../../events/event";
import { all, json, number, one, parse, type Row, type Sql, text } from "../../shared/sql";
import type { Balance, Reservation } from "../rules/ledger";

/** One agent's work on a message. A message's root run is the main agent's. */
export interface Run {
  id: string;
  messageId: string;
  /** Empty for the main agent. */
  agent: string;
  parentToolUseId: string | null;
  open: boolean;
  /** Stop reason of the newest reply; null before the first. */
  lastStop: string | null;
  /** Times that its program, or the machine of that, died without its message having got any further. */
  restarts: number;
  /** Nobody waits for it: who started it is told when it has ended. */
  background: boolean;
  /** How it ended; null while it is open, and for a message's own run. */
  outcome: Outcome | null;
}

/** How the run of an agent ended that another one had started. */
export interface Outcome {
  stopReason: StopReason;
  error?: PublicError | undefined;
}

/** One call of a model: a try of a turn, and its line in the ledger. */
export interface Call extends Reservation {
  /** Turn and attempt. */
  id: string;
  turnId: string;
  attempt: number;
  runId: string;
  kind: TurnKind;
  ref: string;
  model: string;
  /** The tokens of its prompt as near as they are known; its bound is no less. */
  likelyTokens: number;
  /** The fewest tokens that its prompt can have. */
  leastTokens: number;
  /** Its price is that of this instant. */
  begunAt: number;
}

/** A tool call of a reply. */
export interface StoredTool {
  /** The model's own id of it, unlike any other in the conversation. */
  id: string;
  /** Names it within the session, whatever the model calls it. */
  callId: string;
  runId: string;
  turnId: string;
  name: string;
  input: unknown;
  state: "pending" | "started" | "done";
  result: ToolResult | null;
  startedAt: number | null;
}

/** Inbox messages delivered together are one row, of at most 2 MB, and one message of the conversation. */
const MAX_DELIVERED_CHARACTERS = 200_000;

/**
 * What the agents of a session have done, so that each can be carried on from where it was: their runs,
 * the calls of the model with what they cost, the conversation, the calls of tools.
 */
export class Journal {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  addRun(run: Omit<Run, "open" | "lastStop" | "restarts" | "outcome">): void {
    this.#sql.exec(
      `INSERT INTO runs (id, message_id, agent, parent_tool_use_id, background)
       VALUES (?, ?, ?, ?, ?)`,
      run.id,
      run.messageId,
      run.agent,
      run.parentToolUseId,
      run.background ? 1 : 0,
    );
  }

  run(id: string): Run | undefined {
    const row = all(this.#sql, "SELECT * FROM runs WHERE id = ?", id)[0];
    return row && decodeRun(row);
  }

  openRuns(messageId: string): Run[] {
    return all(this.#sql, "SELECT * FROM runs WHERE message_id = ? AND open = 1", messageId).map(
      decodeRun,
    );
  }

  /** Writes down how far a run has come. */
  saveProgress(id: string, lastStop: string | null): void {
    this.#sql.exec("UPDATE runs SET last_stop = ? WHERE id = ?", lastStop, id);
  }

  saveRestarts(id: string, restarts: number): void {
    this.#sql.exec("UPDATE runs SET restarts = ? WHERE id = ?", restarts, id);
  }

  /** Forgets the deaths of a message's program: one of its agents has got further. */
  forgetRestarts(messageId: string): void {
    this.#sql.exec("UPDATE runs SET restarts = 0 WHERE message_id = ? AND restarts > 0", messageId);
  }

  closeRun(id: string, outcome: Outcome | null = null): void {
    this.#sql.exec("UPDATE runs SET open = 0, outcome = ? WHERE id = ?", json(outcome), id);
  }

  /** Returns how many replies a run has had. */
  countReplies(runId: string): number {
    const query =
      "SELECT count(*) AS n FROM calls WHERE run_id = ? AND kind = 'reply' AND ref = '' AND closed = 1";
    return Number(one(this.#sql, query, runId).n);
  }

  // Calls of the model: the turns, and the ledger

  addCall(call: Call & { messageId: string }): void {
    this.#sql.exec(
      `INSERT INTO calls (id, turn_id, attempt, run_id, message_id, kind, ref, model, likely_tokens,
         least_tokens, begun_at, bound_nanos, held_nanos)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      call.id,
      call.turnId,
      call.attempt,
      call.runId,
      call.messageId,
      call.kind,
      call.ref,
      call.model,
      call.likelyTokens,
      call.leastTokens,
      call.begunAt,
      call.boundNanos,
      call.heldNanos,
    );
  }

  call(id: string): Call | undefined {
    const row = all(this.#sql, "SELECT * FROM calls WHERE id = ?", id)[0];
    return row && decodeCall(row);
  }

  /** Returns the newest try of a turn that another try may follow; undefined when the next turn is a new one. */
  openTurn(runId: string, kind: TurnKind, ref: string): Call | undefined {
    const row = all(
      this.#sql,
      "SELECT * FROM calls WHERE run_id = ? AND kind = ? AND ref = ? ORDER BY n DESC LIMIT 1",
      runId,
      kind,
      ref,
    )[0];
    return row && row.closed === 0 ? decodeCall(row) : undefined;
  }

  /** Returns whether a run has called a model before: if so, it was lost and is carried on. */
  hasCalls(runId: string): boolean {
    return all(this.#sql, "SELECT 1 FROM calls WHERE run_id = ? LIMIT 1", runId).length > 0;
  }

  openCalls(runId: string): Call[] {
    return all(
      this.#sql,
      "SELECT * FROM calls WHERE run_id = ? AND settled = 0 ORDER BY n",
      runId,
    ).map(decodeCall);
  }

  /** Returns how many replies are under way in the whole session. */
  countOpenReplies(): number {
    const query = "SELECT count(*) AS n FROM calls WHERE settled = 0 AND kind = 'reply'";
    return Number(one(this.#sql, query).n);
  }

  /** Returns how many calls of any kind are under way in the whole session. */
  countOpenCalls(): number {
    return Number(one(this.#sql, "SELECT count(*) AS n FROM calls WHERE settled = 0").n);
  }

  /** Settles a call; a closed one is the last try of its turn. */
  settleCall(id: string, reservation: Reservation, closed: boolean): void {
    this.#sql.exec(
      "UPDATE calls SET held_nanos = ?, cost_nanos = ?, settled = 1, closed = ? WHERE id = ?",
      reservation.heldNanos,
      reservation.costNanos,
      closed ? 1 : 0,
      id,
    );
  }

  /** Returns a number that no turn has had yet. */
  nextTurnNumber(): number {
    return Number(one(this.#sql, "SELECT coalesce(max(n), 0) + 1 AS n FROM calls").n);
  }

  messageBalance(messageId: string): Balance {
    const row = one(
      this.#sql,
      `SELECT coalesce(sum(cost_nanos), 0) AS spent, coalesce(sum(held_nanos), 0) AS held
       FROM calls WHERE message_id = ?`,
      messageId,
    );
    return { spentNanos: Number(row.spent), heldNanos: Number(row.held) };
  }

  // The conversation

  addHistory(entry: {
    agent: string;
    runId: string;
    turnId: string | null;
    /** Who said it; null for what a client said. */
    model: string | null;
    role: Message["role"];
    content: Block[];
  }): number {
    const { n } = one(
      this.#sql,
      `INSERT INTO history (agent, run_id, turn_id, model, role, content)
       VALUES (?, ?, ?, ?, ?, ?) RETURNING n`,
      entry.agent,
      entry.runId,
      entry.turnId,
      entry.model,
      entry.role,
      JSON.stringify(entry.content),
    );
    return Number(n);
  }

  /** Adds a client's prompt to an agent's conversation. */
  addPrompt(entry: { agent: string; runId: string; prompt: Prompt }): void {
    const content = promptBlocks(entry.prompt);
    this.addHistory({ ...entry, turnId: null, model: null, role: "user", content });
  }

  /** What a run's model has said, newest first. */
  *repliesNewestFirst(runId: string): Generator<Block[]> {
    const rows = this.#sql.exec<Row>(
      "SELECT content FROM history WHERE run_id = ? AND role = 'assistant' ORDER BY n DESC",
      runId,
    );
    for (const row of rows) yield parse<Block[]>(row.content);
  }

  /**
   * Returns an agent's conversation as a model is to see it: its newest summary, then what came after, each
   * reply's calls followed by their results. Thoughts of another model are left out: they are bound to
   * theirs. `n` is an entry's place in the history.
   */
  conversation(agent: string, model: string): (Message & { n: number })[] {
    const { summary, summary_upto } = one(this.#sql, "SELECT * FROM agents WHERE name = ?", agent);
    const messages: (Message & { n: number })[] = [];
    if (summary !== null) {
      messages.push({
        n: Number(summary_upto),
        role: "assistant",
        content: [parse<Block>(summary)],
      });
    }
    const entries = all(
      this.#sql,
      "SELECT n, role, content, turn_id, model FROM history WHERE agent = ? AND n > ? ORDER BY n",
      agent,
      summary_upto ?? 0,
    );
    const results = this.#resultsByTurn(agent, Number(summary_upto));
    for (const row of entries) {
      const n = Number(row.n);
      const role = String(row.role) as Message["role"];
      const said = parse<Block[]>(row.content);
      const foreign = role === "assistant" && row.model !== model;
      const content = foreign ? withoutThoughts(said) : said;
      if (content.length > 0) messages.push({ n, role, content });
      const answers = row.turn_id === null ? undefined : results.get(String(row.turn_id));
      if (answers) messages.push({ n, role: "user", content: answers });
    }
    return messages;
  }

  /** Returns the results of the calls in an agent's history after an entry, by turn. */
  #resultsByTurn(agent: string, after: number): Map<string, Block[]> {
    const rows = all(
      this.#sql,
      `SELECT tools.* FROM history JOIN tools ON tools.turn_id = history.turn_id
       WHERE history.agent = ? AND history.n > ? ORDER BY tools.n`,
      agent,
      after,
    );
    const results = new Map<string, Block[]>();
    for (const tool of rows.map(decodeTool)) {
      if (!tool.result) continue;
      const block = toolResultBlock(tool.id, tool.result);
      results.set(tool.turnId, [...(results.get(tool.turnId) ?? []), block]);
    }
    return results;
  }

  /** Returns the results of a turn's calls as the blocks that answer them. */
  toolResults(turnId: string): Block[] {
    return all(this.#sql, "SELECT * FROM tools WHERE turn_id = ? ORDER BY n", turnId)
      .map(decodeTool)
      .flatMap((tool) => (tool.result ? [toolResultBlock(tool.id, tool.result)] : []));
  }

  /** Lets a summary stand for an agent's history up to and including entry `upTo`. */
  saveSummary(agent: string, summary: Block, upTo: number): void {
    this.#sql.exec(
      "UPDATE agents SET summary = ?, summary_upto = ? WHERE name = ?",
      JSON.stringify(summary),
      upTo,
      agent,
    );
  }

  // Tools

  addTool(tool: Pick<StoredTool, "id" | "runId" | "turnId" | "name" | "input">): void {
    this.#sql.exec(
      `INSERT INTO tools (id, call_id, run_id, turn_id, name, input, state)
       VALUES (?, ?, ?, ?, ?, ?, 'pending')`,
      tool.id,
      `${tool.turnId}.${tool.id}`,
      tool.runId,
      tool.turnId,
      tool.name,
      JSON.stringify(tool.input ?? null),
    );
  }

  openTools(runId: string): StoredTool[] {
    return all(
      this.#sql,
      "SELECT * FROM tools WHERE run_id = ? AND state <> 'done' ORDER BY n",
      runId,
    ).map(decodeTool);
  }

  openTool(runId: string, id: string): StoredTool | undefined {
    const row = all(
      this.#sql,
      "SELECT * FROM tools WHERE run_id = ? AND state <> 'done' AND id = ?",
      runId,
      id,
    )[0];
    return row && decodeTool(row);
  }

  /** Returns a call of a message that has no result yet, by any of its agents. */
  openToolOf(messageId: string, id: string): StoredTool | undefined {
    const query = `SELECT tools.* FROM tools JOIN runs ON runs.id = tools.run_id
      WHERE runs.message_id = ? AND tools.id = ? AND tools.state <> 'done'`;
    const row = all(this.#sql, query, messageId, id)[0];
    return row && decodeTool(row);
  }

  /** Returns the newest turn of a kind in a run; undefined before the first. */
  newestTurn(runId: string, kind: TurnKind): string | undefined {
    const query = "SELECT turn_id FROM calls WHERE run_id = ? AND kind = ? ORDER BY n DESC LIMIT 1";
    const row = all(this.#sql, query, runId, kind)[0];
    return row && String(row.turn_id);
  }

  startTool(runId: string, id: string, now: number): void {
    this.#sql.exec(
      "UPDATE tools SET state = 'started', started_at = ? WHERE run_id = ? AND id = ? AND state = 'pending'",
      now,
      runId,
      id,
    );
  }

  finishTool(runId: string, id: string, result: ToolResult): void {
    this.#sql.exec(
      "UPDATE tools SET state = 'done', result = ? WHERE run_id = ? AND id = ? AND state <> 'done'",
      JSON.stringify(result),
      runId,
      id,
    );
  }

  // Agents

  /** Makes an agent that is not there yet. */
  addAgent(name: string, type: string, cwd: string): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO agents (name, type, cwd) VALUES (?, ?, ?)",
      name,
      type,
      cwd,
    );
  }

  /** Returns the type of an agent; undefined for one that never worked. */
  agentType(name: string): string | undefined {
    const row = all(this.#sql, "SELECT type FROM agents WHERE name = ?", name)[0];
    return row && String(row.type);
  }

  agentNames(): string[] {
    return all(this.#sql, "SELECT name FROM agents ORDER BY name").map(({ name }) => String(name));
  }

  /** Adds a message to an agent's inbox. A repeat of an id changes nothing. */
  addToInbox(message: { id: string; from: string; to: string; content: string }): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO mail (id, from_agent, to_agent, content) VALUES (?, ?, ?, ?)",
      message.id,
      message.from,
      message.to,
      message.content,
    );
  }

  /** Returns whether a message of this id was ever added to an inbox, delivered or not. */
  wasAddedToInbox(id: string): boolean {
    return all(this.#sql, "SELECT 1 FROM mail WHERE id = ?", id).length > 0;
  }

  /** Returns whether messages wait in an agent's inbox. */
  hasInboxMessages(agent: string): boolean {
    const query = "SELECT 1 FROM mail WHERE to_agent = ? AND taken = 0 LIMIT 1";
    return all(this.#sql, query, agent).length > 0;
  }

  /** Takes messages from an agent's inbox, oldest first: as many as fit into one delivery, but at least one. */
  takeInbox(agent: string): string[] {
    const query = "SELECT n, content FROM mail WHERE to_agent = ? AND taken = 0 ORDER BY n";
    const taken: number[] = [];
    const delivered: string[] = [];
    let characters = 0;
    for (const row of this.#sql.exec<Row>(query, agent)) {
      const content = String(row.content);
      characters += content.length;
      if (delivered.length > 0 && characters > MAX_DELIVERED_CHARACTERS) break;
      taken.push(Number(row.n));
      delivered.push(content);
    }
    for (const n of taken) this.#sql.exec("UPDATE mail SET taken = 1 WHERE n = ?", n);
    return delivered;
  }

  /** Returns what a file held when an agent last saw it, as a hash; undefined when it never did. */
  seenFile(agent: string, path: string): string | undefined {
    const query = "SELECT hash FROM seen_files WHERE agent = ? AND path = ?";
    const row = all(this.#sql, query, agent, path)[0];
    return row && String(row.hash);
  }

  saveSeenFile(agent: string, path: string, hash: string): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO seen_files (agent, path, hash) VALUES (?, ?, ?)",
      agent,
      path,
      hash,
    );
  }

  /** Returns what an agent's conversation weighs, in tokens. */
  contextTokens(name: string): number {
    const row = one(this.#sql, "SELECT context_tokens FROM agents WHERE name = ?", name);
    return Number(row.context_tokens);
  }

  saveContextTokens(name: string, tokens: number): void {
    this.#sql.exec("UPDATE agents SET context_tokens = ? WHERE name = ?", tokens, name);
  }

  agentCwd(name: string): string {
    return String(one(this.#sql, "SELECT cwd FROM agents WHERE name = ?", name).cwd);
  }

  saveAgentCwd(name: string, cwd: string): void {
    this.#sql.exec("UPDATE agents SET cwd = ? WHERE name = ?", cwd, name);
  }

  /** Brings agents that stand outside of the workspace back into it: only that was copied. */
  bringHome(workspace: string): void {
    this.#sql.exec(
      "UPDATE agents SET cwd = ?1 WHERE cwd <> ?1 AND substr(cwd, 1, length(?1) + 1) <> ?1 || '/'",
      workspace,
    );
  }

  /** Brings every agent back to where it began: nothing of its workspace is left. */
  bringAllHome(workspace: string): void {
    this.#sql.exec("UPDATE agents SET cwd = ?1 WHERE cwd <> ?1", workspace);
  }
}

const decodeRun = (row: Row): Run => ({
  id: String(row.id),
  messageId: String(row.message_id),
  agent: String(row.agent),
  parentToolUseId: text(row.parent_tool_use_id),
  open: row.open === 1,
  lastStop: text(row.last_stop),
  restarts: Number(row.restarts),
  background: row.background === 1,
  outcome: row.outcome === null ? null : parse<Outcome>(row.outcome),
});

const decodeCall = (row: Row): Call => ({
  id: String(row.id),
  turnId: String(row.turn_id),
  attempt: Number(row.attempt),
  runId: String(row.run_id),
  kind: String(row.kind) as TurnKind,
  ref: String(row.ref),
  model: String(row.model),
  likelyTokens: Number(row.likely_tokens),
  leastTokens: Number(row.least_tokens),
  begunAt: Number(row.begun_at),
  boundNanos: Number(row.bound_nanos),
  heldNanos: Number(row.held_nanos),
  costNanos: Number(row.cost_nanos),
  settled: row.settled === 1,
});

const decodeTool = (row: Row): StoredTool => ({
  id: String(row.id),
  callId: String(row.call_id ?? row.id),
  runId: String(row.run_id),
  turnId: String(row.turn_id),
  name: String(row.name),
  input: parse(row.input),
  state: String(row.state) as StoredTool["state"],
  result: row.result === null ? null : parse<ToolResult>(row.result),
  startedAt: number(row.started_at),
});
