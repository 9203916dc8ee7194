import { z } from "zod";
import { ON_LIMIT, PATTERNS, PAUSE_LIMITS, STATUSES } from "../../../db/schema";
import * as examples from "../examples";
import { asGiven, count, durationMs, instant, Usage, usd } from "./values";

// Sessions, and what is kept, shared and grouped of them.

const usageOfModel = Usage.extend({ cost: usd.describe("In dollars.") }).meta({ id: "ModelUsage" });

const sandbox = z
  .object({
    provider: z
      .string()
      .describe("Where the sandbox comes from, such as `embedded` or `cloudflare`."),
    id: z.string(),
    state: z
      .enum(["none", "starting", "ready", "saving", "suspended", "lost"])
      .describe(
        "The embedded sandbox is `ready` while the session is `active`, and `suspended` otherwise. Of a container, `none`: there is no container and no saved workspace; `suspended`: the workspace is saved and the container is gone; `lost`: the container and its files are lost.",
      ),
    saveFailed: z
      .object({
        since: instant.describe("When the first attempt failed."),
        message: z.string().describe("Why the last one failed."),
      })
      .exactOptional()
      .describe("Present while the workspace of a container can't be saved."),
  })
  .meta({ id: "Sandbox", description: "Where the session's commands run." });

const onLimit = z
  .enum(ON_LIMIT)
  .describe("What happens when the budget, the turns or the lifetime is used up.");

export const Session = z
  .object({
    id: z.string().describe("The id of the session, `sess_…`."),
    sessionId: z
      .string()
      .describe(
        "The id of the agent's conversation history. A resumed session has that of its source.",
      ),
    pattern: z.enum(PATTERNS).describe("As in the request."),
    status: z
      .enum(STATUSES)
      .describe(
        "The last three are final. `idle` sessions sleep, and the next message wakes them. With the embedded sandbox, a session is `active` from its creation; with a container, when the container is ready or a message starts, whichever is first.",
      ),
    terminationReason: z
      .string()
      .nullable()
      .describe(
        "Why it was terminated: `idle_timeout`, `lifetime_limit`, `budget_limit`, `turn_limit`, `approval_timeout`, `deleted`, or the `reason` that a caller gave. Null for any other session.",
      ),
    error: z
      .object({ type: z.string(), message: z.string() })
      .loose()
      .nullable()
      .describe("For a session in `error`: the same as in the message that failed."),
    conversationId: z
      .int()
      .nullable()
      .describe("Your number for the conversation that it belongs to."),
    config: asGiven("Config").describe(
      "As in the request, without nulls, `env`, `mcpServers` and `forkSession`. In lists, a value of more than 300 characters of JSON is null.",
    ),
    createdAt: instant,
    startedAt: instant.nullable().describe("Null until the session is `active`."),
    lastActivityAt: instant.describe(
      "When a message started or ended last, or a schedule was created, changed or deleted.",
    ),
    completedAt: instant.nullable().describe("When it ended as `completed` or `error`."),
    terminatedAt: instant.nullable().describe("When it was terminated."),
    updatedAt: instant.describe("When it changed last."),
    expiresAt: instant.nullable().describe("The next deadline; null if there is none."),
    expiresBecause: z
      .enum(["idle_timeout", "lifetime_limit", "cleanup", "retention"])
      .nullable()
      .describe(
        "What happens then. `cleanup`: an ended ephemeral session is removed. `retention`: an ended session is deleted.",
      ),
    totalCost: usd.describe("In dollars, failed attempts included."),
    totalTokens: count.describe("Tokens of all kinds, of all messages."),
    numMessages: count.describe(
      "Messages that were accepted, queued ones included; those of the session that it began from are not.",
    ),
    numTurns: count.describe("Turns of all messages, without failed attempts."),
    toolsUsed: z.array(z.string()).describe("The names of the tools that were called."),
    usage: Usage.extend({
      byModel: z
        .record(z.string(), usageOfModel)
        .describe("The usage of each model that ran, by its name."),
    }).meta({ id: "SessionUsage", description: "The sums of tokens over all models." }),
    maxIdleTimeMs: durationMs
      .nullable()
      .describe("The limit in force, without activity. Null means no limit."),
    maxLifetimeMs: durationMs.nullable().describe("From the creation. Null means no limit."),
    maxBudgetUsd: usd.nullable().describe("In dollars. Null means no limit."),
    maxTurns: count.nullable().describe("Null means no limit."),
    onLimit,
    pausedBecause: z
      .enum(PAUSE_LIMITS)
      .nullable()
      .describe("The limit at which the session is paused; null while it is not."),
    pendingApprovals: count.describe("The number of calls that wait for a decision."),
    pendingToolRequests: count.describe(
      "The number of calls of client tools that wait for their results.",
    ),
    sandbox,
    tags: z.array(z.string()).describe("As in the request, each once."),
    description: z.string().nullable().describe("As in the request."),
    userId: z.string().nullable().describe("The id of a user of your app."),
  })
  .meta({
    id: "Session",
    description:
      "An agent with its conversation, its workspace and its limits. A share link shows it without `systemPrompt`.",
    examples: [examples.session],
  });

export const SessionMcpServer = z
  .object({
    name: z.string().describe("Its name in `config.mcpServers`."),
    origin: z.string().describe("The origin of its URL. The rest may be secret."),
    authorization: z
      .enum(["none", "headers", "oauth"])
      .describe("What requests to it are authorized by."),
    tools: z
      .array(
        z.object({
          name: z.string().describe("The name by which agents call it."),
          description: z.string(),
        }),
      )
      .describe("The tools that it offers, as they were listed last."),
    leftOut: z
      .array(z.object({ name: z.string(), reason: z.string() }))
      .describe("Its tools that the model's API would not accept, and why."),
    listedAt: instant
      .nullable()
      .describe("When the tools were listed; null before the first message."),
    error: z
      .string()
      .nullable()
      .describe(
        "Why they could not be listed the last time, or that its access has ended; otherwise null.",
      ),
  })
  .meta({
    id: "SessionMcpServer",
    description: "An MCP server whose tools the agents of a session use.",
    examples: [examples.mcpServer],
  });

export const Snapshot = z
  .object({
    id: z.string().describe("The id of the snapshot, `snap_…`."),
    sessionId: z.string().describe("The `id` of its session."),
    createdAt: instant,
    expiresAt: instant.describe("30 days after its creation."),
    sizeBytes: count.describe("The size of the transcript and the files together."),
    numMessages: count.describe("The number of messages in its transcript."),
  })
  .meta({
    id: "Snapshot",
    description: "The transcript and the workspace of a session at one moment.",
    examples: [examples.snapshot],
  });

const share = {
  id: z.string().describe("The id of the share link, `share_…`."),
  access: z
    .enum(["read", "write"])
    .describe(
      "`read`: the session, its messages, events and files. `write`: also to send messages and interrupt them.",
    ),
  description: z.string().nullable().describe("As in the request."),
  createdAt: instant,
  expiresAt: instant.describe("From when on it is refused."),
};

export const Share = z.object(share).meta({
  id: "Share",
  description: "Gives whoever has its token access to one session.",
  examples: [examples.share],
});

export const NewShare = z
  .object({
    ...share,
    token: z
      .string()
      .describe(
        "The token, `rs_…`, for `Authorization: Bearer`, or `?token=` of a `GET`. Shown here only.",
      ),
    url: z
      .url()
      .describe(
        "Opens the session in the dashboard, with the token in the fragment. Shown here only.",
      ),
  })
  .meta({ id: "NewShare", examples: [examples.newShare] });

export const Conversation = z
  .object({
    id: z.int().describe("Your number."),
    createdAt: instant.describe("When its first session was created."),
    lastActivityAt: instant.describe("The latest activity in any of its sessions."),
    sessionCount: count.describe("Removed and deleted sessions included, as in the next two."),
    totalCost: usd.describe("In dollars."),
    totalTokens: count.describe("Tokens of all kinds."),
    sessions: z.array(Session).describe("Those that still exist, newest first."),
    pageSize: count.describe("The most sessions of this page."),
    nextCursor: z
      .string()
      .nullable()
      .describe("Pass it as `cursor` for the next page; null on the last one."),
  })
  .meta({
    id: "Conversation",
    description: "The sessions with the same `conversationId`.",
    examples: [examples.conversation],
  });
