import { z } from "zod";

// What tools return of the API's answers. A model has to read it all, and clients warn of results of more than 10,000 tokens
// or refuse them. So long texts are cut, and say how to read on.

const MAX_RESULT_CHARACTERS = 20_000;
const MAX_EVENTS_CHARACTERS = 40_000;
/** For one of several events, one input of a call, and a session's config. */
const MAX_PART_CHARACTERS = 4_000;
/** For one of several prompts and results. */
const MAX_EXCERPT_CHARACTERS = 1_000;

/** A session in the API. */
export const Session = z.looseObject({ id: z.string(), config: z.unknown() });

/** A page of sessions in the API, as much of each as a list shows. */
export const SessionPage = z.object({
  sessions: z.array(
    z.object({
      ...{ id: z.string(), status: z.string(), pattern: z.string() },
      description: z
        .string()
        .nullable()
        .transform((text) => text && excerptOf(text, MAX_EXCERPT_CHARACTERS)),
      ...{ tags: z.array(z.string()), userId: z.unknown(), createdAt: z.string() },
      ...{ lastActivityAt: z.unknown(), totalCost: z.number(), numTurns: z.number() },
      ...{ pausedBecause: z.unknown(), pendingApprovals: z.number() },
      ...{ pendingToolRequests: z.number() },
    }),
  ),
  ...{ total: z.number(), totalIsExact: z.boolean(), nextCursor: z.string().nullable() },
});

/** A message in the API, as much of it as tools return. */
export const Message = z.object({
  ...{ sessionId: z.string(), messageId: z.string(), agent: z.unknown(), status: z.string() },
  ...{ waitingFor: z.unknown(), stopReason: z.unknown(), limit: z.unknown(), error: z.unknown() },
  ...{ result: z.string().nullable(), output: z.unknown(), cost: z.number() },
  ...{ numTurns: z.number(), toolsUsed: z.array(z.string()), durationMs: z.unknown() },
  ...{ createdAt: z.string(), endedAt: z.string().nullable() },
  ...{ joinedMessageId: z.string().nullable(), steerId: z.string().optional() },
});
export type Message = z.output<typeof Message>;

const Entry = Message.omit({ output: true }).extend({ prompt: z.unknown() });

/** A page of messages in the API. */
export const MessagePage = z.object({
  messages: z.array(Entry),
  nextCursor: z.string().nullable(),
});

/** An approval in the API, as much of it as tools return. */
export const Approval = z.object({
  ...{ id: z.string(), messageId: z.string(), agent: z.unknown(), name: z.string() },
  ...{ input: z.unknown(), status: z.string(), requestedAt: z.string(), expiresAt: z.unknown() },
  ...{ resolvedAt: z.unknown(), resolvedBy: z.unknown(), note: z.unknown() },
});

/** A page of approvals in the API. */
export const ApprovalPage = z.object({ approvals: z.array(Approval) });

const ToolRequest = z.object({
  ...{ toolUseId: z.string(), messageId: z.string(), agent: z.unknown(), name: z.string() },
  ...{ input: z.unknown(), requestedAt: z.string(), expiresAt: z.unknown() },
});

/** The calls of client tools in the API that wait for their results. */
export const ToolRequestList = z.object({ toolRequests: z.array(ToolRequest) });

const Event = z.looseObject({ seq: z.number(), type: z.string(), at: z.string() });
type Event = z.output<typeof Event>;

/** A page of events in the API. */
export const EventPage = z.object({ events: z.array(Event), hasMore: z.boolean() });

/** Returns what tools return of a session. */
export const sessionResult = ({ config, ...session }: z.output<typeof Session>) => ({
  ...session,
  config: jsonWithin(config, MAX_PART_CHARACTERS),
});

/** Returns what tools return of a message: its result from a character on, and what to do next. */
export function messageResult({ result, output, ...message }: Message, offset = 0) {
  const text = result ?? "";
  const part = beginningOf(text.slice(offset), MAX_RESULT_CHARACTERS);
  const end = offset + part.length;
  const next = nextStep(message);
  return {
    ...message,
    result: result === null ? null : part,
    // It is the whole result, parsed.
    ...(part === text && output !== null && { output }),
    ...(end < text.length && {
      resultCut: `These are the characters ${offset} to ${end} of ${text.length}. Call wait_for_message with resultOffset ${end}.`,
    }),
    ...(next !== undefined && { next }),
  };
}

/** Returns what a caller can do about a message that has not ended. */
function nextStep({
  status,
  endedAt,
  joinedMessageId,
}: Pick<Message, "status" | "endedAt" | "joinedMessageId">): string | undefined {
  if (joinedMessageId !== null) {
    return `Its prompt has joined the message ${joinedMessageId}. Call wait_for_message for that one.`;
  }
  if (endedAt !== null) return undefined;
  return status === "waiting"
    ? "It waits for somebody, see waitingFor: for a decision about calls, for results of calls, or for a limit to be raised. Then call wait_for_message."
    : "It has not ended. Call wait_for_message.";
}

/** Returns what a list shows of a message. */
export const entryOf = ({ prompt, result, ...message }: z.output<typeof Entry>) => ({
  ...message,
  prompt:
    typeof prompt === "string"
      ? excerptOf(prompt, MAX_EXCERPT_CHARACTERS)
      : jsonWithin(prompt, MAX_EXCERPT_CHARACTERS),
  result: result === null ? null : excerptOf(result, MAX_EXCERPT_CHARACTERS),
});

/** Returns what tools return of a call that waits, or has waited, for somebody. */
export const callResult = <T extends object>({ input, ...call }: T & { input: unknown }) => ({
  ...call,
  input: jsonWithin(input, MAX_PART_CHARACTERS),
});

/** Returns the first events that fit into a result, at least one of them. Of a long one, only a part is returned. */
export function fitting(events: readonly Event[], limit: number): Event[] {
  const max = limit === 1 ? MAX_EVENTS_CHARACTERS : MAX_PART_CHARACTERS;
  const fit: Event[] = [];
  let characters = 0;
  for (const event of events.map((one) => eventWithin(one, max))) {
    characters += JSON.stringify(event).length;
    if (fit.length > 0 && characters > MAX_EVENTS_CHARACTERS) break;
    fit.push(event);
  }
  return fit;
}

function eventWithin(event: Event, max: number): Event {
  const json = JSON.stringify(event);
  if (json.length <= max) return event;
  const { seq, type, at } = event;
  return { seq, type, at, cut: excerptOf(json, max / 2) };
}

/** Returns a value, or the beginning of its JSON as a text if that has more than `max` characters. */
function jsonWithin(value: unknown, max: number): unknown {
  const json = JSON.stringify(value) ?? "null";
  return json.length <= max ? value : excerptOf(json, max);
}

/** Returns a text, or its first `max` characters and a note. */
const excerptOf = (text: string, max: number): string =>
  text.length <= max ? text : `${beginningOf(text, max)}… [cut: it has ${text.length} characters]`;

/** Returns the first `max` characters of a text, or one less if they would end within a character. */
const beginningOf = (text: string, max: number): string =>
  text.slice(0, max).replace(/[\ud800-\udbff]$/, "");
