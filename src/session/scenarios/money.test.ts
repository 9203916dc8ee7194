import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect, it } from "vitest";
import { knownModels } from "../../agent/pricing/models";
import type { Turn } from "../../agent/reserve-turn";
import type { TurnKind } from "../../events/event";
import { aMessage, aSpec, objectOf } from "../../testing/sessions";
import { modelOf } from "../deployment";
import { newState, SessionStore } from "../storage/store";
import { acceptMessage } from "../transactions/messages";
import type { RunChange } from "../transactions/state";
import {
  beginTurn,
  closeTurns,
  completeTurn,
  failTurn,
  withdrawOpenCalls,
} from "../transactions/turns";

// The session's ledger under random sequences of steps: agents that call models concurrently, replies,
// failures, retries, repeated responses, and losses of the object between any two of these.

const AGENTS = 3;
/** The budget in nano-dollars: from a tenth of a cent, too little for most calls, to enough for most steps. */
const budget = fc.integer({ min: 1_000_000, max: 1_000_000_000 });
/** The used share of a bound: often all of it. */
const share = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(1));
/** The reported share of a bound: sometimes more than is possible. */
const claim = fc.oneof({ weight: 5, arbitrary: share }, { weight: 1, arbitrary: fc.constant(20) });
const agent = fc.nat(AGENTS - 1);
const kind = fc.constantFrom<TurnKind>("reply", "reply", "reply", "compaction", "web_search");
const used = fc.record({ input: claim, read: share, written: share, output: claim });

const Step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("begin" as const),
      agent,
      kind,
      model: fc.constantFrom(...knownModels(Date.now())),
      promptTokens: fc.nat(400_000),
      maxTokens: fc.integer({ min: 1, max: 64_000 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("complete" as const), agent, used }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fail" as const),
      agent,
      used,
      began: fc.boolean(),
      status: fc.constantFrom(null, 400, 504, 529),
      again: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("repeat" as const), agent, used }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose the object" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("stop" as const), agent }) },
);
type Step = typeof Step extends fc.Arbitrary<infer T> ? T : never;

/** An open call: the reserved turn, and its possible usage. */
interface Open {
  turn: Turn;
  promptTokens: number;
  kind: TurnKind;
}

/** Returns a usage that the API could report for a call: any share of the call's bounds. */
function reported(
  { turn, promptTokens, kind }: Open,
  part: typeof used extends fc.Arbitrary<infer T> ? T : never,
) {
  const prompt = Math.floor(promptTokens * part.input);
  const read = Math.floor(prompt * part.read);
  const written = Math.floor((prompt - read) * part.written);
  return {
    start: {
      input_tokens: prompt - read - written,
      cache_read_input_tokens: read,
      cache_creation_input_tokens: written,
      cache_creation: { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 },
      output_tokens: Math.ceil(turn.maxTokens * part.output),
      server_tool_use: {
        web_search_requests: kind === "web_search" ? 1 : 0,
        web_fetch_requests: 0,
      },
    } as never,
    delta: null,
  };
}

/** Runs steps on a new session within its object, and checks the session after each step. */
function play(
  storage: DurableObjectStorage,
  id: string,
  maxBudgetNanos: number,
  steps: Step[],
): void {
  const spec = aSpec({
    id,
    limits: { maxIdleTimeMs: null, maxLifetimeMs: null, maxBudgetNanos, maxTurns: null },
  });
  let store = new SessionStore(storage);
  const now = Date.now();
  const request = aMessage("hello");
  store.transaction(() => {
    const { limits, tags, description, userId, ...identity } = spec;
    const made = { ...identity, owner: "alice", sessionId: "sdk_sess_1", createdAt: now };
    store.create(made, { limits, tags, description, userId }, newState(spec, now));
    store.state = { ...store.state, lifecycle: { status: "active", startedAt: now } };
    acceptMessage(store, request, new Map(), now);
    for (let n = 1; n < AGENTS; n++) {
      store.agents.add(`agent ${n}`, `agent ${n}`, "/workspace");
      const run = { id: `${request.id}/${n}`, messageId: request.id, agent: `agent ${n}` };
      store.runs.add({ ...run, parentToolUseId: `toolu_${n}`, background: false });
    }
  });
  const runIds = [
    request.id,
    ...Array.from({ length: AGENTS - 1 }, (_, n) => `${request.id}/${n + 1}`),
  ];
  const open = new Map<number, Open>();
  const ended: { agent: number; open: Open }[] = [];
  let replies = 0;

  const at = (agent: number): RunChange => {
    const run = store.runs.get(runIds[agent] ?? "");
    if (!run) throw new Error("there is no such run");
    return { store, run, now };
  };

  for (const step of steps) {
    store.transaction(() => {
      switch (step.do) {
        case "begin": {
          if (open.has(step.agent)) return;
          const { kind, promptTokens, maxTokens } = step;
          const wish = {
            kind,
            ref: "",
            promptTokens,
            likelyTokens: 10,
            leastTokens: 0,
            maxTokens,
            lowered: true,
          };
          const granted = beginTurn(at(step.agent), modelOf(step.model), wish, null);
          if (granted.ok) open.set(step.agent, { turn: granted, promptTokens, kind });
          return;
        }
        case "complete": {
          const call = open.get(step.agent);
          if (!call) return;
          const content = [{ type: "text" as const, text: "said" }];
          const usage = reported(call, step.used);
          completeTurn(at(step.agent), call.turn, { content, stopReason: "end_turn", usage });
          open.delete(step.agent);
          ended.push({ agent: step.agent, open: call });
          if (call.kind === "reply") replies += 1;
          return;
        }
        case "fail": {
          const call = open.get(step.agent);
          if (!call) return;
          const { began, status, again } = step;
          const usage = began ? reported(call, step.used) : { start: null, delta: null };
          const failed = {
            failure: { type: "error", began, status },
            draft: { content: [], usage },
          };
          failTurn(at(step.agent), call.turn, failed, again ? 1 : null);
          open.delete(step.agent);
          ended.push({ agent: step.agent, open: call });
          return;
        }
        case "repeat": {
          const last = ended.findLast(({ agent }) => agent === step.agent);
          if (!last) return;
          const usage = reported(last.open, step.used);
          completeTurn(at(step.agent), last.open.turn, {
            content: [],
            stopReason: "end_turn",
            usage,
          });
          return;
        }
        case "stop":
          closeTurns(at(step.agent), "interrupted", new Map());
          open.delete(step.agent);
          return;
        case "lose the object":
          return;
      }
    });
    if (step.do === "lose the object") {
      store = new SessionStore(storage);
      store.transaction(() => {
        for (let n = 0; n < AGENTS; n++) withdrawOpenCalls(at(n));
      });
      open.clear();
    }
    check(store, request.id, { maxBudgetNanos, replies });
  }
}

function check(
  store: SessionStore,
  messageId: string,
  model: { maxBudgetNanos: number; replies: number },
): void {
  const { balance, usage, totalTokens, numTurns } = store.state;
  const { spentNanos, heldNanos } = balance;
  expect(spentNanos + heldNanos).toBeLessThanOrEqual(model.maxBudgetNanos);
  expect(Math.min(spentNanos, heldNanos)).toBeGreaterThanOrEqual(0);
  expect(Number.isSafeInteger(spentNanos) && Number.isSafeInteger(heldNanos)).toBe(true);
  expect(store.calls.balanceOf(messageId)).toEqual(balance);
  expect(numTurns).toBe(model.replies);
  const events = store.log.after(0, 10_000).map(({ json }) => JSON.parse(json));
  const costs = events.map(({ cost }) => Math.round((cost ?? 0) * 1e9));
  expect(costs.reduce((sum, cost) => sum + cost, 0)).toBe(spentNanos);
  const models = Object.values(usage);
  expect(models.reduce((sum, { costNanos }) => sum + costNanos, 0)).toBe(spentNanos);
  const tokens = models.reduce(
    (sum, of) => sum + of.inputTokens + of.outputTokens + of.cacheReadTokens + of.cacheWriteTokens,
    0,
  );
  expect(tokens).toBe(totalTokens);
  const message = store.messages.get(messageId);
  expect(message).toMatchObject({ costNanos: spentNanos, numTurns });
  const completed = events.filter(({ type }) => type === "turn.completed");
  expect(new Set(completed.map(({ turnId }) => turnId)).size).toBe(completed.length);
}

it("spent and held amounts stay within the budget and each reply counts once, whatever agents call and however it ends", async () => {
  await fc.assert(
    fc.asyncProperty(
      budget,
      fc.array(Step, { minLength: 5, maxLength: 60 }),
      async (budget, steps) => {
        const { id } = aSpec();
        await runInDurableObject(objectOf(id), (_, { storage }) =>
          play(storage, id, budget, steps),
        );
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);
