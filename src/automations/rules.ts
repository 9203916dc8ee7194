import type { Prompt } from "../events/event";
import { nextRun, type When } from "../session/rules/schedule-times";

// When automations run, and what they send. Times are in ms since 1970.

/** How long runs are kept, in ms. */
export const RUNS_KEPT_MS = 30 * 24 * 3_600_000;
/** The first pause before a run at work is asked how it is, and the longest, in ms: each is twice the one before. */
const FIRST_LOOK_MS = 5_000;
const MAX_LOOK_MS = 600_000;
/** A clock that is this far behind the time of the last plan was set back, in ms. */
const SET_BACK_MS = 60_000;

/** When the next run is due, and when that was planned. */
export interface Plan {
  plannedAt: number;
  nextRunAt: number | null;
}

/** Returns the plan from now on. Runs that were missed are not made up for. */
export const planFrom = (when: When | null, enabled: boolean, now: number): Plan => ({
  plannedAt: now,
  nextRunAt: when && enabled ? nextRun(when, now) : null,
});

/** Returns the plan, or another one if the clock was set back: otherwise nothing would run until it is as late again. */
export const checkedPlan = (plan: Plan, when: When | null, enabled: boolean, now: number): Plan =>
  plan.plannedAt > now + SET_BACK_MS ? planFrom(when, enabled, now) : plan;

export const isDue = ({ nextRunAt }: Plan, now: number): boolean =>
  nextRunAt !== null && nextRunAt <= now;

/** Returns how long to wait before a run at work is asked again, after so many times. */
export const lookPauseMs = (looks: number): number =>
  Math.min(FIRST_LOOK_MS * 2 ** looks, MAX_LOOK_MS);

/** Returns the prompt of a run, with the input that it was fired with. */
export function promptWith(prompt: Prompt, input: string | null): Prompt {
  if (input === null || input === "") return prompt;
  return typeof prompt === "string"
    ? `${prompt}\n\n${input}`
    : [...prompt, { type: "text", text: input }];
}

/** The refusals of a session after which an automation pauses: it would be refused again. */
export const PAUSES: ReadonlySet<string> = new Set(["too_many_sessions", "spend_limit"]);
