import { z } from "zod";
import type { GivenLimits } from "../account/limits";
import { SCOPES } from "../account/scopes";
import { ON_LIMIT, PATTERNS } from "../db/schema";
import { EVENT_TYPES } from "../events/event";
import { isRefName } from "../sandbox/git/refs";
import { defaultProviderOf } from "../session/deployment";
import type { MessageRequest, ScheduleRequest, SessionPatch, SessionSpec } from "../session/rpc";
import { cronProblem } from "../session/rules/schedule-times";
import { MAX_RETENTION_DAYS, type Settings } from "../settings";
import { nanos } from "../shared/money";
import { matches } from "../webhooks/rules";
import { isArtifactId } from "./ids";
import { Prompt, ToolContent } from "./prompt";

// A century, so that the sum with any realistic date is still a valid date.
const MAX_DURATION_MS = 100 * 366 * 24 * 60 * 60 * 1000;
// In nano-dollars this is far below the largest safe integer.
const MAX_BUDGET_USD = 1_000_000;

const DAY_MS = 24 * 60 * 60 * 1000;
const MAX_GRACE_MS = DAY_MS;
const MAX_WARNINGS = 20;
const MAX_MCP_CALL_MS = 600_000;
// Every isolate that serves a key has its rules in memory.
const MAX_KEY_RULES = 100;
const MAX_KEY_RULE_CHARS = 8_000;
const MAX_CLIENT_TOOLS = 64;
// Every call of the model has them.
const MAX_CLIENT_TOOLS_CHARS = 100_000;
const MAX_RESULTS = 100;

const name = z.string().min(1).max(200);
/** A name that a caller gives something, for people. */
const label = z.string().min(1).max(200);
const names = z.array(name).max(1_000);
const turns = z.int().min(1);
const durationMs = z.int().min(1).max(MAX_DURATION_MS);
const budgetUsd = z.number().min(0).max(MAX_BUDGET_USD);
const object = z.record(z.string(), z.unknown());
const effort = z.enum(["low", "medium", "high", "xhigh", "max"]);

/** In a config null means absent. */
const withoutNulls = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as {
    [K in keyof T]: Exclude<T[K], null>;
  };

/** For a patch, which has to change something. */
const changesSomething = [
  (patch: object) => Object.keys(patch).length > 0,
  {
    error: "The patch changes nothing.",
    // An unknown key is already an issue.
    when: ({ issues }: { issues: readonly unknown[] }) => issues.length === 0,
  },
] as const;

export const CustomAgent = z
  .strictObject({
    description: z.string().nullish(),
    systemPrompt: z.string().nullish(),
    model: name.nullish(),
    maxTurns: turns.nullish(),
    allowedTools: names.nullish(),
    askTools: names.nullish(),
    disallowedTools: names.nullish(),
    thinking: object.nullish(),
    effort: effort.nullish(),
  })
  .transform(withoutNulls);

const EnvName = z.string().regex(/^[A-Za-z_]\w*$/, "must be the name of an environment variable");
const NUL_PROBLEM = "must not contain a NUL";
const EnvText = z.string().refine((text) => !text.includes("\0"), NUL_PROBLEM);
const hosts = z.array(z.string().max(255)).max(100);
export const Secret = z.strictObject({
  // The value is sent in headers, which allow no other characters.
  secret: z
    .string()
    .regex(/^[\x20-\x7e]{1,16384}$/, "must be 1 to 16384 printable ASCII characters"),
  hosts: hosts.min(1),
});
const EnvValue = z.union([EnvText, Secret], 'must be a string or {"secret", "hosts"}');
const Network = z.union(
  [z.enum(["none", "open"]), z.strictObject({ allow: hosts })],
  'must be "none", "open" or {"allow": [hosts]}',
);

const aToken = () =>
  z.string().regex(/^[\x20-\x7e]{1,16384}$/, "must be 1 to 16384 printable ASCII characters");
const token = aToken();
const HeaderName = z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,200}$/, "must be the name of a header");
const HeaderValue = z.union(
  [token, z.strictObject({ secret: token })],
  'must be a string of printable ASCII characters, or {"secret"}',
);
const anAddress = () => z.string().min(1).max(2_000);

/** How the access to an MCP server is renewed, and `PUT /api/sessions/:id/mcp-servers/:name/oauth`. */
export const McpOauth = z
  .strictObject({
    tokenUrl: anAddress(),
    clientId: aToken(),
    clientSecret: token.nullish(),
    clientAuth: z.enum(["basic", "post"]).nullish(),
    refreshToken: aToken(),
    accessToken: token.nullish(),
    expiresAt: z.iso
      .datetime({ offset: true, error: "must be an ISO 8601 instant with its zone" })
      .transform((text) => Date.parse(text))
      .nullish(),
    scope: token.nullish(),
  })
  .transform(withoutNulls);

/** An MCP server. Its addresses are checked with the rest of the config. */
export const McpServer = z
  .strictObject({
    url: anAddress(),
    headers: z.record(HeaderName, HeaderValue).nullish(),
    oauth: McpOauth.nullish(),
    tools: names.min(1).nullish(),
    timeoutMs: z.int().min(1_000).max(MAX_MCP_CALL_MS).nullish(),
  })
  .transform(withoutNulls);

/** Options of providers, by their names. Which of them a provider has is checked with the rest of the config. */
export const SandboxConfig = z.strictObject({
  provider: name.nullish(),
  network: Network.nullish(),
  template: name.nullish(),
  snapshot: name.nullish(),
  image: name.nullish(),
  region: name.nullish(),
  size: name.nullish(),
  cpus: z.number().positive().nullish(),
  memoryMb: z.int().positive().nullish(),
  diskGb: z.int().positive().nullish(),
});

const MAX_PATH_CHARACTERS = 1_000;
const MAX_REPOSITORIES = 10;
const MAX_SETUP_COMMANDS = 20;
const MAX_FILES = 100;

const PATH_PROBLEM =
  'must be relative to the workspace, without NUL, line breaks, empty parts, "." and ".."';
/** A path in the workspace. Each has one form only, so that equal paths are equal texts. */
const workspacePath = z
  .string()
  .min(1)
  .max(MAX_PATH_CHARACTERS)
  .refine(
    (path) =>
      !/[\0\n]/.test(path) &&
      path.split("/").every((part) => part !== "" && part !== "." && part !== ".."),
    PATH_PROBLEM,
  );

export const Repository = z
  .strictObject({
    url: z.string().max(2_000),
    ref: z
      .string()
      .max(255)
      .refine(isRefName, "must be the name of a branch or a tag, or a commit")
      .nullish(),
    path: z.union([z.literal("."), workspacePath], PATH_PROBLEM).nullish(),
    depth: z.int().min(1).max(1_000_000).nullish(),
    token: z
      .string()
      .regex(/^[\x21-\x7e]{1,4096}$/, "must be 1 to 4096 printable ASCII characters without spaces")
      .nullish(),
  })
  .transform(withoutNulls);

const setupCommand = z
  .string()
  .min(1)
  .max(10_000)
  .refine((text) => !text.includes("\0"), NUL_PROBLEM);

const file = { path: workspacePath };
/** A file of a new session, with its text, with its bytes in base64, or of an artifact. */
export const TextFile = z.strictObject({ ...file, text: z.string() });
export const BytesFile = z.strictObject({ ...file, base64: z.base64("must be base64") });
export const ArtifactFile = z.strictObject({
  ...file,
  artifactId: z.string().refine(isArtifactId, "must be the id of an artifact"),
});
const InitialFile = z.union(
  [TextFile, BytesFile, ArtifactFile],
  'must be {"path", "text"}, {"path", "base64"} or {"path", "artifactId"}',
);

/** A tool of the caller, in the `config` of a session. */
export const ClientTool = z.strictObject({
  name: z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" and "-"'),
  description: z.string().min(1).max(10_000),
  inputSchema: object,
});

/** The `config` of a session. */
export const Config = z
  .strictObject({
    model: name.nullish(),
    systemPrompt: z.string().nullish(),
    maxTurns: turns.nullish(),
    allowedTools: names.nullish(),
    askTools: names.nullish(),
    disallowedTools: names.nullish(),
    approvalTimeoutMs: durationMs.min(1_000).nullish(),
    onApprovalTimeout: z.enum(["deny", "terminate"]).nullish(),
    clientTools: z
      .array(ClientTool)
      .max(MAX_CLIENT_TOOLS)
      .refine((tools) => JSON.stringify(tools).length <= MAX_CLIENT_TOOLS_CHARS, {
        error: `has more than ${MAX_CLIENT_TOOLS_CHARS} characters as JSON`,
      })
      .nullish(),
    clientToolTimeoutMs: durationMs.min(1_000).nullish(),
    warnAt: z
      .array(z.number().gt(0).max(1))
      .max(MAX_WARNINGS)
      .transform((parts) => [...new Set(parts)].sort((a, b) => a - b))
      .nullish(),
    customAgents: z.record(name, CustomAgent).nullish(),
    resumeSessionId: name.nullish(),
    continueSession: z.boolean().nullish(),
    forkSession: z.boolean().nullish(),
    snapshotId: name.nullish(),
    artifacts: z.array(z.string().min(1).max(1_000)).max(20).nullish(),
    retentionDays: z.int().min(1).max(MAX_RETENTION_DAYS).nullish(),
    runtime: z.enum(["loop", "claude-code"]).nullish(),
    sandbox: SandboxConfig.transform(withoutNulls).nullish(),
    env: z.record(EnvName, EnvValue.nullable()).transform(withoutNulls).nullish(),
    repositories: z.array(Repository).max(MAX_REPOSITORIES).nullish(),
    setup: z.array(setupCommand).max(MAX_SETUP_COMMANDS).nullish(),
    files: z.array(InitialFile).max(MAX_FILES).nullish(),
    mcpServers: z.record(name, McpServer.nullable()).transform(withoutNulls).nullish(),
    thinking: object.nullish(),
    effort: effort.nullish(),
    outputSchema: object.nullish(),
  })
  .transform(withoutNulls);

// Lists filter by a comma-separated list of tags.
const tag = z
  .string()
  .min(1)
  .max(100)
  .refine((text) => !text.includes(","), "must not contain a comma");

/** Null means no limit. A limit that is absent at creation has the default of the deployment. */
const limits = {
  maxIdleTimeMs: durationMs.nullish(),
  maxLifetimeMs: durationMs.nullish(),
  maxBudgetUsd: budgetUsd.nullish(),
  maxTurns: turns.nullish(),
};

const onLimit = z.enum(ON_LIMIT).nullish();

const metadata = {
  tags: z
    .array(tag)
    .max(50)
    .transform((tags) => [...new Set(tags)])
    .nullish(),
  description: z.string().max(10_000).nullish(),
  userId: z.string().min(1).max(255).nullish(),
};

/** `POST /api/sessions` */
export const CreateSession = z.strictObject({
  pattern: z.enum(PATTERNS),
  config: Config.nullish(),
  conversationId: z.int().nullish(),
  ...limits,
  onLimit,
  ...metadata,
});

/** `PATCH /api/sessions/:id` */
export const PatchSession = z
  .strictObject({ ...limits, onLimit, ...metadata })
  .refine(...changesSomething);

/** `POST /api/sessions/:id/message` */
export const SendMessage = z
  .strictObject({
    prompt: Prompt,
    agent: name.nullish(),
    streaming: z.boolean().default(false),
    background: z.boolean().default(false),
    maxTurns: turns.nullish(),
    maxBudgetUsd: budgetUsd.nullish(),
    onBusy: z.enum(["queue", "reject", "interrupt", "steer"]).default("queue"),
  })
  .refine((message) => !(message.streaming && message.background), {
    path: ["background"],
    message: "can't go with streaming: choose one",
  });

const timing = {
  cron: z.string().max(200).nullish(),
  timeZone: z.string().max(100).nullish(),
  everyMs: durationMs.min(1_000).nullish(),
};

type Timing = z.output<z.ZodObject<typeof timing>>;

/** Returns when something runs by cron, in a time zone, or at an interval; undefined if neither is given. */
function whenOf(
  { cron, timeZone, everyMs }: Timing,
  context: z.RefinementCtx,
): { cron: string; timeZone: string } | { everyMs: number } | undefined {
  const refuse = (path: string, message: string) => {
    context.addIssue({ code: "custom", path: [path], message });
    return undefined;
  };
  if (typeof cron === "string") {
    if (typeof everyMs === "number") return refuse("everyMs", "can't go with cron: choose one");
    const when = { cron, timeZone: timeZone ?? "UTC" };
    const problem = cronProblem(when.cron, when.timeZone, Date.now());
    return problem ? refuse(problem.path, problem.message) : when;
  }
  if (typeof timeZone === "string") return refuse("timeZone", "goes with cron only");
  return typeof everyMs === "number" ? { everyMs } : undefined;
}

/** `POST /api/sessions/:id/schedules`: by cron, in a time zone, or at an interval. */
export const CreateSchedule = z
  .strictObject({ ...timing, prompt: Prompt })
  .transform(({ prompt, ...times }, context) => {
    const when = whenOf(times, context);
    if (when) return { when, prompt };
    if (context.issues.length > 0) return z.NEVER;
    const message = "is missing: give cron or everyMs";
    context.addIssue({ code: "custom", path: ["cron"], message });
    return z.NEVER;
  });

const automationTiming = { ...timing, everyMs: durationMs.min(60_000).nullish() };

const automation = {
  name: label,
  session: CreateSession,
  prompt: Prompt,
  maxConcurrentRuns: z.int().min(1).max(20),
  enabled: z.boolean(),
};

/** Returns when an automation runs; null if it does not run by itself. */
const automationWhen = (times: Timing, context: z.RefinementCtx) => {
  const when = whenOf(times, context);
  if (!when) return null;
  if ("everyMs" in when) return { kind: "every" as const, from: Date.now(), ...when };
  return { kind: "cron" as const, ...when };
};

/** `POST /api/automations` */
export const CreateAutomation = z
  .strictObject({
    ...automation,
    maxConcurrentRuns: automation.maxConcurrentRuns.default(5),
    enabled: automation.enabled.default(true),
    ...automationTiming,
  })
  .transform(({ cron, timeZone, everyMs, ...fields }, context) => ({
    ...fields,
    when: automationWhen({ cron, timeZone, everyMs }, context),
  }));

/** `PATCH /api/automations/:automationId`. What is said of the time replaces all of it; null is none. */
export const PatchAutomation = z
  .strictObject(automation)
  .partial()
  .extend(automationTiming)
  .refine(...changesSomething)
  .transform(({ cron, timeZone, everyMs, ...fields }, context) => {
    const isTimed = [cron, timeZone, everyMs].some((given) => given !== undefined);
    if (!isTimed) return { ...fields, when: undefined };
    return { ...fields, when: automationWhen({ cron, timeZone, everyMs }, context) };
  });

/** `POST /api/automations/:automationId/fire`; the body may be empty. */
export const FireAutomation = z.strictObject({ input: z.string().nullish() }).prefault({});

/** `PATCH /api/sessions/:id/schedules/:scheduleId` */
export const PatchSchedule = z.strictObject({ paused: z.boolean() });

/** `POST /api/sessions/:id/terminate`; the body may be empty. */
export const Terminate = z
  .strictObject({
    reason: z.string().min(1).max(200).nullish(),
    discardWorkspace: z.boolean().default(false),
  })
  .prefault({})
  .transform(({ reason, discardWorkspace }) => ({
    reason: reason ?? "user_requested",
    discardWorkspace,
  }));

/** `POST /api/sessions/:id/approvals/:approvalId` */
export const ResolveApproval = z
  .strictObject({
    decision: z.enum(["allow", "deny"]),
    note: z.string().min(1).max(10_000).nullish(),
    input: object.nullish(),
    remember: z.literal("session").nullish(),
  })
  .refine(({ decision, input }) => decision === "allow" || !input, {
    path: ["input"],
    error: "goes with allow only",
  })
  .transform(({ decision, note, input, remember }) => ({
    decision,
    note: note ?? null,
    ...(input && { input }),
    remember: remember === "session",
  }));

/** A result of a call, as the caller gives it. */
export const GivenResult = z
  .strictObject({
    toolUseId: name,
    content: ToolContent,
    isError: z.boolean().nullish(),
  })
  .transform(({ isError, ...result }) => ({ ...result, isError: isError ?? false }));

/** `POST /api/sessions/:id/tool-results` */
export const AnswerTools = z.strictObject({
  results: z
    .array(GivenResult)
    .min(1)
    .max(MAX_RESULTS)
    .refine(
      (results) => new Set(results.map(({ toolUseId }) => toolUseId)).size === results.length,
      { error: "has two results of one call" },
    ),
});

const filters = z
  .array(
    z
      .string()
      .max(100)
      .refine((pattern) => EVENT_TYPES.some((type) => matches(pattern, type)), {
        error: "is no type of an event, and names none with *",
      }),
  )
  .min(1)
  .max(50)
  .transform((patterns) => [...new Set(patterns)]);

/** `POST /api/webhooks` */
export const CreateWebhook = z.strictObject({
  url: z.string().max(2_000),
  events: filters,
  sessionId: name.nullish(),
  description: z.string().max(1_000).nullish(),
});

/** `PATCH /api/webhooks/:webhookId` */
export const PatchWebhook = z
  .strictObject({
    url: z.string().max(2_000).optional(),
    events: filters.optional(),
    description: z.string().max(1_000).nullish(),
    enabled: z.boolean().optional(),
  })
  .refine(...changesSomething);

/** `POST /api/webhooks/:webhookId/rotate-secret`; the body may be empty. */
export const RotateWebhookSecret = z
  .strictObject({ graceMs: z.int().min(0).max(MAX_GRACE_MS).default(MAX_GRACE_MS) })
  .prefault({});

/** The body of requests without fields; it may be empty. */
export const NoFields = z.strictObject({}).prefault({});

/** `POST /api/keys` */
export const CreateKey = z
  .strictObject({
    name: label,
    owner: z.string().min(1).max(255).nullish(),
    scopes: z
      .array(z.enum(SCOPES))
      .min(1)
      .transform((scopes) => [...new Set(scopes)])
      .nullish(),
    tools: names
      .min(1)
      .max(MAX_KEY_RULES)
      .refine((rules) => rules.join("").length <= MAX_KEY_RULE_CHARS, {
        error: `has more than ${MAX_KEY_RULE_CHARS} characters`,
      })
      .nullish(),
    expiresAt: z.iso
      .datetime({ offset: true, error: "must be an ISO 8601 instant with its zone" })
      .transform((text) => Date.parse(text))
      .refine((at) => at > Date.now(), "is not in the future")
      .nullish(),
  })
  .transform(withoutNulls);

/** `POST /api/keys/:id/rotate`; the body may be empty. */
export const RotateKey = z
  .strictObject({ graceMs: z.int().min(0).max(MAX_GRACE_MS).default(0) })
  .prefault({});

const count = z.int().min(0).max(1_000_000_000);

/** The limits of each user of an owner. */
export const UserLimits = z.strictObject({
  maxActiveSessions: count.nullish(),
  maxDailyUsd: budgetUsd.nullish(),
});

/** `PUT /api/owners/:owner/limits`. Null is none; what is absent is as the deployment's settings have it. */
export const PutLimits = z.strictObject({
  maxActiveSessions: count.nullish(),
  maxRunningMessages: count.nullish(),
  maxDailyUsd: budgetUsd.nullish(),
  maxMonthlyUsd: budgetUsd.nullish(),
  maxRequestsPerMinute: count.nullish(),
  perUser: UserLimits.optional(),
});

/** `POST /api/sessions/:id/shares` */
export const CreateShare = z.strictObject({
  access: z.enum(["read", "write"]),
  expiresInMs: z
    .int()
    .min(1_000)
    .max(30 * DAY_MS)
    .default(7 * DAY_MS),
  description: z.string().max(1_000).nullish(),
});

/** `POST /api/sessions/:id/previews` */
export const CreatePreview = z.strictObject({
  port: z.int().min(1).max(65_535),
  expiresInMs: z
    .int()
    .min(1_000)
    .max(30 * DAY_MS)
    .default(DAY_MS),
});

/** Returns the argument of the object's RPC method for a request to create a session. */
export function sessionSpec(
  request: z.output<typeof CreateSession>,
  ids: Pick<SessionSpec, "id" | "requestHash">,
  settings: Settings,
): SessionSpec {
  const { maxIdleTimeMs, maxLifetimeMs, maxBudgetUsd } = request;
  const budget = orDefault(maxBudgetUsd, settings.DEFAULT_MAX_BUDGET_USD);
  return {
    ...ids,
    pattern: request.pattern,
    config: request.config ?? {},
    provider: request.config?.sandbox?.provider ?? defaultProviderOf(settings),
    conversationId: request.conversationId ?? null,
    limits: {
      maxIdleTimeMs: orDefault(maxIdleTimeMs, settings.DEFAULT_MAX_IDLE_TIME_MS),
      maxLifetimeMs: orDefault(maxLifetimeMs, settings.DEFAULT_MAX_LIFETIME_MS),
      maxBudgetNanos: nanos(budget),
      maxTurns: request.maxTurns ?? null,
    },
    tags: request.tags ?? [],
    description: request.description ?? null,
    userId: request.userId ?? null,
    ...(request.onLimit && { onLimit: request.onLimit }),
  };
}

/** Returns the argument of the object's RPC method for a patch. */
export function sessionPatch(request: z.output<typeof PatchSession>): SessionPatch {
  const { maxBudgetUsd, onLimit, tags, description, userId, ...rest } = request;
  return withoutAbsent({
    ...rest,
    onLimit: onLimit === null ? "terminate" : onLimit,
    maxBudgetNanos: maxBudgetUsd === undefined ? undefined : nanos(maxBudgetUsd),
    tags: tags === null ? [] : tags,
    description,
    userId,
  });
}

/** Returns limits as the account has them, without those that are absent. */
export function givenLimits({
  maxDailyUsd,
  maxMonthlyUsd,
  perUser,
  ...counts
}: z.output<typeof PutLimits>): GivenLimits {
  return withoutAbsent({
    ...counts,
    maxDailyNanos: maxDailyUsd === undefined ? undefined : nanos(maxDailyUsd),
    maxMonthlyNanos: maxMonthlyUsd === undefined ? undefined : nanos(maxMonthlyUsd),
    perUser:
      perUser &&
      withoutAbsent({
        maxActiveSessions: perUser.maxActiveSessions,
        maxDailyNanos: perUser.maxDailyUsd === undefined ? undefined : nanos(perUser.maxDailyUsd),
      }),
  });
}

/** Returns an object without the fields that are undefined. */
export const withoutAbsent = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** Returns the argument of the object's RPC method for a message. */
export function messageRequest(
  request: z.output<typeof SendMessage>,
  ids: Pick<MessageRequest, "id" | "requestHash" | "traceparent">,
): MessageRequest {
  return {
    ...ids,
    prompt: request.prompt,
    agent: request.agent ?? null,
    background: request.background,
    maxTurns: request.maxTurns ?? null,
    maxBudgetNanos: nanos(request.maxBudgetUsd ?? null),
    onBusy: request.onBusy,
  };
}

/** Returns the argument of the object's RPC method for a schedule. */
export const scheduleRequest = (
  request: z.output<typeof CreateSchedule>,
  ids: Pick<ScheduleRequest, "id" | "requestHash">,
): ScheduleRequest => ({ ...ids, ...request });

const orDefault = (given: number | null | undefined, fallback: number | null): number | null =>
  given === undefined ? fallback : given;
