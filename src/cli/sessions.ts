import type { SessionQuery, StreamedEvent } from "../client/rigger.ts";
import { money, relative, summaryOf } from "../shared/readable.ts";
import { command, durationOf, numberOf, oneOf } from "./command.ts";
import { writeOut } from "./output.ts";
import { limitsOf, PATTERNS, SESSION_OPTIONS, sessionOf } from "./session-options.ts";
import { clean, jsonLine, note, oneLine, painter, print, printTable } from "./terminal.ts";

// Commands that create, list, read and end sessions.

export const create = command({
  summary: "Creates a session and prints its id",
  options: SESSION_OPTIONS,
  json: "the session as one JSON object",
  async run({ values, isJson, rigger }) {
    const { id } = await rigger.create(await sessionOf(values, "hybrid"));
    print(isJson ? jsonLine(await rigger.session(id).read()) : id);
    return 0;
  },
});

const STATUSES = ["initializing", "active", "idle", "completed", "error", "terminated"] as const;
const ORDERS = ["createdAt", "lastActivityAt", "totalCost"] as const;
const MAX_PAGE = 100;

export const ls = command({
  summary: "Lists sessions, newest first",
  options: {
    status: { type: "string", multiple: true, value: "status", help: STATUSES.join(", ") },
    pattern: {
      type: "string",
      short: "p",
      multiple: true,
      value: "pattern",
      help: PATTERNS.join(", "),
    },
    tag: { type: "string", short: "t", multiple: true, value: "tag", help: "has this tag" },
    user: { type: "string", value: "id", help: "the user of your app" },
    search: { type: "string", value: "text", help: "what the description contains" },
    sort: { type: "string", value: "order", help: `${ORDERS.join(", ")}; - before it: descending` },
    limit: { type: "string", short: "n", value: "count", help: "how many at most; 20, 0 for all" },
  },
  json: "each session as a line of JSON",
  async run({ values, isJson, rigger }) {
    const limit = numberOf("limit", values.limit ?? "20") || Number.POSITIVE_INFINITY;
    const orders = ORDERS.flatMap((order) => [order, `-${order}`] as const);
    const query: SessionQuery = {
      pageSize: Math.min(limit, MAX_PAGE),
      ...(values.status && { status: values.status.map((one) => oneOf("status", STATUSES, one)) }),
      ...(values.pattern && {
        pattern: values.pattern.map((one) => oneOf("pattern", PATTERNS, one)),
      }),
      ...(values.tag && { tags: values.tag }),
      ...(values.user !== undefined && { userId: values.user }),
      ...(values.search !== undefined && { search: values.search }),
      ...(values.sort !== undefined && { sort: oneOf("sort", orders, values.sort) }),
    };
    const rows: string[][] = [];
    let count = 0;
    for await (const one of rigger.sessions(query)) {
      if (isJson) print(jsonLine(one));
      else {
        const last = one.lastActivityAt ?? one.createdAt;
        const about = one.description ?? one.tags.join(", ");
        const cells = [one.id, one.status, money(one.totalCost), `${one.numTurns}`];
        rows.push([...cells, relative(last, Date.now()), one.pattern, about]);
      }
      if (++count >= limit) break;
    }
    const head = ["SESSION", "STATUS", "COST", "TURNS", "ACTIVE", "PATTERN", "DESCRIPTION"];
    if (!isJson) printTable(head, rows);
    return 0;
  },
});

export const show = command({
  summary: "Shows a session",
  args: "<session>",
  json: "the session as one JSON object",
  async run({ args: [id = ""], isJson, rigger }) {
    const session = await rigger.session(id).read();
    if (isJson) print(jsonLine(session));
    else {
      for (const [name, value] of Object.entries(session)) {
        if (value === null) continue;
        const text = typeof value === "string" ? value : JSON.stringify(value);
        print(`${painter(process.stdout)("bold", name.padEnd(16))} ${oneLine(text)}`);
      }
    }
    return 0;
  },
});

export const tail = command({
  summary: "Prints the events of a session, and follows those to come until it has ended",
  args: "<session>",
  options: {
    after: { type: "string", short: "a", value: "seq", help: "only events after this one" },
    once: { type: "boolean", help: "ends at the newest event" },
  },
  json: "each event as a line of JSON, live ones too",
  async run({ values, args: [id = ""], isJson, rigger, session }) {
    // An unknown session, or no deployment, is told at once.
    await rigger.session(id).read();
    const after = numberOf("after", values.after ?? "0");
    const events = values.once ? session(id).log(after) : session(id).events({ after });
    for await (const event of events) {
      const line = isJson ? jsonLine(event) : lineOf(event);
      if (line !== "") print(line);
    }
    return 0;
  },
});

/** Returns an event on one line; nothing for a live one. */
export function lineOf(event: StreamedEvent, paint = painter(process.stdout)): string {
  if (!("seq" in event)) return "";
  const { seq, at, type, agent, messageId: _, ...fields } = event;
  const head = `${String(seq).padStart(5)} ${at.slice(11, 23)}`;
  const name = agent === undefined ? "" : ` [${oneLine(agent)}]`;
  const start = `${paint("dim", head)} ${paint(/fail|terminated/.test(type) ? "red" : "cyan", type.padEnd(19))}`;
  const used = `${head} ${type.padEnd(19)}${name} `.length;
  const max = process.stdout.isTTY ? process.stdout.columns - used : undefined;
  return `${start}${paint("yellow", name)} ${oneLine(detailOf(fields), max)}`.trimEnd();
}

function detailOf(fields: Record<string, unknown>): string {
  const { name, input, content, text, prompt, result, error, ...rest } = fields;
  const call = typeof name === "string" ? `${name} ` : "";
  if (input !== undefined) return `${call}${summaryOf(input)}`;
  if (error !== undefined) return (error as { message: string }).message;
  const said = content ?? text ?? prompt ?? result;
  if (said !== undefined && said !== null) {
    return `${call}${typeof said === "string" ? said : JSON.stringify(said)}`;
  }
  const { turnId: _, toolUseId: __, ...few } = rest;
  return Object.keys(few).length === 0 ? call : `${call}${JSON.stringify(few)}`;
}

export const exportSession = command({
  summary: "Exports a session with its messages and events as JSON Lines",
  args: "<session>",
  options: {
    output: { type: "string", short: "o", value: "file", help: "a file; stdout without it" },
  },
  async run({ values, args: [id = ""], rigger }) {
    const path = `/api/sessions/${encodeURIComponent(id)}/export`;
    const lines = new ExportedLines();
    const file = values.output;
    const isShown = file === undefined && process.stdout.isTTY;
    await writeOut(await rigger.fetch("get", path), file, async function* (chunks) {
      yield* lines.passing(isShown)(chunks);
      lines.requireEnd();
    });
    return 0;
  },
});

/** The lines of an export, of which the last one counts the others. */
export class ExportedLines {
  #count = 0;
  #last = "";
  #open = "";

  /** Returns what passes an export on; if a terminal shows it, without what could control it. */
  passing(isShown: boolean) {
    const decoder = new TextDecoder();
    const add = (bytes: Uint8Array) => this.add(decoder.decode(bytes, { stream: true }));
    return async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        const text = add(chunk);
        yield isShown ? clean(text) : chunk;
      }
    };
  }

  add(text: string): string {
    const lines = (this.#open + text).split("\n");
    this.#open = lines.pop() ?? "";
    this.#count += lines.length;
    this.#last = lines.at(-1) ?? this.#last;
    return text;
  }

  /** Throws unless the last line says that everything is there. */
  requireEnd(): void {
    let end: { type?: string; messages?: number; events?: number } = {};
    try {
      end = JSON.parse(this.#last);
    } catch {
      // There was no line.
    }
    const { type, messages = 0, events = 0 } = end;
    if (type !== "end" || this.#open !== "" || this.#count !== messages + events + 2) {
      throw new Error("The export has broken off. Try again.");
    }
  }
}

export const interrupt = command({
  summary: "Interrupts the message of a session that runs",
  args: "<session>",
  json: "the message, or null, as JSON",
  async run({ args: [id = ""], isJson, rigger }) {
    const message = await rigger.session(id).interrupt();
    if (isJson) print(jsonLine(message));
    else note(message === null ? "No message runs." : `Interrupted ${message.messageId}.`);
    return 0;
  },
});

export const update = command({
  summary: "Changes limits and descriptions of a session",
  args: "<session>",
  options: {
    "max-budget": { type: "string", value: "usd", help: "maximum cost of the session" },
    "max-turns": { type: "string", value: "count", help: "maximum turns of the session" },
    "max-lifetime": { type: "string", value: "duration", help: "from its creation: 2h, 7d" },
    "max-idle": { type: "string", value: "duration", help: "time without activity: 30m" },
    tag: { type: "string", short: "t", multiple: true, value: "tag", help: "replaces the tags" },
    description: { type: "string", value: "text", help: "describes the session" },
  },
  json: "the session as one JSON object",
  async run({ values, args: [id = ""], isJson, rigger }) {
    const time = (name: "max-lifetime" | "max-idle") =>
      values[name] === undefined ? undefined : durationOf(name, values[name]);
    const lifetime = time("max-lifetime");
    const idle = time("max-idle");
    const session = await rigger.session(id).update({
      ...limitsOf(values),
      ...(lifetime !== undefined && { maxLifetimeMs: lifetime }),
      ...(idle !== undefined && { maxIdleTimeMs: idle }),
      ...(values.tag && { tags: values.tag }),
      ...(values.description !== undefined && { description: values.description }),
    });
    if (isJson) print(jsonLine(session));
    return 0;
  },
});

export const terminate = command({
  summary: "Ends sessions",
  args: "<session…>",
  options: { reason: { type: "string", value: "text", help: "why, for whoever looks at it" } },
  async run({ values, args, rigger }) {
    for (const id of args) await rigger.session(id).terminate(values.reason);
    return 0;
  },
});

export const remove = command({
  summary: "Deletes sessions with everything that they have",
  args: "<session…>",
  async run({ args, rigger }) {
    for (const id of args) await rigger.session(id).delete();
    return 0;
  },
});
