import { z } from "zod";
import { SCOPES } from "../../account/scopes";
import { PATTERNS, STATUSES } from "../../db/schema";
import { USAGE_GROUPS } from "../../db/usage";
import { Prompt } from "../prompt";
import * as queries from "../queries";
import * as schemas from "../schemas";
import * as examples from "./examples";

// What the document says about the schemas that the Worker parses requests with. It is said here, so that the Worker does
// not contain it. Each field has to be described.

interface Meta {
  [name: string]: unknown;
  description: string;
  id?: string;
  examples?: unknown[];
  override?: Record<string, unknown>;
}

/** Returns the object that a request is parsed from, without what is done with it. */
export function objectOf(schema: z.ZodType): z.ZodObject {
  if (schema instanceof z.ZodObject) return schema;
  if (schema instanceof z.ZodPipe) return objectOf(schema.in as z.ZodType);
  if (schema instanceof z.ZodPrefault) return objectOf(schema.unwrap() as z.ZodType);
  throw new TypeError("is parsed from no object");
}

/** Describes an object and each of its fields. A field with a schema of its own keeps the description of that. */
function describe<S extends z.ZodType>(
  schema: S,
  meta: Meta | null,
  fields: { [K in keyof z.input<S> & string]: string | Meta },
): void {
  const object = objectOf(schema);
  if (meta) z.globalRegistry.add(object, meta);
  for (const [name, said] of Object.entries<string | Meta>(fields)) {
    const field = object.shape[name] as z.ZodType;
    if (z.globalRegistry.get(field)?.id) continue;
    z.globalRegistry.add(field, typeof said === "string" ? { description: said } : said);
  }
}

/** A list in a query, with commas between its items. */
const commaList = (description: string, items: Record<string, unknown>): Meta => ({
  description,
  override: { type: "array", items },
});

const agentFields = {
  description: "What the agent is for. The main agent reads it.",
  systemPrompt: "Replaces the short default prompt.",
  model: "The model; see the list of models.",
  maxTurns: "The maximum number of turns of one message, or of one task of an agent.",
  allowedTools: "Permission rules. Without them, every tool is allowed.",
  askTools: "Permission rules. A call that matches waits for approval.",
  disallowedTools: "Permission rules. A call that matches is refused.",
  thinking: "Passed to the Messages API as `thinking`.",
  effort: "Passed to the Messages API.",
};

z.globalRegistry.add(Prompt, {
  id: "Prompt",
  description: "Text that is not blank, or content blocks of the Messages API. 1 MiB at most.",
  examples: ["Start the changelog.", [{ type: "text", text: "Start the changelog." }]],
});

describe(
  schemas.CustomAgent,
  {
    id: "CustomAgent",
    description: "A type of agents. A field that is absent has the session's value.",
  },
  agentFields,
);

describe(
  schemas.Secret,
  {
    id: "Secret",
    description:
      "Commands see a placeholder. The value is sent only in headers of requests to the hosts.",
  },
  { secret: "The value.", hosts: "The hosts, such as `api.github.com` or `*.example.com`." },
);

describe(
  schemas.SandboxConfig,
  {
    id: "SandboxConfig",
    description: "Where commands run. Which options there are depends on the provider.",
  },
  {
    provider: "`embedded`, `cloudflare`, `daytona`, `e2b`, `fly` or `modal`.",
    network: "The hosts that commands may reach: `none`, `open`, or a list.",
    template: "A template of the provider.",
    snapshot: "A snapshot of the provider.",
    image: "An image of the provider.",
    region: "A region of the provider.",
    size: "A size of the provider.",
    cpus: "The number of CPUs.",
    memoryMb: "The memory, in MB.",
    diskGb: "The disk, in GB.",
  },
);

const { description: _, ...mainAgent } = agentFields;

describe(
  schemas.Config,
  {
    id: "Config",
    description: "The configuration of the agent. 256 KiB of JSON at most. Null means absent.",
  },
  {
    ...mainAgent,
    approvalTimeoutMs: "How long a call waits for approval; without it, until somebody decides.",
    onApprovalTimeout: "What happens then: the call is denied (the default), or the session ends.",
    warnAt:
      "The parts of budget and turns at which `limit.warned` is sent; `[0.5, 0.8, 1]` when absent.",
    customAgents: "Additional agents, by their names: letters, digits, `_` and `-`; not `main`.",
    resumeSessionId:
      "Starts with the history and the workspace of this session, by its `id` or `sessionId`.",
    continueSession: "Starts from the newest session of the same `conversationId`.",
    forkSession: "With one of the two above: a branch with its own `sessionId`.",
    snapshotId: "Starts from this snapshot.",
    retentionDays:
      "How long the session is kept after its end; the deployment's setting when absent.",
    runtime: "Where the agent runs: in the session's object, or as Claude Code in its container.",
    sandbox: "Where commands run.",
    env: "Environment variables of commands. They are never returned.",
    outputSchema: "A JSON schema: the reply is JSON that matches it.",
  },
);

const limitFields = {
  maxIdleTimeMs: "The maximum time without activity. Null means no limit.",
  maxLifetimeMs: "The maximum lifetime, from the creation. Null means no limit.",
  maxBudgetUsd: "The maximum cost, in dollars. It is never exceeded. Null means no limit.",
  maxTurns: "The maximum number of turns. Null means no limit.",
  onLimit:
    "What happens when the budget, the turns or the lifetime is used up: the session ends (the default), or pauses until the limit is raised.",
  tags: "Up to 50, without commas. Duplicates are removed.",
  description: "Text that lists search.",
  userId: "The id of a user of your app.",
};

describe(
  schemas.CreateSession,
  {
    id: "CreateSession",
    description: "A session to create. A limit that is absent is the deployment's default.",
    examples: [
      {
        pattern: "hybrid",
        config: {
          systemPrompt: "You look after a changelog.",
          allowedTools: ["Read", "Write", "Bash(ls *)"],
        },
        ...{ conversationId: 123, maxBudgetUsd: 0.5, maxTurns: 40 },
        ...{ tags: ["changelog", "demo"], description: "Changelog keeper", userId: "user_123" },
      },
    ],
  },
  {
    pattern:
      "How the session is hosted. `ephemeral`: one message, then it ends. `long-running`: awake between messages. `hybrid`: sleeps when idle, and the next message wakes it. `single-container`: several agents in one sandbox.",
    config: "The configuration of the agent.",
    conversationId: "A number that you choose: sessions with the same number belong together.",
    ...limitFields,
  },
);

describe(
  schemas.PatchSession,
  {
    id: "PatchSession",
    description: "What changes. Null clears a field.",
    examples: [{ description: null, tags: ["changelog"], maxBudgetUsd: 1 }],
  },
  limitFields,
);

describe(
  schemas.SendMessage,
  {
    id: "SendMessage",
    description: "A message to send.",
    examples: [{ prompt: "Start the changelog." }],
  },
  {
    prompt: "What to do.",
    agent: "The agent that answers; the main agent when absent.",
    streaming: "Answers with a stream of the message's events.",
    background: "Answers with 202 at once. Not together with `streaming`.",
    maxTurns: "The maximum turns of this message.",
    maxBudgetUsd: "The maximum cost of this message, in dollars.",
    onBusy:
      "What happens while another message runs: this one waits, is rejected with 409, or interrupts the other one.",
  },
);

describe(
  schemas.Terminate,
  {
    id: "Terminate",
    description: "How to end the session.",
    examples: [{ reason: "no longer needed" }],
  },
  {
    reason: "Becomes the `terminationReason`; `user_requested` when absent.",
    discardWorkspace: "Whether the files of a container are not saved.",
  },
);

const timeFields = {
  cron: "A cron expression with five fields, six with seconds, or a name such as `@daily`.",
  timeZone: "The time zone of `cron`, such as `Europe/Berlin`; `UTC` when absent.",
  everyMs: "An interval. Either this or `cron`.",
};

describe(
  schemas.CreateSchedule,
  {
    id: "CreateSchedule",
    description: "A schedule to create: by cron, or at an interval.",
    examples: [
      {
        cron: "0 9 * * mon-fri",
        timeZone: "Europe/Berlin",
        prompt: "Read the news and sum them up.",
      },
      { everyMs: 60_000, prompt: "tick" },
    ],
  },
  { ...timeFields, prompt: "What the session is sent. 64 KiB of JSON at most." },
);

describe(
  schemas.PatchSchedule,
  { id: "PatchSchedule", description: "A change of a schedule.", examples: [{ paused: true }] },
  { paused: "Whether it sends nothing." },
);

describe(
  schemas.ResolveApproval,
  {
    id: "ResolveApproval",
    description: "A decision about a call.",
    examples: [{ decision: "allow", note: "To main, for once.", remember: "session" }],
  },
  {
    decision: "Whether the call is made.",
    note: "What the model reads with the result.",
    input: "With `allow`: the input that the call is made with instead of its own.",
    remember: "`session`: the same call is decided in the same way from now on.",
  },
);

describe(
  schemas.CreateShare,
  {
    id: "CreateShare",
    description: "A share link to create.",
    examples: [{ access: "read", description: "for Ann" }],
  },
  {
    access: "What it allows.",
    expiresInMs: "How long it works: a week when absent.",
    description: "Text for people.",
  },
);

describe(
  schemas.CreateKey,
  { id: "CreateKey", description: "A key to create.", examples: [{ name: "ci", owner: "acme" }] },
  {
    name: "Text for people.",
    owner:
      "The owner that the key is for; the caller's when absent. Only an admin may name another.",
    scopes: {
      description: "What the key may do; `sessions:write` and `usage:read` when absent.",
      override: { items: { type: "string", enum: [...SCOPES] } },
    },
    tools: "Permission rules that limit the sessions that it creates.",
    expiresAt: "The instant from which it is refused.",
  },
);

describe(
  schemas.RotateKey,
  { id: "RotateKey", description: "How to rotate the key.", examples: [{ graceMs: 3_600_000 }] },
  { graceMs: "For how long the old secret still works." },
);

describe(
  schemas.PutLimits,
  {
    id: "PutOwnerLimits",
    description: "All limits of the owner. Null is none; one that is absent is the deployment's.",
    examples: [{ maxDailyUsd: 20, maxRunningMessages: 5, perUser: { maxDailyUsd: 2 } }],
  },
  {
    maxActiveSessions: "Sessions that have not ended.",
    maxRunningMessages: "Messages that run at once. One more waits.",
    maxDailyUsd: "Money in a day, in UTC.",
    maxMonthlyUsd: "Money in a month, in UTC.",
    maxRequestsPerMinute: "Requests of the owner's keys in a minute.",
    perUser: "The same for each `userId`.",
  },
);

const webhookFields = {
  url: "`https`, with a host on the public internet.",
  events: "Types of events. `*` in one is any text: `message.*`.",
  description: "Text for people.",
};

describe(
  schemas.CreateWebhook,
  {
    id: "CreateWebhook",
    description: "A webhook to create.",
    examples: [
      { url: "https://example.com/alerts", events: ["limit.warned", "owner.limit_warned"] },
    ],
  },
  {
    ...webhookFields,
    sessionId: "Sends events of this session only; of all sessions when absent.",
  },
);

describe(
  schemas.PatchWebhook,
  { id: "PatchWebhook", description: "What changes.", examples: [{ enabled: true }] },
  { ...webhookFields, enabled: "Whether it is sent events." },
);

describe(
  schemas.RotateWebhookSecret,
  {
    id: "RotateWebhookSecret",
    description: "How to rotate the secret.",
    examples: [{ graceMs: 0 }],
  },
  { graceMs: "For how long the old secret signs beside the new one: a day when absent." },
);

const automationFields = {
  ...timeFields,
  name: "Text for people.",
  session: "The session that each run starts.",
  prompt: "What it is sent. 64 KiB of JSON at most.",
  maxConcurrentRuns: "How many of its runs may be at work at once.",
  enabled: "Whether it runs.",
  everyMs:
    "An interval, a minute at least. Without this and `cron`, it only runs when it is fired.",
};

describe(
  schemas.CreateAutomation,
  {
    id: "CreateAutomation",
    description: "An automation to create.",
    examples: [
      {
        ...{
          name: "digest",
          cron: "0 8 * * 1-5",
          timeZone: "Europe/Berlin",
          prompt: "Write the digest.",
        },
        session: { pattern: "ephemeral", maxBudgetUsd: 1, tags: ["digest"] },
      },
    ],
  },
  automationFields,
);

describe(
  schemas.PatchAutomation,
  {
    id: "PatchAutomation",
    description: "What changes. What is said of the time replaces all of it.",
    examples: [{ enabled: false }],
  },
  automationFields,
);

describe(
  schemas.FireAutomation,
  {
    id: "FireAutomation",
    description: "A run to start.",
    examples: [{ input: "Today: the release of 2.0." }],
  },
  { input: "Text that is appended to the prompt. 256 KiB at most." },
);

describe(schemas.NoFields, { id: "NoFields", description: "An empty object.", examples: [{}] }, {});

const cursor = "The `nextCursor` of the previous page.";
const limit = "The most entries of a page.";
const owner = "Of this owner. Only an admin may name another.";
const page = { cursor, limit };

describe(queries.ListSessions, null, {
  status: commaList("One or several.", { type: "string", enum: [...STATUSES] }),
  pattern: commaList("One or several.", { type: "string", enum: [...PATTERNS] }),
  userId: "Exactly this value.",
  conversationId: "Exactly this value.",
  tags: commaList("Up to 20.", { type: "string" }),
  tagsMode: "Whether a session must have all tags, or one at least.",
  createdAfter: "An instant with its zone, or a date; inclusive.",
  createdBefore: "An instant with its zone, or a date; exclusive.",
  search: "Text that the description contains, case-insensitive.",
  sort: "With `-` for descending.",
  page: "The number of the page, within the first 10,000 sessions.",
  pageSize: "The most sessions of a page.",
  cursor: `${cursor} Not together with \`page\`.`,
});
describe(queries.ReadConversation, null, { pageSize: "The most sessions of a page.", cursor });
describe(queries.StatsSummary, null, {
  userId: "Of this user.",
  from: "The first day of creation, in UTC; inclusive.",
  to: "The last day of creation, in UTC; inclusive.",
});
describe(queries.ListMessages, null, page);
describe(queries.ReadMessage, null, {
  waitMs:
    "How long to wait until the message has ended, or waits for somebody. Then it is answered as it is.",
});
describe(queries.ListApprovals, null, { ...page, status: "Only those with this status." });
describe(queries.ListPendingApprovals, null, {
  cursor,
  limit: "The most sessions of a page.",
  status: "Those that wait for a decision.",
});
describe(queries.ListDeliveries, null, { ...page, status: "Only those with this status." });
describe(queries.ListAutomations, null, page);
describe(queries.ListRuns, null, page);
describe(queries.ListKeys, null, { ...page, owner });
describe(queries.ListOwners, null, page);
describe(queries.ReadAudit, null, { ...page, owner, action: "Only entries of this action." });
describe(queries.ReadUsage, null, {
  owner,
  from: "The first day, in UTC; 30 days ago when absent.",
  to: "The last day, in UTC; today when absent.",
  groupBy: commaList("What rows are summed by. `user` and `tag` not together.", {
    type: "string",
    enum: [...USAGE_GROUPS],
  }),
});
describe(queries.ReadEvents, null, {
  after: "The `seq` of the last event that you have.",
  limit: "The most events of a page.",
});

/** Parameters of paths, by their names. */
export const PARAMETERS: Record<string, { description: string; example: unknown }> = {
  id: { description: "The id of the session.", example: examples.ids.session },
  messageId: { description: "The id of the message.", example: examples.ids.message },
  scheduleId: { description: "The id of the schedule.", example: examples.ids.schedule },
  approvalId: { description: "The id of the approval.", example: examples.ids.approval },
  shareId: { description: "The id of the share link.", example: examples.newShare.id },
  keyId: { description: "The id of the key.", example: examples.ids.key },
  webhookId: { description: "The id of the webhook.", example: examples.webhook.id },
  deliveryId: { description: "The id of the delivery.", example: examples.delivery.id },
  automationId: { description: "The id of the automation.", example: examples.automation.id },
  owner: { description: "The owner.", example: "acme" },
};
