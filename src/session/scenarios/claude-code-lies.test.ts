import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { plantPrograms } from "../../testing/fake-claude-code";
import { withoutPauses } from "../../testing/faults";
import { aCountAnswer, aLie, answerWith } from "../../testing/lying-upstream";
import { ALICE, ask, createSession, eventsOf, sessionOf, value } from "../../testing/sessions";
import { booksOf, hello, reply } from "../../testing/upstream";
import { upstream } from "../deployment";

// The model calls of a Claude Code process must follow the same rules as those of the loop.

let uproot = () => {};
beforeAll(() => {
  uproot = plantPrograms();
});
afterAll(() => uproot());
let restore = () => {};
afterEach(() => restore());

/** Replaces the model's API by `answer`. Requests that `answer` does not handle go to the API. */
function answering(
  answer: (n: number) => Response | Promise<Response> | undefined,
  count?: () => string | undefined,
): void {
  restore();
  if (!upstream) throw new Error("there is no model");
  const well = upstream.fetch;
  let n = 0;
  const spy = vi.spyOn(upstream, "fetch").mockImplementation(async (input, init) => {
    if (!String(input).includes("count_tokens")) return (await answer(n++)) ?? well(input, init);
    const counted = count?.();
    return counted === undefined ? well(input, init) : new Response(counted);
  });
  restore = () => spy.mockRestore();
}

const limited = (maxBudgetNanos: number | null) =>
  createSession({
    config: { runtime: "claude-code" },
    limits: { maxIdleTimeMs: null, maxLifetimeMs: null, maxBudgetNanos, maxTurns: null },
  });

describe("an upstream of Claude Code that misreports", () => {
  it.each([408, 500, 502, 504])(
    "with status %i before its stream leaves the call's bound held",
    async (status) => {
      const id = await limited(null);
      answering((n) => (n === 0 ? new Response("", { status }) : undefined));
      await withoutPauses(() => ask(id, "hi"));
      const { calls } = await booksOf(id);
      expect(calls[0]).toMatchObject({ cost: 0, held: calls[0]?.bound });
    },
  );

  it("with a reply in plain JSON is accepted and charged", async () => {
    const id = await limited(null);
    const usage = { input_tokens: 5_000, output_tokens: 100 };
    const content = [{ type: "text", text: "Plainly." }];
    answering(() => Response.json({ type: "message", content, stop_reason: "end_turn", usage }));
    expect(await ask(id, "hi")).toMatchObject({
      status: "completed",
      result: "Plainly.",
      costNanos: 5_000 * 2_000 + 100 * 10_000,
    });
    expect((await booksOf(id)).heldNanos).toBe(0);
  });

  it.each<[string, unknown]>([
    ["malformed", { output_tokens: "7" }],
    ["malformed", { output_tokens: 7, server_tool_use: { web_search_requests: -1_000 } }],
    ["above_bound", { output_tokens: 900_000 }],
  ])(
    "with a usage report that is %s causes a charge of our own count, or of the bound",
    async (reason, delta) => {
      const id = await limited(null);
      answering(() => reply([hello], { delta }));
      await ask(id, "hi");
      const { calls, events } = await booksOf(id);
      const [{ bound = 0, cost = 0, held = 0 } = {}] = calls;
      expect(cost + held).toBe(bound);
      expect(held > 0).toBe(reason === "malformed");
      expect(events).toContainEqual(expect.objectContaining({ type: "usage.disputed", reason }));
    },
  );

  it("with repeated tool call ids runs each call, and journals its own result", async () => {
    const id = await limited(null);
    const call = (command: string) => {
      return { type: "tool_use", id: "toolu_1", name: "Bash", input: { command } };
    };
    const turns = [[call("echo one"), call("echo two")], [call("echo three")]];
    answering(() => reply(turns.shift() ?? [hello]));
    expect(await ask(id, "hi")).toMatchObject({ status: "completed", numTurns: 3 });
    const made = (await eventsOf(id)).flatMap((event) =>
      event.type === "tool.completed" ? [event.content] : [],
    );
    expect(made.toSorted()).toEqual(["one", "three", "two"]);
  });

  it("ends the message if no call can be bounded any more, and causes no endless retries", async () => {
    const id = await limited(200_000_000);
    answering(
      () => new Response("", { status: 500 }),
      () => "{}",
    );
    expect(await withoutPauses(() => ask(id, "hi"))).toMatchObject({
      status: "failed",
      error: { type: "upstream_error" },
    });
  });

  it("leaves correct totals, ended messages and a working session, whatever it returns", async () => {
    const scenario = fc.record({
      lies: fc.array(aLie, { minLength: 1, maxLength: 5 }),
      counts: fc.array(aCountAnswer, { maxLength: 3 }),
      budget: fc.integer({ min: 50_000_000, max: 2_000_000_000 }),
    });
    await withoutPauses(() =>
      fc.assert(
        fc.asyncProperty(scenario, async ({ lies, counts, budget }) => {
          const id = await limited(budget);
          const left = [...lies];
          answering(
            () => {
              const lie = left.shift();
              return lie && answerWith(lie);
            },
            () => counts.shift(),
          );
          const message = await ask(id, "hello");
          expect(message.endedAt).not.toBeNull();
          restore();
          await booksOf(id);
          const session = value(await sessionOf(id).read(ALICE));
          if (session.status !== "active") expect(session.terminationReason).toBe("budget_limit");
          else expect((await ask(id, "and now?")).endedAt).not.toBeNull();
          await booksOf(id);
        }),
        { numRuns: 12 },
      ),
    );
  }, 120_000);
});
