import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { costOf } from "../../agent/pricing/cost";
import { NO_USAGE } from "../../agent/pricing/usage";
import { withoutPauses } from "../../testing/faults";
import { aCountAnswer, aLie, answerWith, type Lie } from "../../testing/lying-upstream";
import { summarize } from "../../testing/rows";
import {
  ALICE,
  aMessage,
  ask,
  createSession,
  eventsOf,
  lose,
  NO_LIMITS,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import { type Asked, booksOf, hello, reply, upstream } from "../../testing/upstream";
import { modelOf } from "../deployment";

const withBudget = (maxBudgetNanos: number) =>
  createSession({ limits: { ...NO_LIMITS, maxBudgetNanos } });

afterEach(() => vi.restoreAllMocks());

/** The amount that a gateway could have billed for a call whose reply used its whole bound. */
function mostBilled({ text, body }: Asked): number {
  const usage = { ...NO_USAGE, inputTokens: Math.ceil(text.length / 4) };
  return costOf(modelOf(body.model), { ...usage, outputTokens: body.max_tokens }, Date.now());
}

describe("a call that may have been billed before its stream began", () => {
  it("stays held, so that eight of them never exceed the budget", async () => {
    const maxBudgetNanos = 200_000_000;
    const id = await withBudget(maxBudgetNanos);
    const asked = upstream(() => new Response("upstream timed out", { status: 504 }));
    for (let n = 0; n < 8; n++) {
      await withoutPauses(async () => sessionOf(id).ask(ALICE, aMessage("hello")));
    }
    expect(asked.length).toBeGreaterThan(0);
    const billed = asked.reduce((sum, call) => sum + mostBilled(call), 0);
    expect(billed).toBeLessThanOrEqual(maxBudgetNanos);
    const { spentNanos, heldNanos } = await booksOf(id);
    expect(spentNanos).toBe(0);
    expect(heldNanos).toBeGreaterThanOrEqual(billed);
  });

  it("fails its message, and not its session, if another attempt does not fit into the budget", async () => {
    const id = await withBudget(200_000_000);
    upstream(() => new Response("upstream timed out", { status: 504 }));
    expect(await withoutPauses(() => ask(id, "hello"))).toMatchObject({
      status: "failed",
      stopReason: "error",
      error: { type: "upstream_error", message: expect.stringContaining("http_504") },
    });
    const patch = { maxBudgetNanos: 1_000_000_000 };
    expect(value(await sessionOf(id).update(ALICE, patch)).status).toBe("active");
    upstream(() => undefined);
    expect(await ask(id, "and now?")).toMatchObject({
      status: "completed",
      stopReason: "end_turn",
    });
  });

  it.each([400, 401, 403, 404, 413, 429, 529])(
    "is released if status %i says that it did not run",
    async (status) => {
      const id = await createSession();
      upstream((n) => (n === 0 ? new Response("no", { status }) : undefined));
      await withoutPauses(() => ask(id, "hello"));
      expect((await booksOf(id)).heldNanos).toBe(0);
    },
  );

  it.each<[string, () => Response | Promise<Response>]>([
    ...[402, 408, 409, 422, 500, 502, 503, 504].map((status): [string, () => Response] => [
      `${status}`,
      () => new Response("", { status }),
    ]),
    ["a reset", () => Promise.reject(new TypeError("connection reset"))],
    ["an HTML page", () => new Response("<html>")],
    ["an empty response", () => new Response("")],
    ["JSON that is no reply", () => Response.json({})],
    ["an error in place of a reply", () => Response.json({ type: "error", error: {} })],
  ])("stays held completely after %s, and the events state the amount", async (_, answer) => {
    const id = await createSession();
    upstream((n) => (n === 0 ? answer() : undefined));
    await withoutPauses(() => ask(id, "hello"));
    const { calls, events } = await booksOf(id);
    expect(calls[0]).toMatchObject({ cost: 0, held: calls[0]?.bound });
    const [first] = events.filter(({ held }) => held > 0);
    expect(Math.round(first.held * 1e9)).toBe(calls[0]?.bound);
  });
});

describe("a reply in plain JSON", () => {
  const usage = { input_tokens: 5_000, output_tokens: 100 };
  const plain = (content: object[], stop_reason: string) =>
    Response.json({ type: "message", role: "assistant", content, stop_reason, usage });

  it("is accepted: its tool calls run, and it is charged", async () => {
    const id = await createSession();
    const input = { command: "echo plain" };
    const calls = [{ type: "tool_use", id: "toolu_1", name: "Bash", input }];
    upstream((n) =>
      n === 0 ? plain(calls, "tool_use") : plain([{ type: "text", text: "Done." }], "end_turn"),
    );
    expect(await ask(id, "hello")).toMatchObject({
      status: "completed",
      result: "Done.",
      numTurns: 2,
      toolsUsed: ["Bash"],
      costNanos: 2 * (5_000 * 2_000 + 100 * 10_000),
    });
    const { heldNanos, events } = await booksOf(id);
    expect(heldNanos).toBe(0);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "tool.completed", content: "plain" }),
    );
  });
});

describe("a report of usage that can't be true", () => {
  it.each<[string, string, object, object]>([
    [
      "has negative counts",
      "malformed",
      {},
      { output_tokens: 5, server_tool_use: { web_search_requests: -1_000 } },
    ],
    ["is text", "malformed", { input_tokens: "7" }, { output_tokens: "8" }],
    ["is a fraction", "malformed", { input_tokens: 0.1 }, { output_tokens: 5 }],
    ["is missing", "missing", {}, {}],
    ["is less than what was sent", "too_low", { input_tokens: 1 }, { output_tokens: 5 }],
  ])(
    "because it %s is replaced by our own count, and the rest of the bound stays held",
    async (_, reason, start, delta) => {
      const id = await createSession();
      upstream(() => reply([hello], { start, delta }));
      const prompt = "word ".repeat(2_000);
      const message = await ask(id, prompt);
      expect(message).toMatchObject({ status: "completed", result: "Hello." });
      expect(message.usage.inputTokens).toBeGreaterThan(prompt.length / 4);
      expect(message.usage).toMatchObject({ outputTokens: 2, webSearchRequests: 0 });
      const { calls, events } = await booksOf(id);
      expect(calls[0]?.cost).toBeGreaterThan(0);
      expect(calls[0]?.held).toBe((calls[0]?.bound ?? 0) - (calls[0]?.cost ?? 0));
      expect(events).toContainEqual(
        expect.objectContaining({
          type: "usage.disputed",
          messageId: message.id,
          attempt: 1,
          reason,
        }),
      );
    },
  );

  it("because it is above the bound causes a charge of the bound, with an event and a log line", async () => {
    const lines: string[] = [];
    vi.spyOn(console, "log").mockImplementation((line) => lines.push(String(line)));
    const id = await withBudget(1_000_000_000);
    upstream(() => reply([hello], { delta: { output_tokens: 163_840 } }));
    const message = await ask(id, "hello");
    const { calls, events } = await booksOf(id);
    expect(calls[0]).toMatchObject({ cost: calls[0]?.bound, held: 0 });
    expect(message.costNanos).toBe(calls[0]?.bound);
    const disputed = {
      reason: "above_bound",
      reported: (5_000 * 2_000 + 163_840 * 10_000) / 1e9,
      bound: (calls[0]?.bound ?? 0) / 1e9,
      model: "claude-sonnet-5-5",
    };
    expect(events).toContainEqual(expect.objectContaining({ type: "usage.disputed", ...disputed }));
    const logged = lines.map((line) => JSON.parse(line));
    expect(logged).toContainEqual(
      expect.objectContaining({
        event: "usage.disputed",
        session: id,
        messageId: message.id,
        ...disputed,
      }),
    );
  });

  it("is not included in the owner's totals", async () => {
    const owner = `owner_${crypto.randomUUID()}`;
    const caller = { owner, admin: false };
    const reports = [
      { input_tokens: "1", output_tokens: "2" },
      { input_tokens: -1e9, output_tokens: 1e300 },
      { input_tokens: 5_000, output_tokens: 9e15 },
      { input_tokens: 5_000, output_tokens: 100, server_tool_use: { web_search_requests: "9" } },
    ];
    upstream(() => reply([hello], { start: {}, delta: reports.shift() }));
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) {
      const id = `sess_${crypto.randomUUID().replaceAll("-", "")}`;
      const spec = {
        id,
        pattern: "ephemeral",
        config: {},
        provider: "embedded",
        limits: NO_LIMITS,
        requestHash: null,
      } as const;
      const rest = { conversationId: null, tags: [], description: null, userId: null };
      value(await sessionOf(id).create(caller, { ...spec, ...rest }));
      value(await sessionOf(id).ask(caller, aMessage("hello")));
      ids.push(id);
    }
    const rows = await Promise.all(ids.map(async (id) => value(await sessionOf(id).read(caller))));
    const tokens = rows.reduce((sum, { totalTokens }) => sum + totalTokens, 0);
    const cost = rows.reduce((sum, { totalCostNanos }) => sum + totalCostNanos, 0);
    await until(async () => (await summarize(env.DB, { owner })).completedSessions === 4);
    expect(await summarize(env.DB, { owner })).toMatchObject({
      totalSessions: 4,
      totalTokens: tokens,
      totalCost: cost / 1e9,
    });
    for (const total of [tokens, cost]) expect(Number.isSafeInteger(total) && total > 0).toBe(true);
  });
});

describe("a token count that can't be true", () => {
  // Its estimated bound does not fit into the budget, so its tokens are counted.
  const long = "word ".repeat(20_000);

  it.each([
    "{}",
    '{"input_tokens":-5}',
    '{"input_tokens":"12"}',
    '{"input_tokens":1}',
    "<html>",
    "",
  ])(
    "because it is %s is ignored: our own bound applies, and the call is made",
    async (counted) => {
      const maxBudgetNanos = 350_000_000;
      const id = await withBudget(maxBudgetNanos);
      const asked = upstream(
        () => undefined,
        () => counted,
      );
      expect(await ask(id, long)).toMatchObject({ status: "completed", stopReason: "end_turn" });
      expect(asked).toHaveLength(1);
      const { calls } = await booksOf(id);
      expect(calls[0]?.bound).toBeGreaterThan(long.length * 2_500);
    },
  );

  it("does not fail a message whose prompt has no other bound", async () => {
    const id = await createSession();
    upstream(
      () => undefined,
      () => "{}",
    );
    const source = { type: "base64", media_type: "application/pdf", data: "JVBERi0=" };
    const prompt = [
      { type: "document" as const, source },
      { type: "text" as const, text: "What is it?" },
    ];
    const sent = await sessionOf(id).ask(ALICE, { ...aMessage(""), prompt });
    expect(value(sent)).toMatchObject({ status: "completed" });
    expect((await booksOf(id)).calls[0]?.bound).toBeGreaterThan(1_000_000 * 2_500);
  });

  it("fails the message, and not the session, if our own bound does not fit either", async () => {
    const id = await withBudget(100_000_000);
    const counts = ["{}"];
    const asked = upstream(
      () => undefined,
      () => counts.shift(),
    );
    expect(await ask(id, long)).toMatchObject({ status: "failed" });
    expect(asked).toEqual([]);
    expect(await ask(id, "hi")).toMatchObject({ status: "completed" });
  });
});

/** Aborts a session's object once a condition holds. Runs in the test, since an object must not abort itself. */
async function loseWhen(id: string, holds: () => boolean): Promise<void> {
  while (!holds()) await scheduler.wait(1);
  await lose(id);
}

it("totals are correct, messages end and the session continues, whatever an upstream returns", async () => {
  const scenario = fc.record({
    lies: fc.array(aLie, { minLength: 1, maxLength: 6 }),
    counts: fc.array(aCountAnswer, { maxLength: 3 }),
    budget: fc.integer({ min: 50_000_000, max: 2_000_000_000 }),
    lostAfter: fc.option(fc.nat(6), { freq: 2 }),
  });
  await withoutPauses(() =>
    fc.assert(
      fc.asyncProperty(scenario, async ({ lies, counts, budget, lostAfter }) => {
        const id = await withBudget(budget);
        const left: Lie[] = [...lies];
        const answers = [...counts];
        const asked = upstream(
          () => {
            const lie = left.shift();
            return lie && answerWith(lie);
          },
          () => answers.shift(),
        );
        let over = false;
        const losing = lostAfter !== null && loseWhen(id, () => over || asked.length > lostAfter);
        const request = aMessage("hello");
        const insist = async () => {
          for (;;) {
            const answer = await sessionOf(id)
              .ask(ALICE, request)
              .catch(() => undefined);
            if (answer) return value(answer);
            await scheduler.wait(5);
          }
        };
        const message = await insist();
        over = true;
        await losing;
        expect(message.endedAt).not.toBeNull();
        await booksOf(id);
        const events = await eventsOf(id);
        expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
        // The stored conversation must be accepted by the API.
        left.length = 0;
        answers.length = 0;
        const session = value(await sessionOf(id).read(ALICE));
        if (session.status !== "active") expect(session.terminationReason).toBe("budget_limit");
        else {
          const next = await ask(id, "and now?");
          expect(["end_turn", "budget_limit"]).toContain(next.stopReason);
        }
        await booksOf(id);
      }),
      { numRuns: 30 },
    ),
  );
}, 120_000);
