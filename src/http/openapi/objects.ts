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
      .enum(["output_mismatch", "crash_loop", "setup_failed"])
      .exactOptional()
      .describe(
        "`output_mismatch`: the reply does not match `config.outputSchema`. `crash_loop`: restarts interrupted the message too often at the same step. `setup_failed`: a repository could not be cloned, or a command of `config.setup` failed.",
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

export const stopReason = z.enum(STOP_REASONS).meta({
  id: "StopReason",
  description: [
    "Why a message ended. With the status `completed`, `end_turn`: the agent finished. `max_tokens`: a reply reached its maximum length. `max_turns`: `maxTurns` of the message or the config was reached.",
    "`budget_limit`: the budget of the message, the budget of the session, which ends then, or the money of a day or month (see `limit`) is used up. `turn_limit`: `maxTurns` of the session was reached, and the session ends. `refusal`: the model refused.",
    "With `interrupted`, `interrupted`: a caller stopped it. `terminated`, `lifetime_limit`: the session ended. With `failed`, `error`: see `error` of the message.",
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

export const Artifact = z
  .object({
    id: z.string().describe("The id of the artifact, `art_…`."),
    sessionId: z.string().describe("The `id` of its session."),
    messageId: z.string().describe("The message that it is a result of."),
    toolUseId: z
      .string()
      .nullable()
      .describe("The call of Publish; null if `config.artifacts` names the file."),
    agent: z.string().describe("The agent that published it; `main` is the main agent."),
    path: z.string().describe("The path in the workspace at that time."),
    description: z.string().nullable().describe("What the agent said of it."),
    contentType: z.string().describe("By the ending of its name."),
    sizeBytes: count.describe("The size of its content."),
    sha256: z.string().describe("The SHA-256 of its content, as hex."),
    createdAt: instant,
  })
  .meta({
    id: "Artifact",
    description:
      "A file that an agent has published. Its content never changes: a file that is published again with another one is another artifact.",
    examples: [examples.artifact],
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
      .describe("Why they could not be listed the last time; null if they could."),
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

export const FileEntry = z
  .object({
    path: z
      .string()
      .describe(
        "Relative to the workspace. A byte of a name that is not UTF-8 is shown as U+FFFD; such a file is read in an archive.",
      ),
    type: z.enum(["file", "directory", "symlink", "other"]),
    size: count.describe("In bytes; 0 for a directory."),
    modifiedAt: instant,
    mode: z.string().describe("The permission bits, as four octal digits."),
    target: z.string().exactOptional().describe("Where a link leads, as it was made."),
  })
  .meta({
    id: "FileEntry",
    description: "What is at a path of a session's workspace.",
    examples: [examples.file],
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

const preview = {
  id: z.string().describe("The id of the preview, `prev_…`."),
  port: z.int().min(1).max(65_535).describe("The port of the sandbox."),
  createdAt: instant,
  expiresAt: instant.describe("From when on the address leads nowhere."),
};

export const Preview = z.object(preview).meta({
  id: "Preview",
  description: "An address at which a server in the session's sandbox is reached.",
  examples: [examples.preview],
});

export const NewPreview = z
  .object({
    ...preview,
    url: z
      .url()
      .describe(
        "The address. Whoever knows it reaches the server, without a key. Shown here only.",
      ),
  })
  .meta({ id: "NewPreview", examples: [examples.newPreview] });

const key = {
  id: z.string().describe("The id of the key, `key_…`."),
  name: z.string().describe("Text for people."),
  owner: z.string().describe("The owner whose sessions it gives access to."),
  scopes: z.array(z.enum(SCOPES)).describe("What it may do."),
  tools: z
    .array(z.string())
    .nullable()
    .describe("Permission rules that limit the sessions that it creates; null for no such limit."),
  createdAt: instant,
  expiresAt: instant.nullable().describe("The instant from which it is refused; null for none."),
  lastUsedAt: instant.nullable().describe("To within five minutes."),
  revokedAt: instant.nullable().describe("When it was revoked; null if it was not."),
};

export const Key = z
  .object(key)
  .meta({ id: "Key", description: "An API key, without its secret.", examples: [examples.key] });

export const NewKey = z
  .object({
    ...key,
    key: z.string().describe("The secret, `rk_…`. Shown here only; a hash of it is stored."),
  })
  .meta({ id: "NewKey", examples: [examples.newKey] });

export const Me = z
  .object({
    owner: z.string().describe("Whose sessions the caller has access to."),
    admin: z.boolean().describe("Whether it has access to those of every owner."),
    scopes: z.array(z.enum(SCOPES)).describe("What the caller may do."),
    key: z
      .object({ id: z.string(), name: z.string() })
      .nullable()
      .describe("The key, if `via` is `key`; null otherwise."),
    via: z
      .enum(["key", "secret", "oidc", "share", "fire", "anonymous"])
      .describe(
        "How the caller is known. `key`: a key of this API. `secret`: an entry of the setting `API_KEYS`. `oidc`: a token of single sign-on. `share`: a share link. `fire`: the token of an automation. `anonymous`: without any.",
      ),
  })
  .meta({ id: "Me", examples: [examples.me] });

export const OwnerLimits = z
  .object({
    maxActiveSessions: count.nullable().describe("Sessions that have not ended."),
    maxRunningMessages: count.nullable().describe("Messages that run at once."),
    maxDailyUsd: usd.nullable().describe("Dollars in a day, in UTC."),
    maxMonthlyUsd: usd.nullable().describe("Dollars in a month, in UTC."),
    maxRequestsPerMinute: count.nullable().describe("Requests a minute of the owner's keys."),
    perUser: z
      .object({
        maxActiveSessions: count.nullable().describe("Sessions of a user that have not ended."),
        maxDailyUsd: usd.nullable().describe("Dollars of a user in a day, in UTC."),
      })
      .describe("Limits of each `userId`."),
  })
  .meta({
    id: "OwnerLimits",
    description: "The limits of an owner over all its sessions; null is none.",
    examples: [examples.ownerLimits],
  });

export const Owner = z
  .object({
    owner: z.string(),
    sessions: count.describe("All that it has had, deleted ones included."),
    activeSessions: count.describe("Sessions that have not ended."),
    totalCost: usd.describe("In dollars, of all of them."),
    totalTokens: count.describe("Tokens of all kinds, of all of them."),
    monthCost: usd.describe("In dollars, in this month, in UTC."),
  })
  .meta({
    id: "Owner",
    description: "An owner that has had sessions.",
    examples: [examples.owner],
  });

export const AuditEntry = z
  .object({
    id: z.string(),
    action: z
      .enum(AUDITED)
      .describe(
        "What was done. Of sessions, only what somebody else than their owner did is recorded.",
      ),
    owner: z
      .string()
      .describe("Whose key, limits, webhook, automation, share link or session it was."),
    target: z.string().nullable().describe("The id of what was changed; null for limits."),
    details: z
      .record(z.string(), z.unknown())
      .describe(
        "Of keys: `name`, `scopes`, `tools`, and `graceMs` of a rotation. Of limits: those that were sent. Of a new webhook: `events`. Of share links: `sessionId`, and `access` and `expiresAt` of a new one. Of anything else: nothing. Never a secret.",
      ),
    at: instant,
    by: z
      .object({ owner: z.string(), via: z.string(), keyId: z.string().nullable() })
      .describe("Who did it, as `GET /api/me` tells it."),
    address: z
      .string()
      .nullable()
      .describe("The address of the client; null without Cloudflare's network."),
    requestId: z.string().describe("The request that did it."),
  })
  .meta({
    id: "AuditEntry",
    description: "Who did what to keys, limits, share links and others. Kept for 90 days.",
    examples: [examples.auditEntry],
  });

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

const webhook = {
  id: z.string().describe("The id of the webhook, `hook_…`."),
  url: z.string().describe("Where events are sent."),
  events: z.array(z.string()).describe("Types of events; `*` in one is any text."),
  sessionId: z
    .string()
    .nullable()
    .describe("The only session whose events it is sent; null for all."),
  description: z.string().nullable().describe("As in the request."),
  enabled: z.boolean().describe("Whether it is sent events."),
  disabledBecause: z
    .string()
    .nullable()
    .describe(
      "Why it was disabled, if nobody has done it by a request: it only failed for three days, or was answered with 410.",
    ),
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
    secret: z
      .string()
      .describe("Signs the messages, `whsec_…`. Shown when it is made or rotated only."),
  })
  .meta({ id: "NewWebhook", examples: [{ ...examples.webhook, secret: examples.webhookSecret }] });

export const Delivery = z
  .object({
    id: z.string().describe("The header `webhook-id`: the same whenever the event is sent."),
    type: z.string().describe("The type of the event."),
    status: z
      .enum(DELIVERY_STATES)
      .describe("`failed`: it was tried for a day, and is not tried again by itself."),
    createdAt: instant.describe("When the webhook learned of the event."),
    nextAttemptAt: instant.nullable().describe("Null if no attempt is planned."),
    attempts: z
      .array(
        z.object({
          at: instant,
          status: z.int().nullable().describe("The status of the answer; null if there was none."),
          durationMs: z.number().min(0),
          response: z.string().nullable().describe("The beginning of the answer, 1 KB at most."),
          error: z
            .string()
            .nullable()
            .describe("Why it has failed; null if the event was accepted."),
        }),
      )
      .describe("The newest 50."),
  })
  .meta({
    id: "Delivery",
    description: "An event for a webhook, and what was tried to send it. Kept for 30 days.",
    examples: [examples.delivery],
  });

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
