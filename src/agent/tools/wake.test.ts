import { describe, expect, it } from "vitest";
import { aContext, aFakeSandbox, textOf } from "../../testing/tool-context";
import type { WakeOutcome, WakeRequest } from "../tool";
import { runTool } from "../tools";
import { wake } from "./wake";

/** Calls the tool: what it asked its session for, and what the model reads. */
async function call(input: unknown, outcome: WakeOutcome = { ok: true, at: 0 }) {
  const asked: WakeRequest[] = [];
  const result = await runTool(
    wake,
    input,
    aContext({
      sandbox: aFakeSandbox(),
      wake: async (request) => {
        asked.push(request);
        return outcome;
      },
    }),
  );
  return { asked, isError: result.isError ?? false, text: textOf(result) };
}

describe("wake", () => {
  it("asks for a wake-up after a delay, and says when that is", async () => {
    const { asked, text } = await call({ delayMs: 5_000, prompt: " look again " });
    expect(asked).toEqual([{ when: { delayMs: 5_000 }, prompt: "look again" }]);
    expect(text).toBe("You will be woken at 1970-01-01T00:00:00.000Z.");
  });

  it("asks for one at an instant of any zone", async () => {
    const { asked } = await call({ at: "2026-11-23T09:00:00+01:00", prompt: "look" });
    expect(asked).toEqual([{ when: { at: Date.UTC(2026, 10, 23, 8) }, prompt: "look" }]);
  });

  it("says why there is none", async () => {
    const outcome = { ok: false, message: "too late" } as const;
    expect(await call({ delayMs: 1_000, prompt: "look" }, outcome)).toMatchObject({
      isError: true,
      text: "No wake-up was set: too late",
    });
  });

  it.each([
    [{ prompt: "look" }, /delayMs or at/],
    [{ delayMs: 1_000, at: "2026-11-23T09:00:00Z", prompt: "look" }, /not both/],
    [{ delayMs: 999, prompt: "look" }, /delayMs/],
    [{ delayMs: 367 * 86_400_000, prompt: "look" }, /delayMs/],
    [{ delayMs: 1.5e3 + 0.5, prompt: "look" }, /delayMs/],
    [{ delayMs: 1_000 }, /prompt/],
    [{ delayMs: 1_000, prompt: "  " }, /prompt/],
    [{ at: "tomorrow", prompt: "look" }, /ISO 8601/],
    [{ at: "2026-11-23T09:00:00", prompt: "look" }, /with its zone/],
    [{ at: "2026-11-23", prompt: "look" }, /ISO 8601/],
  ])("refuses %j", async (input, message) => {
    const { asked, isError, text } = await call(input);
    expect({ asked, isError }).toEqual({ asked: [], isError: true });
    expect(text).toMatch(message);
  });
});
