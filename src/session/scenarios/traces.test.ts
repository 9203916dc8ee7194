import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionEvent } from "../../events/event";
import { FakeCollector, type ReceivedSpan, valuesOf } from "../../testing/collector";
import { plantPrograms } from "../../testing/fake-claude-code";
import { moveClock } from "../../testing/faults";
import { faults, forEachSideBySide, plantFaults, play, type Scenario } from "../../testing/losses";
import {
  ALICE,
  aMessage,
  aSpec,
  ask,
  bash,
  call,
  createSession,
  eventsOf,
  lose,
  objectOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import { tracing } from "../deployment";
import { SessionStore } from "../storage/store";

// Sessions are lost after each of their commits, and while they export, and the collector fails at times. In the end it has
// each span of the journal, and whatever it was sent twice was the same.

const ORIGINAL = { ...tracing };

const AGENTS: Scenario = {
  config: { customAgents: { player: {} } },
  prompts: [
    [
      [
        call("Task", { subagent_type: "player", prompt: `${bash("echo one")}\nI am one` }),
        call("Task", { subagent_type: "player", prompt: "two" }),
      ].join(" & "),
      bash("echo said"),
      "all is done",
    ].join("\n"),
    `/fail 529 times=1\n${bash("echo more")}\nthat is all`,
  ],
};

let collector: FakeCollector;
let moveOn: (ms: number) => void;
let random: number;
const chance = (part: number): boolean => {
  random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
  return random / 2 ** 32 < part;
};

beforeEach(() => {
  collector = new FakeCollector();
  tracing.collector = collector.settings;
  tracing.fetch = collector.fetch;
  moveOn = moveClock();
  random = 1;
});
afterEach(() => {
  Object.assign(tracing, ORIGINAL);
  vi.restoreAllMocks();
  faults.clear();
});

/** Exports until nothing is left, as the alarms of an object do that may be lost again. */
async function exportAll(id: string): Promise<void> {
  await until(async () => {
    // Longer than most pauses after failures.
    moveOn(100_000);
    await runDurableObjectAlarm(objectOf(id)).catch(() => {});
    return isExported(id).catch(() => false);
  }, 10_000);
}

const isExported = (id: string): Promise<boolean> =>
  runInDurableObject(objectOf(id), (_, { storage }) => {
    const { traced, log } = new SessionStore(storage);
    return traced?.seq === log.lastSeq();
  });

/** What begins a span, and the beginning of the span's name. */
const BEGINNINGS: Partial<Record<SessionEvent["type"], string>> = {
  "message.received": "invoke_agent",
  "agent.started": "invoke_agent",
  "turn.started": "chat",
  "tool.started": "execute_tool",
};

/** Fails unless spans are those of a journal: one for each thing in it, all connected. */
function expectWhole(received: readonly ReceivedSpan[], events: readonly SessionEvent[]): void {
  const spans = new Map(received.map((span) => [span.spanId, span]));
  for (const span of received) expect(span).toEqual(spans.get(span.spanId));
  const distinct = [...spans.values()].filter(({ name }) => name !== "session");
  const begun = events.flatMap(({ type, at }) => {
    const name = BEGINNINGS[type];
    // The span of a message begins when it is started.
    return name === undefined ? [] : [type === "message.received" ? name : `${name} ${at}`];
  });
  const shown = distinct.map(({ name, startTimeUnixNano, links }) => {
    const [kind = ""] = name.split(" ");
    const at = new Date(Number(BigInt(startTimeUnixNano) / 1_000_000n)).toISOString();
    return links ? kind : `${kind} ${at}`;
  });
  expect(shown.sort()).toEqual(begun.sort());
  for (const span of distinct) {
    const parent = spans.get(span.parentSpanId ?? "");
    expect(parent?.traceId, span.name).toBe(span.links ? undefined : span.traceId);
    const messages = [span, parent ?? span].map((one) => valuesOf(one.attributes));
    expect(messages[0]?.["rigger.message.id"]).toBe(messages[1]?.["rigger.message.id"]);
  }
}

describe("the trace of a session", () => {
  it("is whole if Claude Code runs it", async () => {
    const uproot = plantPrograms();
    try {
      const id = await createSession({ config: { ...AGENTS.config, runtime: "claude-code" } });
      const task = { subagent_type: "player", prompt: `${bash("echo one")}\nI am one` };
      await ask(id, `${call("Agent", task)}\n${bash("echo said")}\nall is done`);
      await exportAll(id);
      const spans = collector.spans(id);
      expectWhole(spans, await eventsOf(id));
      expect(spans.map(({ name }) => name)).toContain("invoke_agent player");
    } finally {
      uproot();
    }
  });

  it("is whole whatever commit its object was lost after", async () => {
    plantFaults();
    const { fault } = await play(AGENTS, null, "everything");
    await forEachSideBySide([...fault.commits], async (point) => {
      const { id } = await play(AGENTS, point, "object at once");
      await exportAll(id);
      expectWhole(collector.spans(id), await eventsOf(id));
    });
  }, 60_000);

  it("is whole although exports fail and their objects are lost", async () => {
    const specs = Array.from({ length: 8 }, () => aSpec({ config: AGENTS.config }));
    // An object that dies again and again in its alarm rests for longer and longer.
    const losses = new Map(specs.map(({ id }) => [id, 0]));
    const dying = new Set<string>();
    collector.answer = ({ body }, accept) => {
      if (chance(0.2)) return new Response(null, { status: 503 });
      if (chance(0.2)) {
        accept();
        return Promise.reject(new Error("the connection was lost"));
      }
      const id = specs.find((spec) => body.includes(spec.id))?.id ?? "";
      const times = losses.get(id) ?? 2;
      if (chance(0.4) || times >= 2) return undefined;
      // It is lost before it hears of what the collector has done.
      if (chance(0.7)) accept();
      losses.set(id, times + 1);
      dying.add(id);
      return new Promise(() => {});
    };
    // In the context of the test: an object does not outlive its own loss.
    let isOver = false;
    const loseDying = async () => {
      for (; !isOver; await scheduler.wait(5)) {
        for (const id of dying) {
          dying.delete(id);
          await lose(id);
          // The platform runs an alarm again that was lost with its object. That of the tests does not.
          await runInDurableObject(objectOf(id), (_, { storage }) => storage.setAlarm(Date.now()));
        }
      }
    };
    void loseDying();
    for (const spec of specs) value(await sessionOf(spec.id).create(ALICE, spec));
    const isDone = async (id: string, messageId: string) => {
      moveOn(1_000);
      await runDurableObjectAlarm(objectOf(id)).catch(() => {});
      const message = await sessionOf(id).message(ALICE, messageId);
      return value(message).endedAt !== null;
    };
    await Promise.all(
      specs.map(async ({ id }) => {
        for (const prompt of AGENTS.prompts) {
          const request = aMessage(prompt);
          const send = () => sessionOf(id).send(ALICE, request);
          await until(() =>
            send().then(
              ({ ok }) => ok,
              () => false,
            ),
          );
          await until(() => isDone(id, request.id).catch(() => false), 20_000);
        }
        await exportAll(id);
      }),
    );
    isOver = true;
    expect([...losses.values()].reduce((all, times) => all + times, 0)).toBeGreaterThan(4);
    let repeated = 0;
    for (const { id } of specs) {
      const spans = collector.spans(id);
      expectWhole(spans, await eventsOf(id));
      repeated += spans.length - new Set(spans.map(({ spanId }) => spanId)).size;
    }
    expect(repeated).toBeGreaterThan(0);
  }, 60_000);
});
