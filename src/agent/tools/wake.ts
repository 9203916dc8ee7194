import { z } from "zod";
import type { Tool, WakeRequest } from "../tool";
import { failed } from "./result";

const YEAR_MS = 366 * 86_400_000;

const Input = z.object({
  delayMs: z.int().min(1_000).max(YEAR_MS).optional().describe("In how many milliseconds"),
  at: z
    .string()
    .optional()
    .describe(
      "Or at which instant, with its zone: 2026-11-23T09:00:00Z, 2026-11-23T09:00:00+01:00",
    ),
  prompt: z.string().trim().min(1).max(10_000).describe("What you are to be told then"),
});

const Instant = z.iso.datetime({ offset: true });

/** Sets a wake-up of the agent. */
export const wake: Tool<z.infer<typeof Input>> = {
  name: "wake",
  // A repeated call sets the same wake-up.
  effect: "acting",
  description: `Sets a time at which you are woken with a prompt, once, also when nobody speaks to you until then.
- Use it to look at something again later, or to go on with what has to wait. Then end your turn.
- Give delayMs or at, not both: between one second and one year from now.
- The prompt is sent to you as a message. You remember this conversation, so it may be short.`,
  input: Input,

  async run({ delayMs, at, prompt }, { wake }) {
    const when = whenOf(delayMs, at);
    if (when === undefined) return failed("Give delayMs or at, not both.");
    if ("at" in when && Number.isNaN(when.at)) {
      return failed("at must be an ISO 8601 instant with its zone, like 2026-11-23T09:00:00Z.");
    }
    const outcome = await wake({ when, prompt });
    if (!outcome.ok) return failed(`No wake-up was set: ${outcome.message}`);
    return { content: `You will be woken at ${new Date(outcome.at).toISOString()}.` };
  },
};

/** Returns the requested instant or delay; undefined unless exactly one was given, and NaN for an invalid instant. */
function whenOf(delayMs?: number, at?: string): WakeRequest["when"] | undefined {
  if (delayMs === undefined) {
    if (at === undefined) return undefined;
    return { at: Instant.safeParse(at).success ? Date.parse(at) : Number.NaN };
  }
  return at === undefined ? { delayMs } : undefined;
}
