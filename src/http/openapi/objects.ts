import { z } from "zod";
import { AUDITED } from "../../account/audit";
import { SCOPES } from "../../account/scopes";
import { ON_LIMIT, PATTERNS, PAUSE_LIMITS, STATUSES } from "../../db/schema";
import { type Prompt, STOP_REASONS } from "../../events/event";
import { APPROVAL_STATUSES, MESSAGE_STATUSES } from "../../session/rpc";
import { DELIVERY_STATES } from "../../webhooks/rpc";
import * as examples from "./examples";

// What the API answers with. The Worker imports only the types: views.ts is held to them.

/** An ISO 8601 instant in UTC. */
export const instant = z.string().meta({ format: "date-time" });
const count = z.int().min(0);
const usd = z.number().min(0);
const durationMs = z.int().min(0);

/** Text, or content blocks of the Messages API: as in the request. */
export const prompt = z
  .custom<Prompt>()
  .meta({ override: { $ref: "#/components/schemas/Prompt" } }) as z.ZodType<Prompt>;

/** A value that was given in a request, with the schema of that request. */
const asGiven = (name: string) =>
  z.record(z.string(), z.unknown()).meta({ override: { $ref: `#/components/schemas/${name}` } });

export const Usage = z
  .object({
    inputTokens: count.describe("Tokens of the prompt that the cache did not have."),
    outputTokens: count.describe("Tokens of the reply, thinking included."),
    cacheReadTokens: count.describe("Tokens of the prompt that were read from the cache."),
    cacheWriteTokens: count.describe("Tokens of the prompt that were written to the cache."),
    webSearchRequests: count.describe("Searches of the web."),
  })
  .meta({
    id: "Usage",
    description: "Token counts. The prompt has input + cache read + cache write tokens.",
  });

export const PublicError = z
  .object({
    type: z.string().describe("As `error.type` of an error response."),
    message: z.string(),
    upstreamRequestId: z
      .string()
      .exactOptional()
      .describe("The request id of the Messages API, if it gave one."),
    reason: z
      .enum(["output_mismatch", "crash_loop"])
      .exactOptional()
      .describe(
        "`output_mismatch`: the reply does not match `config.outputSchema`. `crash_loop`: restarts interrupted the message too often at the same step.",
      ),
  })
  .meta({ id: "Failure", description: "Why a message or a session failed." });

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
        "`none`: no container and no saved workspace. `suspended`: the workspace is saved and the container is gone. `lost`: the container and its files are lost.",
      ),
    saveFailed: z
      .object({ since: instant, message: z.string() })
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
    pattern: z.enum(PATTERNS).describe("How the session is hosted."),
    status: z
      .enum(STATUSES)
      .describe(
        "The last three are final. `idle` sessions sleep, and the next message wakes them.",
      ),
    terminationReason: z
      .string()
      .nullable()
      .describe(
        "Why it was terminated: `idle_timeout`, `lifetime_limit`, `budget_limit`, `turn_limit`, `approval_timeout`, `deleted`, or the `reason` that a caller gave.",
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
      "As in the request, without nulls, `env` and `forkSession`. In lists, a value of more than 300 characters of JSON is null.",
    ),
    createdAt: instant,
    startedAt: instant.nullable().describe("Null until the session is `active`."),
    lastActivityAt: instant.describe(
      "When a message started or ended last, or a schedule was created, changed or deleted.",
    ),
    completedAt: instant.nullable().describe("When it ended as `completed` or `error`."),
    terminatedAt: instant.nullable().describe("When it was terminated."),
    updatedAt: instant,
    expiresAt: instant.nullable().describe("The next deadline; null if there is none."),
    expiresBecause: z
      .enum(["idle_timeout", "lifetime_limit", "cleanup", "retention"])
      .nullable()
      .describe("What happens then. `cleanup`: an ended ephemeral session is removed."),
    totalCost: usd.describe("In dollars, failed attempts included."),
    totalTokens: count,
    numTurns: count.describe("Turns of all messages, without failed attempts."),
    toolsUsed: z.array(z.string()),
    usage: Usage.extend({
      byModel: z
        .record(z.string(), usageOfModel)
        .describe("The usage of each model that ran, by its name."),
    }).meta({ id: "SessionUsage", description: "The sums of tokens over all models." }),
    maxIdleTimeMs: durationMs.nullable().describe("Null means no limit."),
    maxLifetimeMs: durationMs.nullable().describe("From the creation. Null means no limit."),
    maxBudgetUsd: usd.nullable().describe("Null means no limit."),
    maxTurns: count.nullable().describe("Null means no limit."),
    onLimit,
    pausedBecause: z
      .enum(PAUSE_LIMITS)
      .nullable()
      .describe("The limit at which the session is paused; null while it is not."),
    pendingApprovals: count.describe("The number of calls that wait for a decision."),
    sandbox,
    tags: z.array(z.string()),
    description: z.string().nullable(),
    userId: z.string().nullable().describe("The id of a user of your app."),
  })
  .meta({
    id: "Session",
    description:
      "An agent with its conversation, its workspace and its limits. A share link shows it without `systemPrompt`.",
    examples: [examples.session],
  });

const WaitingFor = z
  .discriminatedUnion("type", [
    z.object({ type: z.literal("approval"), approvalIds: z.array(z.string()) }),
    z.object({
      type: z.literal("limit"),
      limit: z
        .enum([...PAUSE_LIMITS, "owner_running_messages"])
        .describe(
          "`owner_running_messages`: it may go on as soon as another message of its owner ends.",
        ),
    }),
  ])
  .meta({
    id: "WaitingFor",
    description: "What a message waits for: decisions about calls, or a limit to be raised.",
  });

export const stopReason = z.enum(STOP_REASONS).meta({
  id: "StopReason",
  description: [
    "Why a message ended. `end_turn`: the agent finished. `max_tokens`: a reply reached its maximum length. `max_turns`: `maxTurns` of the message or the config was reached.",
    "`budget_limit`: the budget of the message or the session, or the money of a day or month (see `limit`) is used up. `turn_limit`, `lifetime_limit`: those of the session are.",
    "`interrupted`: a caller stopped it. `terminated`: the session ended. `refusal`: the model refused. `error`: see `error`.",
  ].join(" "),
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
    status: z.enum(MESSAGE_STATUSES).describe("The last three are final."),
    waitingFor: WaitingFor.nullable().describe(
      "What it waits for while it is `waiting`; null otherwise.",
    ),
    stopReason: stopReason.nullable().describe("Null until it has ended."),
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
    cost: usd.describe("In dollars, of this message only."),
    tokens: count,
    usage: Usage,
    numTurns: count,
    toolsUsed: z.array(z.string()),
    durationMs: durationMs.nullable().describe("From `startedAt` to `endedAt`."),
    createdAt: instant,
    startedAt: instant.nullable(),
    endedAt: instant.nullable(),
  })
  .meta({
    id: "Message",
    description: "One request of a client and all work that answers it.",
    examples: [examples.message],
  });

export const Approval = z
  .object({
    id: z.string().describe("The id of the approval, `appr_…`."),
    sessionId: z.string(),
    messageId: z.string(),
    toolUseId: z.string(),
    agent: z.string().describe("The agent that makes the call; `main` is the main agent."),
    name: z.string().describe("The tool."),
    input: z.unknown().describe("The input that the model gave."),
    changedInput: z
      .unknown()
      .describe("The input that the call was made with instead; null if it was not changed."),
    status: z
      .enum(APPROVAL_STATUSES)
      .describe("`cancelled`: the call has ended without a decision, by an interrupt for example."),
    requestedAt: instant,
    expiresAt: instant.nullable().describe("Null: it waits until somebody decides."),
    resolvedAt: instant.nullable(),
    resolvedBy: z
      .object({ owner: z.string(), via: z.string(), keyId: z.string().nullable() })
      .nullable()
      .describe("Who decided, as `GET /api/me` tells it."),
    note: z.string().nullable().describe("What the model reads with the decision."),
    remember: z
      .literal("session")
      .nullable()
      .describe("Whether the same call is decided in the same way from now on."),
  })
  .meta({
    id: "Approval",
    description: "A tool call that waits, or has waited, for a decision.",
    examples: [examples.approval],
  });

export const Schedule = z
  .object({
    id: z.string().describe("The id of the schedule, `sched_…`."),
    cron: z.string().nullable(),
    timeZone: z.string().nullable().describe("The time zone of `cron`."),
    everyMs: durationMs.nullable(),
    at: instant.nullable().describe("When a wake-up runs, once; null for a schedule."),
    prompt,
    paused: z.boolean(),
    nextRunAt: instant
      .nullable()
      .describe(
        "Null while it is paused, and once the session has ended. In the past: the run is due.",
      ),
    lastRunAt: instant.nullable(),
    lastMessageId: z.string().nullable().describe("The message of its last run."),
    createdAt: instant,
  })
  .meta({
    id: "Schedule",
    description:
      "Sends the session a prompt at set times. A wake-up of the agent is one that runs once.",
    examples: [examples.schedule],
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
      "`read`: the session, its messages and events. `write`: also to send messages and interrupt them.",
    ),
  description: z.string().nullable(),
  createdAt: instant,
  expiresAt: instant,
};

export const Share = z.object(share).meta({
  id: "Share",
  description: "Gives whoever has its token access to one session.",
  examples: [examples.share],
});

export const NewShare = z
  .object({
    ...share,
    token: z.string().describe("The token, `rs_…`. Shown here only."),
    url: z.url().describe("Opens the session in the dashboard. Shown here only."),
  })
  .meta({ id: "NewShare", examples: [examples.newShare] });

const key = {
  id: z.string().describe("The id of the key, `key_…`."),
  name: z.string(),
  owner: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  tools: z
    .array(z.string())
    .nullable()
    .describe("Permission rules that limit the sessions that it creates; null for no such limit."),
  createdAt: instant,
  expiresAt: instant.nullable().describe("The instant from which it is refused; null for none."),
  lastUsedAt: instant.nullable().describe("To within five minutes."),
  revokedAt: instant.nullable(),
};

export const Key = z
  .object(key)
  .meta({ id: "Key", description: "An API key, without its secret.", examples: [examples.key] });

export const NewKey = z
  .object({ ...key, key: z.string().describe("The secret, `rk_…`. Shown here only.") })
  .meta({ id: "NewKey", examples: [examples.newKey] });

export const Me = z
  .object({
    owner: z.string(),
    admin: z.boolean(),
    scopes: z.array(z.enum(SCOPES)),
    key: z.object({ id: z.string(), name: z.string() }).nullable(),
    via: z
      .enum(["key", "secret", "oidc", "share", "fire", "anonymous"])
      .describe(
        "How the caller is known. `secret`: an entry of the setting `API_KEYS`. `fire`: the token of an automation.",
      ),
  })
  .meta({ id: "Me", examples: [examples.me] });

export const OwnerLimits = z
  .object({
    maxActiveSessions: count.nullable(),
    maxRunningMessages: count.nullable(),
    maxDailyUsd: usd.nullable(),
    maxMonthlyUsd: usd.nullable(),
    maxRequestsPerMinute: count.nullable(),
    perUser: z.object({ maxActiveSessions: count.nullable(), maxDailyUsd: usd.nullable() }),
  })
  .meta({
    id: "OwnerLimits",
    description: "The limits of an owner over all its sessions; null is none.",
    examples: [examples.ownerLimits],
  });

export const Owner = z
  .object({
    owner: z.string(),
    sessions: count,
    activeSessions: count.describe("Sessions that have not ended."),
    totalCost: usd,
    totalTokens: count,
    monthCost: usd.describe("In this month, in UTC."),
  })
  .meta({ id: "Owner", examples: [examples.owner] });

export const AuditEntry = z
  .object({
    id: z.string(),
    action: z.enum(AUDITED),
    owner: z
      .string()
      .describe("Whose key, limits, webhook, automation, share link or session it was."),
    target: z.string().nullable().describe("The id of what was changed; null for limits."),
    details: z.record(z.string(), z.unknown()),
    at: instant,
    by: z
      .object({ owner: z.string(), via: z.string(), keyId: z.string().nullable() })
      .describe("Who did it."),
    address: z
      .string()
      .nullable()
      .describe("The address of the client, if Cloudflare's network gave it."),
    requestId: z.string(),
  })
  .meta({ id: "AuditEntry", examples: [examples.auditEntry] });

const spent = z.object({
  spentUsd: usd,
  heldUsd: usd.describe("What sessions may still spend, or may have been billed."),
  maxUsd: usd.nullable(),
  resetsAt: instant.nullable(),
});

export const UsageReport = z
  .object({
    now: z.object({
      activeSessions: count,
      runningMessages: count.nullable(),
      day: spent,
      month: spent,
    }),
    rows: z
      .array(
        z.object({
          day: z.string().exactOptional(),
          owner: z.string().exactOptional(),
          userId: z.string().exactOptional(),
          model: z.string().exactOptional(),
          pattern: z.string().exactOptional(),
          tag: z.string().exactOptional(),
          cost: usd,
          tokens: count,
          inputTokens: count,
          outputTokens: count,
          cacheReadTokens: count,
          cacheWriteTokens: count,
          webSearchRequests: count,
        }),
      )
      .describe("One row for each group; it has the fields of `groupBy`."),
  })
  .meta({ id: "UsageReport", examples: [examples.usageReport] });

const averages = z.object({
  count,
  avgCost: usd,
  avgTokens: z.number().min(0),
  avgDuration: z.number().min(0),
});

export const Summary = z
  .object({
    totalSessions: count,
    activeSessions: count,
    completedSessions: count,
    errorSessions: count,
    terminatedSessions: count,
    totalCost: usd,
    totalTokens: count,
    avgSessionDuration: z
      .number()
      .min(0)
      .describe("In ms from `startedAt` to the end, over ended sessions."),
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
  })
  .meta({ id: "Summary", examples: [examples.summary] });

const webhook = {
  id: z.string().describe("The id of the webhook, `hook_…`."),
  url: z.string(),
  events: z.array(z.string()),
  sessionId: z
    .string()
    .nullable()
    .describe("The only session whose events it is sent; null for all."),
  description: z.string().nullable(),
  enabled: z.boolean(),
  disabledBecause: z
    .string()
    .nullable()
    .describe("Why it was disabled, if nobody has done it by a request."),
  createdAt: instant,
  lastSuccessAt: instant.nullable().describe("The last attempt that was accepted."),
  failingSince: instant.nullable().describe("The first attempt since then that has failed."),
  pending: count.describe("Events that wait to be sent."),
};

export const Webhook = z.object(webhook).meta({
  id: "Webhook",
  description: "An address that is sent events.",
  examples: [examples.webhook],
});

export const NewWebhook = z
  .object({
    ...webhook,
    secret: z.string().describe("Signs the messages, `whsec_…`. Shown here only."),
  })
  .meta({ id: "NewWebhook", examples: [{ ...examples.webhook, secret: examples.webhookSecret }] });

export const Delivery = z
  .object({
    id: z.string().describe("The header `webhook-id`: the same whenever the event is sent."),
    type: z.string(),
    status: z.enum(DELIVERY_STATES),
    createdAt: instant,
    nextAttemptAt: instant.nullable(),
    attempts: z.array(
      z.object({
        at: instant,
        status: z.int().nullable().describe("The status of the answer; null if there was none."),
        durationMs: z.number().min(0),
        response: z.string().nullable().describe("The beginning of the answer, 1 KB at most."),
        error: z.string().nullable().describe("Why it has failed; null if the event was accepted."),
      }),
    ),
  })
  .meta({ id: "Delivery", examples: [examples.delivery] });

const automation = {
  id: z.string().describe("The id of the automation, `auto_…`."),
  name: z.string(),
  session: asGiven("CreateSession").describe("As in the request, without the values of `env`."),
  prompt,
  cron: z.string().nullable(),
  timeZone: z.string().nullable(),
  everyMs: durationMs.nullable(),
  maxConcurrentRuns: count,
  enabled: z.boolean(),
  pausedBecause: z.string().nullable().describe("The limit of the owner that refused a run."),
  createdAt: instant,
  nextRunAt: instant
    .nullable()
    .describe("Null while it is not enabled, and if it only runs when it is fired."),
  lastRunAt: instant.nullable(),
  fireUrl: z.url().describe("Where it is fired."),
};

export const Automation = z.object(automation).meta({
  id: "Automation",
  description: "Starts a session with a message for each of its runs.",
  examples: [examples.automation],
});

export const NewAutomation = z
  .object({
    ...automation,
    fireToken: z.string().describe("The token that fires it, `rf_…`. Shown here only."),
  })
  .meta({
    id: "NewAutomation",
    examples: [{ ...examples.automation, fireToken: examples.fireToken }],
  });

const runStatus = z
  .enum(["starting", "refused", "skipped", "gone", ...MESSAGE_STATUSES])
  .describe("That of its message, or `gone` if its session was deleted while it ran.");

export const AutomationRun = z
  .object({
    id: z.string(),
    sessionId: z.string().nullable(),
    messageId: z.string().nullable(),
    by: z.enum(["schedule", "fire"]),
    status: runStatus,
    reason: z.string().nullable().describe("Why it was refused or skipped."),
    startedAt: instant,
    endedAt: instant.nullable(),
    cost: usd,
  })
  .meta({ id: "AutomationRun", examples: [examples.automationRun] });

export const FiredRun = z
  .object({
    runId: z.string(),
    sessionId: z.string().nullable(),
    messageId: z.string().nullable(),
    status: runStatus,
  })
  .meta({ id: "FiredRun", examples: [examples.firedRun] });

export const Conversation = z
  .object({
    id: z.int().describe("Your number."),
    createdAt: instant.describe("When its first session was created."),
    lastActivityAt: instant,
    sessionCount: count.describe("Removed and deleted sessions included, as in the next two."),
    totalCost: usd,
    totalTokens: count,
    sessions: z.array(Session).describe("Those that still exist, newest first."),
    pageSize: count,
    nextCursor: z.string().nullable(),
  })
  .meta({
    id: "Conversation",
    description: "The sessions with the same `conversationId`.",
    examples: [examples.conversation],
  });

export const Pool = z
  .object({
    target: count,
    ready: count,
    starting: count,
    leaving: count.describe("Containers that are being destroyed."),
    handedOut: count.describe("Sessions that received a ready container."),
    missed: count.describe("Sessions that found none."),
    breaker: z.object({
      state: z.string().describe("While it is `open`, no container starts until `retryAt`."),
      failures: count,
      retryAt: instant.nullable(),
    }),
  })
  .meta({ id: "Pool", examples: [examples.pool] });
