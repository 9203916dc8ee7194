import { type Block, type Message, promptBlocks, withoutThoughts } from "../../agent/messages";
import type { ToolResult } from "../../agent/tool";
import type { Prompt } from "../../events/event";
import { all, one, parse, type Sql } from "../../shared/sql";
import { columnOf } from "./agents";
import type { Run } from "./runs";
import type { ToolTable } from "./tools";

/** The conversations of a session's agents. */
export class HistoryTable {
  readonly #sql: Sql;
  readonly #tools: ToolTable;

  constructor(sql: Sql, tools: ToolTable) {
    this.#sql = sql;
    this.#tools = tools;
  }

  /** Adds an entry to an agent's conversation. Returns `n`, the position of the entry in the history. */
  add(entry: {
    agent: string;
    runId: string;
    turnId: string | null;
    /** The model that wrote the entry; null for a prompt. */
    model: string | null;
    role: Message["role"];
    content: Block[];
  }): number {
    const { n } = one(
      this.#sql,
      `INSERT INTO history (agent, run_id, turn_id, model, role, content)
       VALUES (?, ?, ?, ?, ?, ?) RETURNING n`,
      columnOf(entry.agent),
      entry.runId,
      entry.turnId,
      entry.model,
      entry.role,
      JSON.stringify(entry.content),
    );
    return Number(n);
  }

  /** Replaces the content of an entry. `tool_result` blocks replace the results of the tool calls that the entry makes. */
  replace(n: number, content: readonly Block[]): void {
    const results = content.filter((block) => block.type === "tool_result");
    for (const { tool_use_id: id, content: result } of results) {
      this.#tools.replaceResult(n, id, result as ToolResult["content"]);
    }
    if (results.length > 0) return;
    this.#sql.exec("UPDATE history SET content = ? WHERE n = ?", JSON.stringify(content), n);
  }

  /** Adds a prompt to an agent's conversation, as an entry of the user. */
  addPrompt(entry: { agent: string; runId: string; prompt: Prompt }): void {
    const content = promptBlocks(entry.prompt);
    this.add({ ...entry, turnId: null, model: null, role: "user", content });
  }

  /** Yields the replies of a run, newest first. */
  *repliesNewestFirst({ id, agent }: Pick<Run, "id" | "agent">): Generator<Block[]> {
    const query = `SELECT n, run_id, role, content FROM history WHERE agent = ? AND n < ?
      ORDER BY n DESC LIMIT 1`;
    let isReached = false;
    for (let before = Number.MAX_SAFE_INTEGER; ; ) {
      const row = all(this.#sql, query, columnOf(agent), before)[0];
      // An agent has one run at a time, so the entries of a run are next to each other.
      if (!row || (isReached && row.run_id !== id)) return;
      isReached ||= row.run_id === id;
      if (isReached && row.role === "assistant") yield parse<Block[]>(row.content);
      before = Number(row.n);
    }
  }

  /**
   * Returns an agent's conversation for a request to `model`: the newest summary, then the entries after it. The
   * results of a reply's tool calls follow the reply. Thinking blocks of other models are left out, since they are only
   * valid for the model that wrote them. `n` is the position of an entry in the history.
   */
  conversation(agent: string, model: string): (Message & { n: number })[] {
    const { summary, summary_upto } = one(
      this.#sql,
      "SELECT summary, summary_upto FROM agents WHERE name = ?",
      columnOf(agent),
    );
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
      columnOf(agent),
      summary_upto ?? 0,
    );
    const results = this.#tools.resultsByTurn(agent, Number(summary_upto));
    for (const row of entries) {
      const n = Number(row.n);
      const role = String(row.role) as Message["role"];
      const stored = parse<Block[]>(row.content);
      const isForeign = role === "assistant" && row.model !== model;
      const content = isForeign ? withoutThoughts(stored) : stored;
      if (content.length > 0) messages.push({ n, role, content });
      const answers = row.turn_id === null ? undefined : results.get(String(row.turn_id));
      if (answers) messages.push({ n, role: "user", content: answers });
    }
    return messages;
  }

  /** Stores a summary. It replaces an agent's history up to and including entry `upTo` in the conversation. */
  saveSummary(agent: string, summary: Block, upTo: number): void {
    this.#sql.exec(
      "UPDATE agents SET summary = ?, summary_upto = ? WHERE name = ?",
      JSON.stringify(summary),
      upTo,
      columnOf(agent),
    );
  }
}
