import { z } from "zod";
import { MESSAGE_STATUSES } from "../../../session/rpc";
import * as examples from "../examples";
import { asGiven, count, durationMs, instant, prompt, usd } from "./values";

// Automations and their runs.

const automation = {
  id: z.string().describe("The id of the automation, `auto_…`."),
  name: z.string().describe("Text for people."),
  session: asGiven("CreateSession").describe(
    "What each run creates, as in the request, without `env` and `mcpServers`.",
  ),
  prompt,
  cron: z.string().nullable().describe("As in the request; null if it is not used."),
  timeZone: z.string().nullable().describe("The time zone of `cron`."),
  everyMs: durationMs.nullable().describe("As in the request; null if it is not used."),
  maxConcurrentRuns: count.describe("How many of its runs may be at work at once."),
  enabled: z.boolean().describe("Whether it runs."),
  pausedBecause: z
    .string()
    .nullable()
    .describe(
      "The limit of the owner that refused a run: `too_many_sessions` or `spend_limit`. It does not run until it is enabled again. Null otherwise.",
    ),
  createdAt: instant,
  nextRunAt: instant
    .nullable()
    .describe("Null while it is not enabled, and if it only runs when it is fired."),
  lastRunAt: instant.nullable().describe("Null before the first run."),
  fireUrl: z.url().describe("Where it is fired, by a `POST` with its token or a key."),
};

export const Automation = z.object(automation).meta({
  id: "Automation",
  description: "Starts a session with a message for each of its runs.",
  examples: [examples.automation],
});

export const NewAutomation = z
  .object({
    ...automation,
    fireToken: z
      .string()
      .describe(
        "The token that fires it, `rf_…`, and does nothing else. Shown when it is made or rotated only.",
      ),
  })
  .meta({
    id: "NewAutomation",
    examples: [{ ...examples.automation, fireToken: examples.fireToken }],
  });

const runStatus = z
  .enum(["starting", "refused", "skipped", "gone", ...MESSAGE_STATUSES])
  .describe(
    "That of its message; or `starting`; `refused` or `skipped` with a `reason`; `gone` if its session was deleted while it ran.",
  );

export const AutomationRun = z
  .object({
    id: z.string(),
    sessionId: z.string().nullable().describe("The session that it started; null if none."),
    messageId: z.string().nullable().describe("The message of that session."),
    by: z.enum(["schedule", "fire"]).describe("What started it: its time, or a request."),
    status: runStatus,
    reason: z
      .string()
      .nullable()
      .describe("Why it was refused or skipped, such as `too_many_runs`; null otherwise."),
    startedAt: instant,
    endedAt: instant.nullable().describe("Null while it is at work."),
    cost: usd.describe("In dollars."),
  })
  .meta({
    id: "AutomationRun",
    description: "One run of an automation. Kept for 30 days.",
    examples: [examples.automationRun],
  });

export const FiredRun = z
  .object({
    runId: z.string(),
    sessionId: z.string().nullable().describe("The session that it started."),
    messageId: z.string().nullable().describe("The message of that session."),
    status: runStatus,
  })
  .meta({ id: "FiredRun", description: "A run that was started.", examples: [examples.firedRun] });
