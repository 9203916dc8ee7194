import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { SessionRow } from "../db/schema";
import type { Prompt, SessionEvent } from "../events/event";
import { defaultProvider } from "../session/deployment";
import type {
  MessageRequest,
  MessageRow,
  ScheduleRequest,
  SessionRpc,
  SessionSpec,
} from "../session/rpc";
import type { Limits } from "../session/rules/ledger";
import { SessionStore } from "../session/storage/store";
import type { Caller, Result } from "../shared/result";
import { requireDescribedEvent } from "./contract";

/** The owner of the sessions in tests. */
export const ALICE: Caller = { owner: "alice", admin: false };
/** Another owner, and an admin. */
export const BOB: Caller = { owner: "bob", admin: false };
export const ADMIN: Caller = { owner: "ops", admin: true };

export const NO_LIMITS: Limits = {
  maxIdleTimeMs: null,
  maxLifetimeMs: null,
  maxBudgetNanos: null,
  maxTurns: null,
};

/** Returns a random session id. */
export const newSessionId = (): string => `sess_${crypto.randomUUID().replaceAll("-", "")}`;

/** Returns the spec of a session: long-running and without limits by default. */
export function aSpec(changes: Partial<SessionSpec> = {}): SessionSpec {
  return {
    id: newSessionId(),
    pattern: "long-running",
    config: {},
    conversationId: null,
    provider: changes.config?.sandbox?.provider ?? defaultProvider,
    limits: NO_LIMITS,
    tags: [],
    description: null,
    userId: null,
    requestHash: null,
    ...changes,
  };
}

/** Returns a message request. */
export function aMessage(prompt: Prompt, changes: Partial<MessageRequest> = {}): MessageRequest {
  return {
    id: `msg_${crypto.randomUUID().replaceAll("-", "")}`,
    prompt,
    agent: null,
    background: false,
    maxTurns: null,
    maxBudgetNanos: null,
    onBusy: "queue",
    requestHash: "hash",
    ...changes,
  };
}

/** Returns a schedule request: one message per hour by default. */
export function aSchedule(prompt: string, changes: Partial<ScheduleRequest> = {}): ScheduleRequest {
  const id = `sched_${crypto.randomUUID().replaceAll("-", "")}`;
  return { id, when: { everyMs: 3_600_000 }, prompt, requestHash: "hash", ...changes };
}

/** Returns the stub of a session's object. The stub's own type mistranslates `unknown`. */
export const objectOf = (id: string) => env.SESSIONS.getByName(id);
export const sessionOf = (id: string) => objectOf(id) as unknown as SessionRpc;

/** Returns the value of a result; throws for a refusal. */
export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.failure.code}: ${result.failure.message}`);
  return result.value;
}

/** Reads a session's row from its object. */
export const read = async (id: string): Promise<SessionRow> =>
  value(await sessionOf(id).read(ALICE));

/** Reads a session's row from D1; null if there is none. */
export const rowOf = (id: string) =>
  env.DB.prepare("SELECT * FROM agent_sessions WHERE id = ?").bind(id).first();

/** Creates a session and returns its id. */
export async function createSession(changes: Partial<SessionSpec> = {}): Promise<string> {
  const spec = aSpec(changes);
  value(await sessionOf(spec.id).create(ALICE, spec));
  return spec.id;
}

/** Sends a prompt and waits for the end of its message. */
export async function ask(
  id: string,
  prompt: Prompt,
  changes: Partial<MessageRequest> = {},
): Promise<MessageRow> {
  return value(await sessionOf(id).ask(ALICE, aMessage(prompt, changes)));
}

/** Returns a message of a session. */
export const messageOf = async (id: string, messageId: string): Promise<MessageRow> =>
  value(await sessionOf(id).message(ALICE, messageId));

/** Waits until a message waits for somebody. */
export const untilWaiting = (id: string, messageId: string): Promise<void> =>
  until(async () => (await messageOf(id, messageId)).status === "waiting", 5_000);

/** Waits until a message has ended, and returns it. */
export async function ended(id: string, messageId: string): Promise<MessageRow> {
  await until(async () => (await messageOf(id, messageId)).endedAt !== null, 5_000);
  return messageOf(id, messageId);
}

/** Returns all events of a session. Throws for one that the document of the API does not describe. */
export async function eventsOf(id: string): Promise<SessionEvent[]> {
  const page = await sessionOf(id).events(ALICE, { after: 0, limit: 100_000 });
  const { events } = value(page);
  for (const event of events) requireDescribedEvent(event);
  return events;
}

/** Returns the types of a session's events, in order. */
export const typesOf = async (id: string): Promise<SessionEvent["type"][]> =>
  (await eventsOf(id)).map(({ type }) => type);

/** Returns how many events have a type. */
export const countOf = (events: readonly SessionEvent[], type: SessionEvent["type"]): number =>
  events.filter((event) => event.type === type).length;

/** Returns the results of tool calls in events, in their order. */
export const resultsOf = (events: readonly SessionEvent[]): string[] =>
  events.flatMap((event) => (event.type === "tool.completed" ? [event.content] : []));

/** Returns a prompt line that makes the offline model call a tool, and one for a command. */
export const call = (tool: string, input: object): string => `/${tool} ${JSON.stringify(input)}`;
export const bash = (command: string): string => call("Bash", { command });

/** Loses an object, or a session's object, as a crash does. Pending calls are not answered. */
export const loseObject = (object: DurableObjectStub): Promise<void> =>
  runInDurableObject(object, (_, state) => state.abort("lost")).catch(() => {});
export const lose = (id: string): Promise<void> => loseObject(objectOf(id));

/** Returns the names of an object's tables: none if it was never used or was removed. */
export const tablesOf = (object: DurableObjectStub): Promise<unknown[]> =>
  runInDurableObject(object, (_, { storage }) =>
    storage.sql
      .exec("SELECT name FROM sqlite_master")
      .toArray()
      .map(({ name }) => name),
  );

/** Returns the time of an object's alarm; null if none is set. */
export const alarmOf = (object: DurableObjectStub): Promise<number | null> =>
  runInDurableObject(object, (_, { storage }) => storage.getAlarm());

/**
 * Returns when a session's alarm is due once the index has its row. An alarm that fires soon is not moved by then, so it
 * is fired.
 */
export async function plannedAlarm(id: string): Promise<number | null> {
  const hasSent = ({ storage }: DurableObjectState) => new SessionStore(storage).outbox === null;
  await until(() => runInDurableObject(objectOf(id), (_, state) => hasSent(state)));
  await runDurableObjectAlarm(objectOf(id));
  return alarmOf(objectOf(id));
}

/** Returns the keys of the bucket that begin so. */
export const keysUnder = async (prefix: string): Promise<string[]> =>
  (await env.SNAPSHOTS.list({ prefix })).objects.map(({ key }) => key);

/** Waits until a condition is true; fails after ten seconds, or `withinMs`. */
export async function until(
  holds: () => Promise<boolean> | boolean,
  withinMs = 10_000,
): Promise<void> {
  for (let ms = 0; ms < withinMs; ms += 10) {
    if (await holds()) return;
    await scheduler.wait(10);
  }
  throw new Error(`it did not come to hold within ${withinMs} ms`);
}
