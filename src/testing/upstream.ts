import { runInDurableObject } from "cloudflare:test";
import { expect, vi } from "vitest";
import { createModel } from "../agent/model/model";
import { offlineFetch } from "../agent/offline";
import { model } from "../session/deployment";
import { SessionStore } from "../session/storage/store";
import { objectOf } from "./sessions";

/** The calls that a test's upstream received. */
export interface Asked {
  body: { model: string; max_tokens: number; messages: unknown[] };
  text: string;
}

/**
 * Replaces the Messages API: `answer` may answer each call; other calls go to the original. Restore the mocks
 * after each test.
 */
export function upstream(
  answer: (n: number, call: Asked) => Response | Promise<Response> | undefined,
  count?: () => string | undefined,
): Asked[] {
  if (!model) throw new Error("tests have a model");
  const asked: Asked[] = [];
  const offline = offlineFetch();
  const scripted = createModel({
    apiKey: "test",
    fetch: async (input, init) => {
      const request = new Request(input, init);
      if (request.url.includes("count_tokens")) {
        const counted = count?.();
        return counted === undefined ? offline(request, init) : new Response(counted);
      }
      const text = await request.clone().text();
      const call = { text, body: JSON.parse(text) };
      asked.push(call);
      return (await answer(asked.length - 1, call)) ?? offline(request, init);
    },
  });
  vi.mocked(model.call).mockRestore?.();
  vi.mocked(model.count).mockRestore?.();
  vi.spyOn(model, "call").mockImplementation(scripted.call);
  vi.spyOn(model, "count").mockImplementation(scripted.count);
  return asked;
}
const event = (type: string, fields: object = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;

/** Returns a reply with some blocks, with correct usage unless other reports are given. */
export function reply(
  blocks: { type: string; [field: string]: unknown }[],
  { start, delta }: { start?: unknown; delta?: unknown } = {},
): Response {
  const calls = blocks.some(({ type }) => type === "tool_use");
  const text = [
    event("message_start", { message: { usage: start ?? { input_tokens: 5_000 } } }),
    ...blocks.flatMap((block, index) => {
      const { input = {}, ...rest } = block;
      if (block.type !== "tool_use") {
        return [
          event("content_block_start", { index, content_block: block }),
          event("content_block_stop", { index }),
        ];
      }
      const partial_json = typeof input === "string" ? input : JSON.stringify(input);
      const piece = { type: "input_json_delta", partial_json };
      return [
        event("content_block_start", { index, content_block: { ...rest, input: {} } }),
        event("content_block_delta", { index, delta: piece }),
        event("content_block_stop", { index }),
      ];
    }),
    event("message_delta", {
      delta: { stop_reason: calls ? "tool_use" : "end_turn" },
      usage: delta ?? { output_tokens: 100 },
    }),
    event("message_stop"),
  ].join("");
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}
export const hello = { type: "text", text: "Hello." };

/** Returns the accounts of a session, after checking that its ledger, its totals and its events agree. */
export async function booksOf(id: string) {
  return runInDurableObject(objectOf(id), (_, { storage }) => {
    const { state, metadata, log } = new SessionStore(storage);
    const calls = storage.sql
      .exec<{ cost: number; held: number; bound: number }>(
        "SELECT cost_nanos AS cost, held_nanos AS held, bound_nanos AS bound FROM calls ORDER BY n",
      )
      .toArray();
    const sum = (key: "cost" | "held") => calls.reduce((total, call) => total + call[key], 0);
    const { spentNanos, heldNanos } = state.balance;
    expect({ spentNanos, heldNanos }).toEqual({ spentNanos: sum("cost"), heldNanos: sum("held") });
    for (const { cost, held, bound } of calls) {
      expect(Math.min(cost, held)).toBeGreaterThanOrEqual(0);
      expect(cost + held).toBeLessThanOrEqual(bound);
    }
    const used = Object.values(state.usage).flatMap((usage) => Object.values(usage));
    for (const total of [spentNanos, heldNanos, state.totalTokens, state.numTurns, ...used]) {
      expect(Number.isSafeInteger(total) && total >= 0).toBe(true);
    }
    const events = log.after(0, 10_000).map(({ json }) => JSON.parse(json));
    const charged = events.filter(({ cost }) => cost !== undefined);
    const nanos = (key: "cost" | "held") =>
      charged.reduce((total, shown) => total + Math.round(shown[key] * 1e9), 0);
    expect({ cost: nanos("cost"), held: nanos("held") }).toEqual({
      cost: spentNanos,
      held: heldNanos,
    });
    const { maxBudgetNanos } = metadata.limits;
    expect(spentNanos + heldNanos).toBeLessThanOrEqual(maxBudgetNanos ?? Number.MAX_SAFE_INTEGER);
    return { calls, spentNanos, heldNanos, events };
  });
}
