import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import type { Message } from "../agent/messages";
import type { Prompt } from "../events/event";
import type { MessageRequest, MessageRow, SessionConfig, SessionSpec } from "../session/rpc";
import { isUnsaved } from "../session/rules/container-state";
import { SessionStore } from "../session/storage/store";
import type { Result } from "../shared/result";
import { ALICE, aMessage, aSpec, loseObject, objectOf, sessionOf, until, value } from "./sessions";

// Loses sessions after one of their commits. A commit is identified by the event that it appended to the log,
// and by the count of such events: "tool.started Bash #2".

/** A session's config and the prompts of its messages, in order. */
export interface Scenario {
  config: SessionConfig;
  /** What else differs from the spec of other sessions in tests. */
  spec?: Partial<SessionSpec>;
  prompts: Prompt[];
  /** Waits for something between messages. How many commits that takes may differ. By default all are sent at once. */
  between?(id: string): Promise<void>;
  /** Does what a message waits for. Called again and again until the message has ended. */
  meanwhile?(id: string): Promise<void>;
  /** Loses the object and everything with it; by default the object is aborted. */
  lose?(id: string, loss: Loss): Promise<void>;
}

/** The part that is lost, and the time. With "before its next commit", work that follows the commit may still run. */
export type Loss = "object at once" | "object before its next commit" | "everything";

/** The point at which a session is lost, and the state of the loss. */
export interface Fault {
  point: string | null;
  loss: Loss;
  /** The names of the commits so far. */
  commits: Set<string>;
  dead: SessionStore | null;
  lost: PromiseWithResolvers<void>;
}

/** The sessions to lose, by id. Clear it, and restore the mocks, after each test. */
export const faults = new Map<string, Fault>();

/**
 * Makes the sessions in `faults` die after their commit: nothing that they do afterwards is stored. Returns a
 * function that ends this.
 */
export function plantFaults(): () => void {
  const { transaction } = SessionStore.prototype;
  const spy = vi.spyOn(SessionStore.prototype, "transaction").mockImplementation(function <T>(
    this: SessionStore,
    change: () => T,
  ): T {
    const dying = [...faults.values()].find(({ dead }) => dead === this);
    if (dying) {
      dying.lost.resolve();
      throw new Error("the object is dead");
    }
    const before = this.exists() ? this.log.lastSeq() : 0;
    const result = transaction.call(this, change) as T;
    const fault = faults.get(this.identity.id);
    if (!fault) return result;
    const shown = this.log.after(before, 100).map(({ json }) => JSON.parse(json));
    const what = shown.map(({ agent, type, name }) => wordsOf(agent, type, name)).join(", ");
    let times = 1;
    while (fault.commits.has(`${what} #${times}`)) times++;
    const name = `${what} #${times}`;
    fault.commits.add(name);
    if (name === fault.point && !fault.dead) {
      fault.dead = this;
      if (fault.loss !== "object before its next commit") fault.lost.resolve();
    }
    return result;
  });
  return () => spy.mockRestore();
}

const wordsOf = (...words: (string | undefined)[]): string => words.filter(Boolean).join(" ");

/** The time for a message to end, in ms: machines are slower than objects. */
const MESSAGE_MS = 20_000;

/** Repeats a call until it is answered, as a client does with an idempotency key. */
async function insist<T>(ask: () => Promise<Result<T>>): Promise<T> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await ask().catch(() => undefined);
    const isRefused = answer && !answer.ok && answer.failure.code === "unavailable";
    if (answer && !isRefused) return value(answer);
    await scheduler.wait(10);
  }
  throw new Error("there was no answer");
}

/** Runs `act` for all items, eight at a time: sessions are independent and mostly wait. */
export async function forEachSideBySide<T>(
  all: T[],
  act: (one: T) => Promise<void>,
): Promise<void> {
  const rest = [...all];
  const worker = async () => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await act(one);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** The final state of a session, without values that differ between runs. */
export interface Outcome {
  messages: Pick<MessageRow, "status" | "stopReason" | "result" | "numTurns" | "toolsUsed">[];
  /** The conversations of every agent. */
  conversations: Message[][];
  events: string[];
  /** The cost of all calls except the lost ones. */
  costNanos: number;
}

/** Runs a scenario and loses the session after the commit `point`; null for an undisturbed run. Returns its outcome. */
export async function play(
  scenario: Scenario,
  point: string | null,
  loss: Loss,
): Promise<{ id: string; fault: Fault; outcome: Outcome }> {
  const { config, prompts } = scenario;
  const spec = aSpec({ config, ...scenario.spec });
  const { id } = spec;
  const lost = Promise.withResolvers<void>();
  const fault: Fault = { point, loss, commits: new Set(), dead: null, lost };
  faults.set(id, fault);
  if (scenario.lose) void watch(lost.promise, () => scenario.lose?.(id, loss));
  else void lost.promise.then(() => lose(id, loss));

  await insist(() => sessionOf(id).create(ALICE, spec));
  const status = () => insist(() => sessionOf(id).read(ALICE)).then((session) => session.status);
  // One that sleeps between messages could fall asleep before the first.
  if (!scenario.between) await until(async () => (await status()) === "active");
  const requests = prompts.map((prompt) => aMessage(prompt));
  const send = (request: MessageRequest) => insist(() => sessionOf(id).send(ALICE, request));
  const read = (messageId: string) => insist(() => sessionOf(id).message(ALICE, messageId));
  if (!scenario.between) for (const request of requests) await send(request);
  for (const [n, request] of requests.entries()) {
    if (n > 0) await scenario.between?.(id);
    if (scenario.between) await send(request);
    await until(async () => {
      await scenario.meanwhile?.(id).catch(() => {});
      return (await read(request.id)).endedAt !== null;
    }, MESSAGE_MS);
  }
  if (point !== null && !scenario.between)
    expect(fault.dead, `it was not lost after ${point}`).not.toBeNull();
  const messageIds = requests.map((request) => request.id);
  const outcome = await outcomeOf(id, messageIds);
  // With several agents, the order of tools depends on timing, as the order of their events does.
  if (config.customAgents) for (const { toolsUsed } of outcome.messages) toolsUsed.sort();
  return { id, fault, outcome };
}

/** Returns whether the files of a session's container are saved. A lost object goes on with its alarm. */
export async function isSaved(id: string): Promise<boolean> {
  try {
    await runDurableObjectAlarm(objectOf(id));
    return await runInDurableObject(objectOf(id), (_, { storage }) => {
      const { machine } = new SessionStore(storage).state;
      return machine !== undefined && machine.saved !== null && !isUnsaved(machine);
    });
  } catch {
    return false;
  }
}

/**
 * Runs an action after a promise resolves, in the context of the test. The promise is resolved by an object,
 * whose context would otherwise run the action.
 */
async function watch(promise: Promise<void>, act: () => unknown): Promise<void> {
  let over = false;
  void promise.then(() => {
    over = true;
  });
  for (let ms = 0; ms < 10_000 && !over; ms += 2) await scheduler.wait(2);
  if (over) await act();
}

function lose(id: string, loss: Loss): void {
  const objects = [
    objectOf(id),
    ...(loss === "everything" ? [env.EMBEDDED_SANDBOXES.getByName(id)] : []),
  ];
  for (const object of objects) void loseObject(object);
}

async function outcomeOf(id: string, messageIds: string[]): Promise<Outcome> {
  const names = new Map<string, string>();
  // Ids differ in each run. Only their equality matters.
  const known = <T>(found: T): T =>
    JSON.parse(
      JSON.stringify(found).replaceAll(/(toolu|msg|sess)_\w+/g, (name) => {
        if (!names.has(name)) names.set(name, `id ${names.size}`);
        return names.get(name) ?? "";
      }),
    );
  const { events } = await insist(() => sessionOf(id).events(ALICE, { after: 0, limit: 1_000 }));
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const costs = events.map((event) => ("cost" in event ? Math.round(event.cost * 1e9) : 0));
  const session = await insist(() => sessionOf(id).read(ALICE));
  expect(costs.reduce((sum, cost) => sum + cost, 0)).toBe(session.totalCostNanos);
  const received = events.filter(({ type }) => type === "message.received");
  expect(session.numMessages).toBe(received.length);
  expect([session.pendingApprovals, session.pendingToolRequests]).toEqual([0, 0]);
  const retried = events.filter((event) => event.type === "turn.retried");
  const lostNanos = retried.reduce((sum, { cost }) => sum + Math.round(cost * 1e9), 0);
  const rows = await Promise.all(
    messageIds.map((messageId) => insist(() => sessionOf(id).message(ALICE, messageId))),
  );
  return {
    messages: rows.map(({ status, stopReason, result, numTurns, toolsUsed }) =>
      known({ status, stopReason, result, numTurns, toolsUsed }),
    ),
    conversations: await runInDurableObject(objectOf(id), (_, { storage }) => {
      const { agents, history } = new SessionStore(storage);
      return agents
        .names()
        .map((agent) =>
          history
            .conversation(agent, "claude-sonnet-5-5")
            .map(({ role, content }) => known({ role, content })),
        );
    }),
    events: events
      .filter((event) => event.type !== "turn.retried")
      .map((event) => wordsOf(event.agent, event.type, "name" in event ? event.name : ""))
      .sort(),
    costNanos: session.totalCostNanos - lostNanos,
  };
}

/** Returns the part of an outcome that no loss may change, not even a loss of the sandbox during a command. */
export const outlineOf = ({ messages, conversations, events }: Outcome) => ({
  messages: messages.map(({ status, stopReason, numTurns }) => ({ status, stopReason, numTurns })),
  conversations: conversations.map((conversation) =>
    conversation.map(({ role, content }) => [role, ...content.map(({ type }) => type)]),
  ),
  events,
});
