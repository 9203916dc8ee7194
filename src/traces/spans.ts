import type { PublicCharge, SessionEvent } from "../events/event";
import { dollars } from "../shared/money";
import { ATTR, EVENTS, OPERATION, OTHER_ERROR, PROVIDER } from "./conventions";
import { type CallerSpan, parseTraceparent } from "./traceparent";

// Spans are made of a session's events: whoever reads the events again gets the same spans. Times are in ms since 1970.

/** The values of attributes, by their names. Undefined ones are left out. */
export type Attributes = Record<string, string | number | boolean | string[] | undefined>;

/** Something that happened during a span. */
interface SpanEvent {
  name: string;
  at: number;
  attributes: Attributes;
}

/** The tokens and the cost of model calls. Input tokens include those of the cache. */
export interface Spent {
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  costNanos: number;
  heldNanos: number;
}

/** What is common to spans that have ended and those that have not. */
interface Begun {
  /** Identifies it in the session: the seq of the event that began it; 0 for the session's span. */
  seq: number;
  /** The agent whose work it is. */
  agent: string;
  startAt: number;
  spent: Spent;
  events: SpanEvent[];
  /** How many events had no room. */
  lostEvents: number;
  /** The seqs of the events with a turn's text. */
  texts: number[];
}

/** A span that has not ended. */
export interface OpenSpan extends Begun {
  kind: "message" | "agent" | "turn" | "tool";
  messageId: string;
  /** The id of the turn or of the call; of the call that started an agent; empty for a message. */
  id: string;
  /** The kind of a turn, or the name of a tool. */
  name: string;
  /** The seq of the span that it is a part of; of a message, its own. */
  parent: number;
  /** Of a message: the caller's `traceparent`, if it gave one. */
  traceparent?: string | undefined;
  /** Of a message: when it was received. */
  receivedAt?: number;
  /** Of a turn: its failed attempts, why the newest one failed, and the model. */
  retries: number;
  failure?: string;
  model?: string;
}

/** A span that has ended. */
export interface Span extends Begun {
  kind: OpenSpan["kind"] | "session";
  /** The seq of the span that it is a part of; null for the first span of a trace of ours. */
  parent: number | null;
  /** Identifies its trace in the session: the seq of the message's span; 0 for the trace of the session's span. */
  trace: number;
  /** The caller's span that its trace belongs to. */
  caller: CallerSpan | undefined;
  name: string;
  endAt: number;
  attributes: Attributes;
  /** The type of the error that it ended with; null for none. */
  error: string | null;
  /** The seq of the event that ended it. */
  lastSeq: number;
}

/** What spans tell of their session. Of an ended session it does not change any more. */
export interface TracedSession {
  id: string;
  /** The id of the conversation's history. */
  sessionId: string;
  owner: string;
  pattern: string;
  createdAt: number;
  terminationReason: string | null;
  totalCostNanos: number;
  numTurns: number;
  /** Returns the agent that a message is for; null for the main agent. */
  agentOf(messageId: string): string | null;
}

/** Events that a span has room for, as in OpenTelemetry's SDKs. */
const MAX_EVENTS = 128;

const MAIN = "main";

/** Returns the spans that end with some events of a session, in order, and those that are open after them. */
export function foldSpans(
  open: readonly OpenSpan[],
  events: readonly SessionEvent[],
  session: TracedSession,
): { open: OpenSpan[]; spans: Span[] } {
  const fold: Fold = { open: structuredClone([...open]), spans: [], session };
  for (const event of events) add(fold, event);
  return { open: fold.open, spans: fold.spans };
}

interface Fold {
  open: OpenSpan[];
  readonly spans: Span[];
  readonly session: TracedSession;
}

function add(fold: Fold, event: SessionEvent): void {
  switch (event.type) {
    case "message.received":
      beginMessage(fold, event);
      break;
    case "message.started":
      startMessage(fold, event);
      break;
    case "turn.started":
      begin(fold, event, "turn", { id: event.turnId, name: event.kind });
      break;
    case "tool.started":
      begin(fold, event, "tool", { id: event.toolUseId, name: event.name });
      break;
    case "agent.started":
      begin(fold, event, "agent", { id: event.toolUseId, name: "" });
      break;
    case "assistant.text":
      findOpen(fold, event, "turn", event.turnId)?.texts.push(event.seq);
      break;
    case "turn.retried":
      retryTurn(fold, event);
      break;
    case "turn.completed":
      endTurn(fold, event);
      break;
    case "tool.completed":
      end(fold, findOpen(fold, event, "tool", event.toolUseId), event, {
        error: event.isError ? OTHER_ERROR : null,
      });
      break;
    case "agent.completed":
      end(fold, agentSpan(fold, event), event, {
        error: event.stopReason === "error" ? OTHER_ERROR : null,
        attributes: { [ATTR.finishReasons]: [event.stopReason] },
      });
      break;
    case "message.completed":
    case "message.interrupted":
    case "message.failed":
      endMessage(fold, event);
      break;
    case "message.joined":
      // Its prompt is part of the other message, whose span has the event.
      fold.open = fold.open.filter(({ messageId }) => messageId !== event.messageId);
      break;
    case "session.completed":
    case "session.terminated":
    case "session.failed":
      endSession(fold, event);
      break;
    default:
      note(agentSpan(fold, event) ?? messageSpan(fold, event), event);
  }
}

type EventOf<T extends SessionEvent["type"]> = Extract<SessionEvent, { type: T }>;

const atOf = ({ at }: SessionEvent): number => Date.parse(at);

const messageSpan = ({ open }: Fold, { messageId }: SessionEvent): OpenSpan | undefined =>
  open.find((span) => span.kind === "message" && span.messageId === messageId);

/** Returns the span of the agent that an event belongs to; undefined if its work is that of the message itself. */
const agentSpan = ({ open }: Fold, { messageId, agent = MAIN }: SessionEvent) =>
  open.find(
    (span) => span.kind === "agent" && span.messageId === messageId && span.agent === agent,
  );

/** Returns the span of a turn or a call of the agent that an event belongs to. */
const findOpen = (
  { open }: Fold,
  { messageId, agent = MAIN }: SessionEvent,
  kind: "turn" | "tool",
  id: string,
): OpenSpan | undefined =>
  open.find(
    (span) =>
      span.kind === kind && span.messageId === messageId && span.agent === agent && span.id === id,
  );

/** Returns the span of the call, by whichever agent, that has started an agent. */
const starterOf = ({ open }: Fold, { messageId, toolUseId }: EventOf<"agent.started">) =>
  open.find(
    (span) => span.kind === "tool" && span.messageId === messageId && span.id === toolUseId,
  );

const newSpan = (seq: number, agent: string, startAt: number): Begun => ({
  ...{ seq, agent, startAt, events: [], lostEvents: 0, texts: [] },
  spent: {
    ...{ inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
    ...{ costNanos: 0, heldNanos: 0 },
  },
});

function beginMessage(fold: Fold, event: EventOf<"message.received">): void {
  const { seq, messageId = "", traceparent } = event;
  const at = atOf(event);
  const agent = fold.session.agentOf(messageId) ?? MAIN;
  fold.open.push({
    ...newSpan(seq, agent, at),
    ...{ kind: "message", messageId, id: "", name: "", parent: seq, retries: 0 },
    ...{ receivedAt: at, ...(traceparent && { traceparent }) },
  });
}

/** The span of a message begins when the work on it does: until then it has only been queued. */
function startMessage(fold: Fold, event: SessionEvent): void {
  const span = messageSpan(fold, event);
  if (span) span.startAt = atOf(event);
}

/** Opens a span. Does nothing if its message's span is not known. */
function begin(
  fold: Fold,
  event: SessionEvent,
  kind: "agent" | "turn" | "tool",
  { id, name }: { id: string; name: string },
): void {
  const message = messageSpan(fold, event);
  if (!message) return;
  const starter = event.type === "agent.started" ? starterOf(fold, event) : agentSpan(fold, event);
  const { messageId } = message;
  const agent = event.agent ?? MAIN;
  const parent = (starter ?? message).seq;
  const begun = newSpan(event.seq, agent, atOf(event));
  fold.open.push({ ...begun, kind, messageId, id, name, parent, retries: 0 });
}

/** Adds an event to a span. Does nothing for events that spans do not show. */
function note(span: OpenSpan | undefined, event: SessionEvent): void {
  const names = EVENTS[event.type];
  if (!span || !names) return;
  if (span.events.length >= MAX_EVENTS) {
    span.lostEvents += 1;
    return;
  }
  const fields = event as unknown as Attributes;
  const shown = Object.entries(names).map(([field, name]) => [name, fields[field]]);
  span.events.push({ name: event.type, at: atOf(event), attributes: Object.fromEntries(shown) });
}

function retryTurn(fold: Fold, event: EventOf<"turn.retried">): void {
  const turn = findOpen(fold, event, "turn", event.turnId);
  if (!turn) return;
  note(turn, event);
  spend(fold, turn, event, event);
  turn.retries += 1;
  turn.failure = event.reason;
}

function endTurn(fold: Fold, event: EventOf<"turn.completed">): void {
  const turn = findOpen(fold, event, "turn", event.turnId);
  if (!turn) return;
  spend(fold, turn, event, event);
  const isFailed = event.stopReason === "error";
  end(fold, turn, event, {
    error: isFailed ? (turn.failure ?? OTHER_ERROR) : null,
    attributes: { [ATTR.finishReasons]: [event.stopReason] },
    attempts: turn.retries + 1,
  });
}

/** Adds what a call has cost to its turn, its agent and its message. */
function spend(
  fold: Fold,
  turn: OpenSpan,
  event: SessionEvent,
  { model, cost, held, usage }: PublicCharge,
): void {
  turn.model = model;
  for (const span of [turn, agentSpan(fold, event), messageSpan(fold, event)]) {
    if (!span) continue;
    const { spent } = span;
    spent.inputTokens += usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
    spent.outputTokens += usage.outputTokens;
    spent.cacheReadTokens += usage.cacheReadTokens;
    spent.cacheWriteTokens += usage.cacheWriteTokens;
    spent.costNanos += Math.round(cost * 1e9);
    spent.heldNanos += Math.round(held * 1e9);
  }
}

/** How a span ends. */
interface Ending {
  error: string | null;
  attributes?: Attributes;
  /** Of a turn: how many calls were made for it. */
  attempts?: number;
}

/** Ends a span. Does nothing if it is not known. */
function end(fold: Fold, span: OpenSpan | undefined, event: SessionEvent, ending: Ending): void {
  if (!span) return;
  const message = messageSpan(fold, event);
  fold.open = fold.open.filter((one) => one !== span);
  const { kind, seq, agent, startAt, spent, events, lostEvents, texts } = span;
  const caller = parseTraceparent(message?.traceparent);
  const trace = message?.seq ?? seq;
  const { id, sessionId } = fold.session;
  fold.spans.push({
    ...{ kind, seq, agent, startAt, spent, events, lostEvents, texts, trace, caller },
    parent: kind === "message" ? null : span.parent,
    name: nameOf(span),
    endAt: atOf(event),
    error: ending.error,
    lastSeq: event.seq,
    attributes: {
      [ATTR.operation]: OPERATIONS[kind],
      [ATTR.agentName]: agent,
      [ATTR.conversationId]: sessionId,
      [ATTR.sessionId]: id,
      [ATTR.messageId]: span.messageId,
      ...attributesOf(span, ending.attempts),
      ...ending.attributes,
      [ATTR.errorType]: ending.error ?? undefined,
    },
  });
}

const OPERATIONS = {
  message: OPERATION.agent,
  agent: OPERATION.agent,
  turn: OPERATION.chat,
  tool: OPERATION.tool,
} as const;

function nameOf({ kind, agent, name, model }: OpenSpan): string {
  if (kind === "turn") return model === undefined ? OPERATION.chat : `${OPERATION.chat} ${model}`;
  return kind === "tool" ? `${OPERATION.tool} ${name}` : `${OPERATION.agent} ${agent}`;
}

/** Returns the attributes that only some kinds of spans have. */
function attributesOf(span: OpenSpan, attempts = span.retries): Attributes {
  const { kind, id, name, model, spent } = span;
  if (kind === "tool") {
    return { [ATTR.toolName]: name, [ATTR.toolCallId]: id, [ATTR.toolType]: "function" };
  }
  const usage = {
    [ATTR.inputTokens]: spent.inputTokens,
    [ATTR.outputTokens]: spent.outputTokens,
    [ATTR.cost]: dollars(spent.costNanos),
    [ATTR.held]: spent.heldNanos === 0 ? undefined : dollars(spent.heldNanos),
  };
  if (kind !== "turn") return usage;
  return {
    ...usage,
    [ATTR.provider]: PROVIDER,
    [ATTR.requestModel]: model,
    [ATTR.responseModel]: model,
    [ATTR.cacheReadTokens]: spent.cacheReadTokens || undefined,
    [ATTR.cacheWriteTokens]: spent.cacheWriteTokens || undefined,
    [ATTR.turnId]: id,
    [ATTR.turnKind]: name,
    [ATTR.attempts]: attempts,
  };
}

/** Ends the span of a message, and first those of what has not ended by itself: a turn that was to be tried again. */
function endMessage(
  fold: Fold,
  event: EventOf<"message.completed" | "message.interrupted" | "message.failed">,
): void {
  const message = messageSpan(fold, event);
  if (!message) return;
  const { stopReason } = event;
  for (const span of fold.open.filter(({ messageId }) => messageId === message.messageId)) {
    if (span !== message) end(fold, span, event, { error: span.failure ?? stopReason });
  }
  const { owner, pattern } = fold.session;
  const queuedMs = message.startAt - (message.receivedAt ?? message.startAt);
  end(fold, message, event, {
    error: event.type === "message.failed" ? event.error.type : null,
    attributes: {
      [ATTR.finishReasons]: [stopReason],
      [ATTR.status]: event.type.slice("message.".length),
      [ATTR.owner]: owner,
      [ATTR.pattern]: pattern,
      [ATTR.queuedMs]: queuedMs,
    },
  });
}

/** Adds the span of the session. It is in a trace of its own, which the spans of its messages link to. */
function endSession(
  fold: Fold,
  event: EventOf<"session.completed" | "session.terminated" | "session.failed">,
): void {
  const { id, sessionId, owner, pattern, createdAt, ...totals } = fold.session;
  const error = event.type === "session.failed" ? event.error.type : null;
  fold.spans.push({
    ...newSpan(0, MAIN, createdAt),
    ...{ kind: "session", parent: null, trace: 0, caller: undefined, name: "session" },
    ...{ endAt: atOf(event), error, lastSeq: event.seq },
    attributes: {
      [ATTR.conversationId]: sessionId,
      [ATTR.sessionId]: id,
      [ATTR.owner]: owner,
      [ATTR.pattern]: pattern,
      [ATTR.status]: event.type.slice("session.".length),
      [ATTR.terminationReason]: totals.terminationReason ?? undefined,
      [ATTR.cost]: dollars(totals.totalCostNanos),
      [ATTR.turns]: totals.numTurns,
      [ATTR.errorType]: error ?? undefined,
    },
  });
}
