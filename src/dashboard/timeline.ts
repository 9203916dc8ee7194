import {
  type Event,
  endsSession,
  type Failure,
  type StreamedEvent,
  type WaitingFor,
} from "../client/rigger.ts";
import { duration, promptText } from "../shared/readable.ts";
import { joinNotice, type Notice, noticeOf } from "./notices.ts";
import { isOfSetup, type SetupEvent, type SetupItem, stopSetup, withSetup } from "./set-up.ts";

// What happened in a session, as the page shows it: made from its events, one after the other, and changed in place, so
// that one of ten thousand events costs as much as the first. `rev` of each part increases when it looks different.

interface Part {
  rev: number;
}

/** A piece of what an agent did. */
export type Row = Part &
  (
    | { kind: "text" | "thinking"; turnId: string; block: number; text: string; isLive: boolean }
    | {
        kind: "tool";
        toolUseId: string;
        name: string;
        input: unknown;
        output: string;
        content: string | null;
        isError: boolean;
        durationMs: number | null;
        startedAt: string;
        /** Whether the caller is to give the result, and until when: null for any other call. */
        request: { expiresAt: string | null } | null;
      }
    | {
        kind: "approval";
        approvalId: string;
        name: string;
        input: unknown;
        status: "pending" | "allowed" | "denied" | "expired" | "cancelled";
        note: string | null;
        by: string | null;
        expiresAt: string | null;
      }
    | {
        kind: "turn";
        turn: string;
        model: string;
        stopReason: string;
        cost: number;
        input: number;
        cached: number;
        output: number;
      }
    /** A prompt that has joined the message. */
    | { kind: "prompt"; text: string; at: string }
    | { kind: "artifact"; path: string; sizeBytes: number }
    | ({ kind: "notice" } & Notice)
  );

type New<R> = R extends Row ? Omit<R, "rev"> : never;
type Of<K extends Row["kind"]> = Extract<Row, { kind: K }>;

/** What one agent did for a message. */
export interface Lane extends Part {
  agent: string;
  rows: Row[];
  /** Its task, if another agent gave it one. */
  task: string | null;
  isDone: boolean;
}

export interface MessageItem extends Part {
  kind: "message";
  id: string;
  prompt: string;
  scheduleId: string | null;
  /** The running message that its prompt is to join; null if there is none. */
  joins: string | null;
  status: "queued" | "running" | "waiting" | "completed" | "failed" | "interrupted";
  waitingFor: WaitingFor | null;
  stopReason: string | null;
  error: Failure | null;
  output: unknown;
  receivedAt: string;
  startedAt: string | null;
  endedAt: string | null;
  cost: number;
  turns: number;
  lanes: Lane[];
}

/** Something that happened to the session. */
export interface NoteItem extends Part, Notice {
  kind: "note";
  at: string;
}

export type Item = MessageItem | NoteItem | SetupItem;

export class Timeline {
  readonly items: Item[] = [];
  /** All stored events, as they came. */
  readonly events: Event[] = [];
  /** The number of changes. */
  rev = 0;
  /** Whether the session has ended: no events follow. */
  hasEnded = false;
  readonly #messages = new Map<string, MessageItem>();
  /** The newest set-up. */
  #setup: SetupItem | undefined;
  /** Rows that later events complete, by what names them. */
  readonly #open = new Map<string, { row: Row; lane: Lane; message: MessageItem }>();

  /** Adds an event. */
  add(event: StreamedEvent): void {
    this.rev++;
    if ("seq" in event) this.events.push(event);
    if (endsSession(event)) {
      this.hasEnded = true;
      if (this.#setup) stopSetup(this.#setup);
    }
    if (event.messageId === undefined) {
      if (isOfSetup(event)) this.#setUp(event);
      else if ("seq" in event) this.#note(event);
      return;
    }
    const message = this.#messages.get(event.messageId);
    if (event.type === "message.received") this.#receive(event);
    else if (message) this.#change(message, event);
    // The first delta may come before the event of its message is read.
  }

  /** Returns the prompt of a message; nothing for one that is not known. */
  readonly promptOf = (messageId: string): string => this.#messages.get(messageId)?.prompt ?? "";

  #receive(event: Extract<Event, { type: "message.received" }>): void {
    const message: MessageItem = {
      ...{ kind: "message", rev: 0, id: event.messageId ?? "", prompt: promptText(event.prompt) },
      ...{ scheduleId: event.scheduleId ?? null, joins: event.joins ?? null },
      ...{ status: "queued", waitingFor: null },
      ...{ stopReason: null, error: null, output: undefined, receivedAt: event.at },
      ...{ startedAt: null, endedAt: null, cost: 0, turns: 0, lanes: [] },
    };
    this.#messages.set(message.id, message);
    this.items.push(message);
  }

  #change(message: MessageItem, event: StreamedEvent): void {
    message.rev++;
    switch (event.type) {
      case "message.started":
      case "message.resumed":
        message.status = "running";
        message.waitingFor = null;
        message.startedAt ??= event.at;
        return;
      case "message.waiting":
        message.status = "waiting";
        message.waitingFor = event.waitingFor;
        return;
      case "message.joined":
        // Its prompt is shown where it has joined the other message.
        this.items.splice(this.items.lastIndexOf(message), 1);
        this.#messages.delete(message.id);
        return;
      case "message.completed":
      case "message.interrupted":
      case "message.failed":
        message.status = event.type.slice("message.".length) as MessageItem["status"];
        message.stopReason = event.stopReason;
        message.waitingFor = null;
        message.endedAt = event.at;
        if (event.type === "message.failed") message.error = event.error;
        if (event.type === "message.completed") message.output = event.output;
        this.#close(message);
        return;
      default:
        this.#work(message, this.#lane(message, event.agent ?? "main"), event);
    }
  }

  /** Adds what an agent does. */
  #work(message: MessageItem, lane: Lane, event: StreamedEvent): void {
    lane.rev++;
    switch (event.type) {
      case "message.steered":
        this.#push(lane, { kind: "prompt", text: promptText(event.prompt), at: event.at });
        return;
      case "agent.started":
        lane.task = event.prompt;
        lane.isDone = false;
        return;
      case "agent.completed":
        lane.isDone = true;
        return;
      case "assistant.delta":
        this.#text(message, lane, event, event.kind, true, event.offset);
        return;
      case "assistant.text":
        this.#text(message, lane, event, "text", false, 0);
        return;
      case "assistant.thinking":
        this.#text(message, lane, event, "thinking", false, 0);
        return;
      case "turn.completed": {
        const { model, usage, cost, kind, stopReason } = event;
        const { inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens } = usage;
        message.cost += cost;
        // A call that was refused is no turn.
        if (kind === "reply" && outputTokens > 0) message.turns++;
        this.#push(lane, {
          ...{ kind: "turn", turn: kind, model, stopReason, cost, cached: cacheReadTokens },
          ...{ input: inputTokens + cacheReadTokens + cacheWriteTokens, output: outputTokens },
        });
        return;
      }
      case "turn.retried": {
        message.cost += event.cost;
        lane.rows = lane.rows.filter(
          (row) =>
            !(
              (row.kind === "text" || row.kind === "thinking") &&
              row.turnId === event.turnId &&
              row.isLive
            ),
        );
        this.#forget((key) => key.startsWith(`${event.turnId}/`));
        const text = `Attempt ${event.attempt} failed: ${event.reason}. It is tried again in ${duration(event.delayMs)}.`;
        this.#push(lane, { kind: "notice", tone: "wait", text });
        return;
      }
      case "tool.started": {
        const { toolUseId, name, input, at } = event;
        const row = this.#push(lane, {
          ...{ kind: "tool", toolUseId, name, input, output: "", content: null },
          ...{ isError: false, durationMs: null, startedAt: at, request: null },
        });
        this.#open.set(toolUseId, { row, lane, message });
        return;
      }
      case "tool.requested":
        this.#complete<"tool">(event.toolUseId, (row) => {
          row.request = { expiresAt: event.expiresAt };
        });
        return;
      case "tool.output":
        this.#complete<"tool">(event.toolUseId, (row) => {
          row.output = (row.output + event.text).slice(-MAX_OUTPUT);
        });
        return;
      case "tool.completed":
        this.#complete<"tool">(event.toolUseId, (row) => {
          row.content = event.content;
          row.isError = event.isError;
          row.durationMs = event.durationMs;
          row.request = null;
        });
        this.#open.delete(event.toolUseId);
        return;
      case "approval.requested": {
        const { approvalId, name, input, expiresAt } = event;
        const row = this.#push(lane, {
          ...{ kind: "approval", approvalId, name, input, expiresAt },
          ...{ status: "pending", note: null, by: null },
        });
        this.#open.set(approvalId, { row, lane, message });
        return;
      }
      case "approval.resolved":
        this.#complete<"approval">(event.approvalId, (row) => {
          row.status = event.status;
          row.note = event.note;
          row.by = event.resolvedBy?.owner ?? null;
        });
        this.#open.delete(event.approvalId);
        return;
      case "artifact.published":
        this.#push(lane, { kind: "artifact", path: event.path, sizeBytes: event.sizeBytes });
        return;
      default:
        if ("seq" in event) {
          const said = noticeOf(event);
          if (said) this.#push(lane, { kind: "notice", ...said });
        }
    }
  }

  #text(
    message: MessageItem,
    lane: Lane,
    { turnId, block, text }: { turnId: string; block: number; text: string },
    kind: "text" | "thinking",
    isLive: boolean,
    offset: number,
  ): void {
    const key = `${turnId}/${block}/${kind}`;
    const open = this.#open.get(key)?.row as Of<"text"> | undefined;
    const row = open ?? this.#push(lane, { kind, turnId, block, text: "", isLive });
    if (row.kind !== "text" && row.kind !== "thinking") return;
    row.text = row.text.slice(0, offset) + text;
    row.isLive = isLive;
    row.rev++;
    if (isLive) this.#open.set(key, { row, lane, message });
    else this.#open.delete(key);
  }

  #push(lane: Lane, row: New<Row>): Row {
    const made: Row = { ...row, rev: 0 };
    lane.rows.push(made);
    return made;
  }

  /** Changes a row that an earlier event has begun. */
  #complete<K extends Row["kind"]>(key: string, change: (row: Of<K>) => void): void {
    const open = this.#open.get(key);
    if (!open) return;
    change(open.row as Of<K>);
    open.row.rev++;
    open.lane.rev++;
    open.message.rev++;
  }

  #lane(message: MessageItem, agent: string): Lane {
    const known = message.lanes.find((lane) => lane.agent === agent);
    if (known) return known;
    const lane: Lane = { agent, rows: [], task: null, isDone: false, rev: 0 };
    message.lanes.push(lane);
    return lane;
  }

  /** Ends what a message leaves open. */
  #close(message: MessageItem): void {
    for (const item of this.items) {
      if (item.kind !== "message" || item.joins !== message.id) continue;
      item.joins = null;
      item.rev++;
    }
    for (const [key, open] of this.#open) {
      if (open.message !== message) continue;
      const { row } = open;
      if (row.kind === "text" || row.kind === "thinking") row.isLive = false;
      if (row.kind === "tool") {
        row.content ??= row.output;
        row.request = null;
      }
      row.rev++;
      open.lane.rev++;
      this.#open.delete(key);
    }
  }

  #forget(matches: (key: string) => boolean): void {
    for (const key of this.#open.keys()) if (matches(key)) this.#open.delete(key);
  }

  #setUp(event: SetupEvent): void {
    const setup = withSetup(this.#setup, event);
    if (setup && setup !== this.#setup) this.items.push(setup);
    this.#setup = setup;
  }

  #note(event: Event): void {
    const last = this.items.at(-1);
    if (last?.kind === "note" && joinNotice(last, event)) {
      last.rev++;
      return;
    }
    const said = noticeOf(event);
    if (said) this.items.push({ kind: "note", rev: 0, at: event.at, ...said });
  }
}

/** How many characters of a running command's output are shown. */
const MAX_OUTPUT = 20_000;
