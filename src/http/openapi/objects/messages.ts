import { z } from "zod";
import { PAUSE_LIMITS } from "../../../db/schema";
import { APPROVAL_STATUSES, MESSAGE_STATUSES } from "../../../session/rpc";
import * as examples from "../examples";
import { count, durationMs, instant, PublicError, prompt, stopReason, Usage, usd } from "./values";

// Messages, what they wait for, and what sends them.

const WaitingFor = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("approval"),
      approvalIds: z.array(z.string()).describe("The approvals that are pending."),
      toolUseIds: z
        .array(z.string())
        .optional()
        .describe("Calls that wait for their results meanwhile, if there are any."),
    }),
    z.object({
      type: z.literal("toolResult"),
      toolUseIds: z.array(z.string()).describe("The calls whose results are to be given."),
    }),
    z.object({
      type: z.literal("limit"),
      limit: z
        .enum([...PAUSE_LIMITS, "owner_running_messages"])
        .describe(
          "`budget`, `turns` and `lifetime`: the session is paused until somebody raises this limit. `owner_running_messages`: it may go on as soon as another message of its owner ends.",
        ),
    }),
  ])
  .meta({
    id: "WaitingFor",
    description:
      "What a message waits for: decisions about calls, results of calls, or a limit to be raised.",
  });

export const Message = z
  .object({
    messageId: z.string().describe("The id of the message, `msg_…`."),
    sessionId: z
      .string()
      .describe(
        "The id of the session that it was sent to; for a copied message, an earlier session.",
      ),
    prompt,
    agent: z.string().nullable().describe("The agent that answers; null is the main agent."),
    status: z
      .enum(MESSAGE_STATUSES)
      .describe(
        "The last four are final. `queued`: another message runs first. `waiting`: nothing of it can go on without somebody, see `waitingFor`. `joined`: its prompt has joined another message, see `joinedMessageId`.",
      ),
    waitingFor: WaitingFor.nullable().describe(
      "What it waits for while it is `waiting`; null otherwise.",
    ),
    joinedMessageId: z
      .string()
      .nullable()
      .describe("The message that its prompt has joined, if it is `joined`; null otherwise."),
    stopReason: stopReason
      .nullable()
      .describe("Null until it has ended, and if its prompt has joined another message."),
    limit: z
      .enum(["user_daily", "owner_daily", "owner_monthly"])
      .nullable()
      .describe("The limit over many sessions that ended it with `budget_limit`; null otherwise."),
    result: z
      .string()
      .nullable()
      .describe("The latest text of the agent, complete or partial; null if there is none."),
    output: z
      .unknown()
      .describe(
        "The structured result, if the session has a `config.outputSchema`; null otherwise.",
      ),
    error: PublicError.nullable().describe("For a failed message."),
    cost: usd.describe("In dollars, of this message only, as the next four."),
    tokens: count.describe("Tokens of all kinds."),
    usage: Usage,
    numTurns: count.describe("Replies of the model with their tool calls, of all agents."),
    toolsUsed: z.array(z.string()).describe("The names of the tools that were called."),
    durationMs: durationMs.nullable().describe("From `startedAt` to `endedAt`."),
    createdAt: instant.describe("When it was accepted."),
    startedAt: instant.nullable().describe("Null while it is `queued`."),
    endedAt: instant.nullable().describe("Null until it has ended."),
    steerId: z
      .string()
      .exactOptional()
      .describe(
        "Only in the answer to a message with `onBusy: steer` whose prompt joins this message: the id of that message.",
      ),
  })
  .meta({
    id: "Message",
    description:
      "One request of a client and all work that answers it. It may have several turns: replies of the model with their tool calls.",
    examples: [examples.message],
  });

export const Approval = z
  .object({
    id: z.string().describe("The id of the approval, `appr_…`."),
    sessionId: z.string().describe("The `id` of its session."),
    messageId: z.string().describe("The message that waits for it."),
    toolUseId: z.string().describe("The tool call."),
    agent: z.string().describe("The agent that makes the call; `main` is the main agent."),
    name: z.string().describe("The tool."),
    input: z.unknown().describe("The input that the model gave."),
    changedInput: z
      .unknown()
      .describe("The input that the call was made with instead; null if it was not changed."),
    status: z
      .enum(APPROVAL_STATUSES)
      .describe(
        "`expired`: `config.approvalTimeoutMs` has passed. `cancelled`: the call has ended otherwise, by an interrupt for example.",
      ),
    requestedAt: instant.describe("Since when it waits."),
    expiresAt: instant.nullable().describe("Null: it waits until somebody decides."),
    resolvedAt: instant.nullable().describe("Null while it is `pending`."),
    resolvedBy: z
      .object({ owner: z.string(), via: z.string(), keyId: z.string().nullable() })
      .nullable()
      .describe("Who decided, as `GET /api/me` tells it."),
    note: z.string().nullable().describe("What the model reads with the decision."),
    remember: z
      .literal("session")
      .nullable()
      .describe(
        "`session`: the same call is decided in the same way from now on. Null: it is asked for again.",
      ),
  })
  .meta({
    id: "Approval",
    description: "A tool call that waits, or has waited, for a decision.",
    examples: [examples.approval],
  });

export const ToolRequest = z
  .object({
    toolUseId: z.string().describe("The call. Its result is given with this id."),
    sessionId: z.string().describe("The `id` of its session."),
    messageId: z.string().describe("The message that waits for it."),
    agent: z.string().describe("The agent that makes the call; `main` is the main agent."),
    name: z.string().describe("The tool, one of `config.clientTools`."),
    input: z.unknown().describe("The input. It matches the tool's `inputSchema`."),
    requestedAt: instant.describe("Since when it waits."),
    expiresAt: instant.nullable().describe("Null: it waits until its result is given."),
  })
  .meta({
    id: "ToolRequest",
    description: "A call of a client tool that waits for its result.",
    examples: [examples.toolRequest],
  });

export const TakenResults = z
  .object({
    taken: z
      .array(z.string())
      .describe("The calls of the request, in its order. They have their results."),
    awaited: z
      .array(z.string())
      .describe("The calls of the session that still wait for their results."),
  })
  .meta({
    id: "TakenResults",
    description: "Which calls have their results, and which do not, by their `toolUseId`.",
    examples: [{ taken: ["toolu_01"], awaited: ["toolu_02"] }],
  });

export const Schedule = z
  .object({
    id: z.string().describe("The id of the schedule, `sched_…`."),
    cron: z.string().nullable().describe("As in the request; null if it is not used."),
    timeZone: z.string().nullable().describe("The time zone of `cron`."),
    everyMs: durationMs.nullable().describe("As in the request; null if it is not used."),
    at: instant.nullable().describe("When a wake-up runs, once; null for a schedule."),
    prompt,
    paused: z.boolean().describe("Whether it sends nothing, until it is resumed."),
    nextRunAt: instant
      .nullable()
      .describe(
        "Null while it is paused, and once the session has ended. In the past: the run is due.",
      ),
    lastRunAt: instant.nullable().describe("When it sent its last message; null before the first."),
    lastMessageId: z
      .string()
      .nullable()
      .describe("The message of its last run; null before the first."),
    createdAt: instant,
  })
  .meta({
    id: "Schedule",
    description:
      "Sends the session a prompt at set times. A wake-up of the agent is one that runs once. The event `message.received` of each run has its id as `scheduleId`.",
    examples: [examples.schedule],
  });
