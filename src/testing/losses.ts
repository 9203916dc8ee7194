import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import type { Message } from "../agent/messages";
import type { MessageRow, Result, SessionConfig } from "../session/rpc";
import { SessionStore } from "../session/storage/store";
import { aMachine } from "./machines";
import { ALICE, aMessage, aSpec, loseObject, objectOf, sessionOf, until, value } from "./sessions";

// Sessions that are lost after one of their commits. A commit is known by what it appended to the log, and how
// often that was so: "tool.started Bash #2".

/** What is asked of a session, one message after the other. */
export interface Scenario {
  /** Its sandbox is a machine. */
  machine?: boolean;
  config: SessionConfig;
  prompts: string[];
  /** How the object and what is with it are lost, where they are not simply aborted. */
  lose?(id: string, loss: Loss): Promise<void>;
}

/** What is lost, and when: what the work goes on to do before it next commits may happen yet, or not. */
export type Loss = "object at once" | "object before its next commit" | "everything";

/** Where a session is to be lost, and what has become of it. */
export interface Fault {
  point: string | null;
  loss: Loss;
  /** The names of the commits so far. */
  commits: Set<string>;
  dead: SessionStore | null;
  lost: PromiseWithResolvers<void>;
}

/** The sessions that are to be lost, by their ids. Empty it, and restore the mocks, after each test. */
export const faults = new Map<string, Fault>();

/**
 * Lets the sessions in `faults` die after their appointed commit: nothing that they do is kept any more. What
 * it returns ends that.
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

/** Asks until it is answered, as a client does with an idempotency key. */
async function insist<T>(ask: () => Promise<Result<T>>): Promise<T> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await ask().catch(() => undefined);
    if (answer) return value(answer);
    await scheduler.wait(10);
  }
  throw new Error("there was no answer");
}

/** What a session has become, without what differs from one to the next. */
export interface Outcome {
  messages: Pick<MessageRow, "status" | "stopReason" | "result" | "numTurns" | "toolsUsed">[];
  /** Of every agent. */
  conversations: Message[][];
  events: string[];
  /** What was paid for all but the calls that were lost. */
  costNanos: number;
}

/** Runs the scenario, with the session lost after the commit `point`; null for an undisturbed one. */
export async function play(
  scenario: Scenario,
  point: string | null,
  loss: Loss,
): Promise<{ fault: Fault; outcome: Outcome }> {
  const { config, prompts } = scenario;
  const spec = aSpec({ config });
  const { id } = spec;
  const lost = Promise.withResolvers<void>();
  const fault: Fault = { point, loss, commits: new Set(), dead: null, lost };
  faults.set(id, fault);
  if (scenario.lose) void watch(lost.promise, () => scenario.lose?.(id, loss));
  else void lost.promise.then(() => lose(id, loss));

  if (scenario.machine) aMachine(id);
  await insist(() => sessionOf(id).create(ALICE, spec));
  const status = () => insist(() => sessionOf(id).read(ALICE)).then((session) => session.status);
  await until(async () => (await status()) === "active");
  const requests = prompts.map((prompt) => aMessage(prompt));
  for (const request of requests) await insist(() => sessionOf(id).send(ALICE, request));
  const read = (messageId: string) => insist(() => sessionOf(id).message(ALICE, messageId));
  for (const request of requests) {
    await until(async () => (await read(request.id)).endedAt !== null);
  }
  if (point !== null) expect(fault.dead, `it was not lost after ${point}`).not.toBeNull();
  const messageIds = requests.map((request) => request.id);
  const outcome = await outcomeOf(id, messageIds);
  // Which of several agents is the first to use a tool is as open as the order of their events.
  if (config.customAgents) for (const { toolsUsed } of outcome.messages) toolsUsed.sort();
  return { fault, outcome };
}

/**
 * Does something after a promise was resolved, in the tests' own time: who resolves it is an object, and what
 * follows at once is done in its name.
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
  // Ids are made anew each time; what matters is which of them are the same.
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

/** Returns what of an outcome no loss may change, not even that of a sandbox in the middle of a command. */
export const outlineOf = ({ messages, conversations, events }: Outcome) => ({
  messages: messages.map(({ status, stopReason, numTurns }) => ({ status, stopReason, numTurns })),
  conversations: conversations.map((conversation) =>
    conversation.map(({ role, content }) => [role, ...content.map(({ type }) => type)]),
  ),
  events,
});
