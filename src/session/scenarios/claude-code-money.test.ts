import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { accountFor, limit, newOwner } from "../../testing/accounts";
import { containerOf, plantPrograms } from "../../testing/fake-claude-code";
import {
  ALICE,
  aMessage,
  aSpec,
  ask,
  bash,
  createSession,
  eventsOf,
  NO_LIMITS,
  read,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import { upstream } from "../deployment";
import type { SessionConfig, SessionSpec } from "../rpc";

let uproot = () => {};
beforeAll(() => {
  uproot = plantPrograms();
});
afterAll(() => uproot());

const claudeCode = (limits: Partial<SessionSpec["limits"]>, config: SessionConfig = {}) =>
  createSession({
    config: { ...config, runtime: "claude-code" },
    limits: { ...NO_LIMITS, ...limits },
  });
const many = (turns: number) => Array.from({ length: turns }, () => bash("true")).join("\n");

/** A model that reports the usage that a test sets, for any request. */
function aDearModel(
  usages: { input: number; output: number; cached: number }[],
  maxTokens: number[],
) {
  if (!upstream) throw new Error("there is no model");
  const original = upstream.fetch;
  let call = 0;
  return vi.spyOn(upstream, "fetch").mockImplementation(async (input, init) => {
    const response = await original(input, init);
    if (!String(input).includes("/v1/messages?") || !response.ok) return response;
    const asked = JSON.parse(String(init?.body));
    maxTokens.push(asked.max_tokens);
    const usage = usages[call++ % usages.length] ?? { input: 0, output: 0, cached: 0 };
    const said = await response.text();
    // No more than the API would charge: the tokens that it counts, and up to the call's max_tokens.
    const counted = Number(/"cache_creation_input_tokens":(\d+)/.exec(said)?.[1]);
    const read = Number(/"cache_read_input_tokens":(\d+)/.exec(said)?.[1]);
    const fresh = Number(/"input_tokens":(\d+)/.exec(said)?.[1]);
    const prompt = Math.min(usage.input, counted + read + fresh);
    const cached = Math.min(usage.cached, prompt);
    const output = Math.min(usage.output, asked.max_tokens);
    const text = said
      .replaceAll(/"input_tokens":\d+/g, `"input_tokens":${prompt - cached}`)
      .replaceAll(/"cache_creation_input_tokens":\d+/g, `"cache_creation_input_tokens":${cached}`)
      .replaceAll(/"ephemeral_5m_input_tokens":\d+/g, `"ephemeral_5m_input_tokens":${cached}`)
      .replaceAll(/"cache_read_input_tokens":\d+/g, '"cache_read_input_tokens":0')
      .replaceAll(/"output_tokens":\d+/g, `"output_tokens":${output}`);
    return new Response(text, response);
  });
}

describe("the budget of a session of Claude Code", () => {
  it("ends the session before a call that does not fit", async () => {
    const maxBudgetNanos = 40_000_000;
    const id = await claudeCode({ maxBudgetNanos });
    const turn = `/tokens 900\n${bash("true")}\n`;
    const message = await ask(id, `${turn.repeat(9)}end`);
    expect(message).toMatchObject({ status: "completed", stopReason: "budget_limit" });
    const session = await read(id);
    expect(session).toMatchObject({ status: "terminated", terminationReason: "budget_limit" });
    expect(session.totalCostNanos).toBeGreaterThan(maxBudgetNanos / 2);
    expect(session.totalCostNanos).toBeLessThanOrEqual(maxBudgetNanos);
  });

  it("is leased from the owner's account, whose limit ends a message and not the session", async () => {
    const owner = newOwner();
    const caller = { owner, admin: false };
    const spec = aSpec({ config: { runtime: "claude-code" }, limited: true });
    await limit(owner, { maxDailyNanos: 40_000_000 });
    value(await sessionOf(spec.id).create(caller, spec));
    const send = async (prompt: string) =>
      value(await sessionOf(spec.id).ask(caller, aMessage(prompt)));
    const message = await send(`${`/tokens 900\n${bash("true")}\n`.repeat(9)}end`);
    expect(message).toMatchObject({
      ...{ status: "completed", stopReason: "budget_limit", limit: "owner_daily" },
    });
    expect(message.costNanos).toBeGreaterThan(20_000_000);
    const account = await accountFor(owner);
    const day = async () => (await account.use()).used?.day;
    await until(async () => (await day())?.heldNanos === 0, 5_000);
    expect((await day())?.spentNanos).toBe(message.costNanos);
    await limit(owner, { maxDailyNanos: 80_000_000 });
    expect(await send("hi")).toMatchObject({ stopReason: "end_turn" });
  });

  it("causes no cost if it is too small for any call, and is reported as the reason", async () => {
    const id = await claudeCode({ maxBudgetNanos: 1_000 });
    const message = await ask(id, "hi");
    expect(message).toMatchObject({ status: "completed", stopReason: "budget_limit", error: null });
    expect(await read(id)).toMatchObject({
      status: "terminated",
      terminationReason: "budget_limit",
      totalCostNanos: 0,
    });
    expect(containerOf(id).sent).toHaveLength(1);
  });

  it("for one message ends only that message", async () => {
    const id = await claudeCode({});
    const message = await ask(id, `${many(3)}\nend`, { maxBudgetNanos: 1_000 });
    expect(message.stopReason).toBe("budget_limit");
    expect(await ask(id, "hi")).toMatchObject({ stopReason: "end_turn" });
    expect(await read(id)).toMatchObject({ status: "active" });
  });

  it("is never exceeded, whatever the calls cost, and lowers their maximum output", async () => {
    const tokens = (max: number) => fc.integer({ min: 0, max });
    const usage = fc.record({
      input: tokens(40_000),
      output: tokens(20_000),
      cached: tokens(40_000),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(usage, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 5_000_000, max: 400_000_000 }),
        async (usages, maxBudgetNanos) => {
          const maxTokens: number[] = [];
          const spy = aDearModel(usages, maxTokens);
          try {
            const id = await claudeCode({ maxBudgetNanos }, { customAgents: { writer: {} } });
            const task = JSON.stringify({ subagent_type: "writer", prompt: `${many(1)}\ndone` });
            await ask(id, `/Agent ${task} & /Agent ${task}\n${many(2)}\nend`);
            const session = await read(id);
            expect(session.totalCostNanos).toBeLessThanOrEqual(maxBudgetNanos);
            const events = await eventsOf(id);
            const costs = events.map((event) =>
              "cost" in event ? Math.round(event.cost * 1e9) : 0,
            );
            expect(costs.reduce((sum, cost) => sum + cost, 0)).toBe(session.totalCostNanos);
            for (const max of maxTokens) expect(max).toBeLessThanOrEqual(16_384);
          } finally {
            spy.mockRestore();
          }
        },
      ),
      { numRuns: 15 },
    );
  }, 20_000);
});

describe("limits on turns of Claude Code", () => {
  it("end a message at config.maxTurns, and the session continues", async () => {
    const id = await claudeCode({}, { maxTurns: 2 });
    expect(await ask(id, `${many(5)}\nend`)).toMatchObject({
      status: "completed",
      stopReason: "max_turns",
      numTurns: 2,
    });
    expect(await ask(id, "hi")).toMatchObject({ stopReason: "end_turn", numTurns: 1 });
  });

  it("end the session at the session's limit", async () => {
    const id = await claudeCode({ maxTurns: 3 });
    expect(await ask(id, `${many(5)}\nend`)).toMatchObject({
      stopReason: "turn_limit",
      numTurns: 3,
    });
    expect(await read(id)).toMatchObject({ status: "terminated", terminationReason: "turn_limit" });
  });

  it("end an agent at the agent's limit", async () => {
    const id = await claudeCode({}, { customAgents: { writer: { maxTurns: 1 } } });
    const task = JSON.stringify({ subagent_type: "writer", prompt: `${many(3)}\ndone` });
    expect(await ask(id, `/Agent ${task}\nend`)).toMatchObject({
      stopReason: "end_turn",
      numTurns: 3,
    });
    const ended = (await eventsOf(id)).find(({ type }) => type === "agent.completed");
    expect(ended).toMatchObject({ stopReason: "max_turns" });
  });
});

describe("a model without a known price", () => {
  it("is refused with its name", async () => {
    const id = await claudeCode({});
    const session = sessionOf(id);
    await ask(id, "hi");
    const body = {
      model: "gpt-9",
      max_tokens: 10,
      stream: true,
      messages: [{ role: "user", content: "x" }],
    };
    const sent = { id: `msg_${"1".repeat(32)}`, prompt: "/delay 2000\nslow" };
    void session.send(ALICE, {
      ...sent,
      agent: null,
      background: false,
      maxTurns: null,
      maxBudgetNanos: null,
      onBusy: "queue",
      requestHash: "h",
    });
    await scheduler.wait(50);
    const response = await containerOf(id).program?.call(body);
    expect(response?.status).toBe(404);
    expect(await response?.text()).toContain("gpt-9");
    await session.terminate(ALICE, "over");
  });
});
