import { z } from "zod";
import * as examples from "../examples";
import { count, instant, usd } from "./values";

// What is summed over sessions, and what the deployment keeps ready.

const spent = z.object({
  spentUsd: usd.describe("Dollars that were spent."),
  heldUsd: usd.describe("Dollars that sessions may still spend, or may have been billed."),
  maxUsd: usd.nullable().describe("The limit; null if there is none."),
  resetsAt: instant.nullable().describe("When the next day or month begins, in UTC."),
});

export const UsageReport = z
  .object({
    now: z
      .object({
        activeSessions: count.describe("Sessions that have not ended."),
        runningMessages: count
          .nullable()
          .describe("Messages that run; null for an owner without limits, and for all owners."),
        day: spent.describe("In this day, in UTC."),
        month: spent.describe("In this month, in UTC."),
      })
      .describe("What is used now, of the owner; of all owners for an admin who names none."),
    rows: z
      .array(
        z.object({
          day: z.string().exactOptional().describe("A date in UTC."),
          owner: z.string().exactOptional(),
          userId: z
            .string()
            .exactOptional()
            .describe("For the group `user`: what the session had then."),
          model: z.string().exactOptional().describe("The model that ran."),
          pattern: z.string().exactOptional(),
          tag: z
            .string()
            .exactOptional()
            .describe("A session counts for each tag that it had then."),
          cost: usd.describe("In dollars."),
          tokens: count.describe("Tokens of all kinds."),
          inputTokens: count,
          outputTokens: count,
          cacheReadTokens: count,
          cacheWriteTokens: count,
          webSearchRequests: count,
        }),
      )
      .describe(
        "One row for each group, with the fields of `groupBy`; 10,000 rows at most. Deleted sessions are included.",
      ),
  })
  .meta({
    id: "UsageReport",
    description: "What is used now, and sums of what was used.",
    examples: [examples.usageReport],
  });

const averages = z.object({
  count: count.describe("The number of sessions."),
  failed: count.describe("Those of them with the status `error`."),
  avgCost: usd.describe("In dollars; 0 over no sessions, as the others."),
  avgTokens: z.number().min(0),
  avgMessages: z.number().min(0),
  avgDuration: z
    .number()
    .min(0)
    .describe("In ms from `startedAt` to the end, over ended sessions."),
});

export const Summary = z
  .object({
    totalSessions: count,
    activeSessions: count,
    completedSessions: count,
    errorSessions: count,
    terminatedSessions: count,
    totalCost: usd.describe("In dollars."),
    totalTokens: count.describe("Tokens of all kinds."),
    totalMessages: count.describe("Messages that were accepted."),
    avgSessionDuration: z
      .number()
      .min(0)
      .describe("In ms from `startedAt` to the end, over ended sessions; 0 over none."),
    byPattern: z.object({
      ephemeral: averages,
      "long-running": averages,
      hybrid: averages,
      "single-container": averages,
    }),
    byStatus: z.object({
      initializing: count,
      active: count,
      idle: count,
      completed: count,
      error: count,
      terminated: count,
    }),
    byDay: z
      .array(
        z.object({
          day: z.iso.date(),
          sessions: count.describe("Created on this day, in UTC."),
          failed: count.describe("Those of them with the status `error`."),
          terminated: count,
          cost: usd,
          tokens: count,
          messages: count.describe("Messages of these sessions, also of later days."),
          avgDuration: z.number().min(0),
        }),
      )
      .optional()
      .describe("With `groupBy=day`: the days on which sessions were created, oldest first."),
  })
  .meta({
    id: "Summary",
    description: "Sums and averages over sessions, removed and deleted ones included.",
    examples: [examples.summary],
  });

export const Pool = z
  .object({
    target: count.describe("How many the pool keeps started."),
    ready: count.describe("Containers that can be handed out."),
    starting: count.describe("Containers that start."),
    leaving: count.describe("Containers that are being destroyed."),
    handedOut: count.describe("Sessions that received a ready container."),
    missed: count.describe("Sessions that found none."),
    breaker: z.object({
      state: z
        .string()
        .describe(
          "While it is `open`, because the last starts failed, no container starts until `retryAt`.",
        ),
      failures: count.describe("Starts in a row that failed."),
      retryAt: instant.nullable().describe("Null unless it is `open`."),
    }),
  })
  .meta({
    id: "Pool",
    description: "The pool of started containers.",
    examples: [examples.pool],
  });
