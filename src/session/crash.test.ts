import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Message } from "../agent/messages";
import { aMachine, installMachines } from "../testing/machines";
import { ALICE, aMessage, aSpec, objectOf, sessionOf, until, value } from "../testing/sessions";
import type { MessageRow, Result, SessionConfig } from "./rpc";
import { SessionStore } from "./store";

// A session is lost after every one of its commits in turn, and has to end as one that was never disturbed.
// A commit is known by what it appended to the log, and how often that was so: "tool.started Bash #2".

/** What is asked of a session, one message after the other. */
interface Scenario {
  /** Its sandbox is a machine. */
  machine?: boolean;
  config: SessionConfig;
  prompts: string[];
  /** How many commits it takes. */
  commits: number;
}

const line = (name: string, input: object) => `/${name} ${JSON.stringify(input)}`;

const ALONE: Scenario = {
  config: {},
  prompts: [
    [
      '/Write {"file_path":"/workspace/a.txt","content":"one\\n"}',
      '/Read {"file_path":"/workspace/a.txt"} & /Glob {"pattern":"*.txt"}',
      '/Bash {"command":"echo once >> log.txt; sleep 0.05; echo said"}',
      '/Edit {"file_path":"/workspace/a.txt","old_string":"one","new_string":"two"}',
      "all is done",
    ].join("\n"),
    '/Bash {"command":"cat a.txt log.txt"}\nthat is all',
  ],
  commits: 31,
};

// The offline model follows what it was told last: the main agent goes on with what it hears.
const NEWS = `${line("Task", { subagent_type: "player1", prompt: "who are you?" })}\nall is done`;

const FIRST_TASK = [
  '/Write {"file_path":"/workspace/one.txt","content":"one\\n"}',
  line("SendMessage", { to: "main", message: NEWS }),
  '/Bash {"command":"echo once >> log.txt; sleep 0.05; echo said"}',
  "I am one",
].join("\n");

const AGENTS: Scenario = {
  config: { customAgents: { player1: {}, player2: { maxTurns: 5 } } },
  prompts: [
    [
      [
        line("Task", { subagent_type: "player1", prompt: FIRST_TASK }),
        line("Task", { subagent_type: "player2", prompt: '/Read {"file_path":"x"}\nI am two' }),
      ].join(" & "),
      "never said",
    ].join("\n"),
    '/Bash {"command":"cat one.txt log.txt"}\nthat is all',
  ],
  commits: 56,
};

const IN_A_MACHINE: Scenario = { ...ALONE, machine: true, commits: 34 };

/** What is lost, and when: what the work goes on to do before it next commits may happen yet, or not. */
type Loss = "object at once" | "object before its next commit" | "everything";

/** Where a session is to be lost, and what has become of it. */
interface Fault {
  point: string | null;
  loss: Loss;
  /** The names of the commits so far. */
  commits: Set<string>;
  dead: SessionStore | null;
  lost: PromiseWithResolvers<void>;
}

const faults = new Map<string, Fault>();

/** Lets the sessions in `faults` die after their appointed commit: nothing that they do is kept any more. */
function plantFaults(): void {
  installMachines();
  const { transaction } = SessionStore.prototype;
  vi.spyOn(SessionStore.prototype, "transaction").mockImplementation(function <T>(
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
}

const wordsOf = (...words: (string | undefined)[]): string => words.filter(Boolean).join(" ");

afterEach(() => {
  vi.restoreAllMocks();
  faults.clear();
});

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
interface Outcome {
  messages: Pick<MessageRow, "status" | "stopReason" | "result" | "numTurns" | "toolsUsed">[];
  /** Of every agent. */
  conversations: Message[][];
  events: string[];
  /** What was paid for all but the calls that were lost. */
  costNanos: number;
}

/** Runs the scenario, with the session lost after the commit `point`; null for an undisturbed one. */
async function play(
  { config, prompts, machine }: Scenario,
  point: string | null,
  loss: Loss,
): Promise<{ fault: Fault; outcome: Outcome }> {
  const spec = aSpec({ config });
  const { id } = spec;
  const lost = Promise.withResolvers<void>();
  const fault: Fault = { point, loss, commits: new Set(), dead: null, lost };
  faults.set(id, fault);
  lost.promise.then(() => lose(id, loss));

  if (machine) aMachine(id);
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
  return { fault, outcome: await outcomeOf(id, messageIds) };
}

function lose(id: string, loss: Loss): void {
  const objects = [
    objectOf(id),
    ...(loss === "everything" ? [env.EMBEDDED_SANDBOXES.getByName(id)] : []),
  ];
  for (const object of objects) {
    // Whoever asks an object that dies is not answered.
    runInDurableObject(object, (_, state) => state.abort("lost")).catch(() => {});
  }
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
      const { journal } = new SessionStore(storage);
      return journal
        .agentNames()
        .map((agent) =>
          journal
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

/** What of an outcome no loss may change, not even that of a sandbox in the middle of a command. */
const outlineOf = ({ messages, conversations, events }: Outcome) => ({
  messages: messages.map(({ status, stopReason, numTurns }) => ({ status, stopReason, numTurns })),
  conversations: conversations.map((conversation) =>
    conversation.map(({ role, content }) => [role, ...content.map(({ type }) => type)]),
  ),
  events,
});

/** Sessions do not know of each other, and wait more than they work. */
async function forEachSideBySide<T>(all: T[], act: (one: T) => Promise<void>): Promise<void> {
  const rest = [...all];
  const worker = async () => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await act(one);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** The commits of an undisturbed session: where others can be lost. */
async function faultPoints(scenario: Scenario) {
  const { fault, outcome } = await play(scenario, null, "everything");
  const points = [...fault.commits];
  expect(points).toHaveLength(scenario.commits);
  return { points, undisturbed: outcome };
}

describe("a session that is lost", () => {
  it.each<[string, Loss, Scenario]>([
    ["one agent", "object at once", ALONE],
    ["one agent", "object before its next commit", ALONE],
    ["in a machine", "object before its next commit", IN_A_MACHINE],
    ["several agents", "object before its next commit", AGENTS],
  ])(
    "after any commit (%s, %s) ends as if nothing had happened",
    async (_, loss, scenario) => {
      plantFaults();
      const { points, undisturbed } = await faultPoints(scenario);
      await forEachSideBySide(points, async (point) => {
        const { outcome } = await play(scenario, point, loss);
        expect(outcome, `lost after ${point}`).toEqual(undisturbed);
      });
    },
    60_000,
  );

  it.each([
    ["one agent", ALONE],
    ["several agents", AGENTS],
  ])(
    "with its sandbox and everything else, after any commit (%s), does nothing twice",
    async (_, scenario) => {
      plantFaults();
      const { points, undisturbed } = await faultPoints(scenario);
      await forEachSideBySide(points, async (point) => {
        const { outcome } = await play(scenario, point, "everything");
        expect(outlineOf(outcome), `lost after ${point}`).toEqual(outlineOf(undisturbed));
        const written = outcome.messages[1]?.result?.match(/once/g)?.length ?? 0;
        expect(written, `lost after ${point}`).toBeLessThan(2);
      });
    },
    60_000,
  );
});
