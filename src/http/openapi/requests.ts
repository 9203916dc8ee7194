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

/**
 * Describes an object and each of its fields. A field with a schema of its own keeps the description of that. Throws if
 * two fields are the same schema and would need two descriptions.
 */
function describe<S extends z.ZodType>(
  schema: S,
  meta: Meta | null,
  fields: { [K in keyof z.input<S> & string]: string | Meta },
): void {
  const object = objectOf(schema);
  if (meta) z.globalRegistry.add(object, meta);
  for (const [name, said] of Object.entries<string | Meta>(fields)) {
    const field = object.shape[name] as z.ZodType;
    const known = z.globalRegistry.get(field);
    if (known?.id) continue;
    const given = typeof said === "string" ? { description: said } : said;
    if (known && known.description !== given.description) {
      throw new TypeError(`${name} shares its schema with a field of another description`);
    }
    z.globalRegistry.add(field, given);
  }
}

/** A list in a query, with commas between its items. */
const commaList = (description: string, items: Record<string, unknown>): Meta => ({
  description,
  override: { type: "array", items },
});

const toolFields = {
  allowedTools:
    "Permission rules, such as `Read` or `Bash(git *)`. Without them, every tool is allowed.",
  askTools:
    "Permission rules. A call that matches one waits for approval, also if `allowedTools` allows it.",
  disallowedTools:
    "Permission rules. A call that matches one is refused, whatever the other lists say.",
};

z.globalRegistry.add(Prompt, {
  id: "Prompt",
  description:
    "Text that is not blank, or content blocks of the Messages API. 1 MiB at most, and 1.9 MB as JSON. A `base64` image must be complete, match its `media_type` and have at most 8,000 pixels a side.",
  examples: ["Start the changelog.", [{ type: "text", text: "Start the changelog." }]],
});

describe(
  schemas.CustomAgent,
  {
    id: "CustomAgent",
    description:
      "A type of agents. A field that is absent has the session's value. What the session disallows or asks for holds for its agents too.",
  },
  {
    ...toolFields,
    description: "What the agent is for. The main agent reads it.",
    systemPrompt: "The system prompt of the agent.",
    model: "The model of the agent.",
    maxTurns: "The maximum number of turns of one task of the agent.",
    thinking: "Passed to the Messages API as `thinking`.",
    effort: "Passed to the Messages API.",
  },
);

describe(
  schemas.Secret,
  {
    id: "Secret",
    description:
      "Commands see a placeholder. The value is sent only in headers of requests to the hosts.",
  },
  {
    secret: "The value.",
    hosts: "The hosts that it is sent to, such as `api.github.com` or `*.example.com`.",
  },
);

describe(
  schemas.McpOauth,
  {
    id: "McpOauth",
    description:
      "The access to an MCP server by OAuth 2. Your app has the authorization; the server renews the access token by the refresh token, which the token endpoint may replace. Nothing of it is returned.",
    examples: [
      {
        tokenUrl: "https://auth.example.com/token",
        clientId: "rigger",
        refreshToken: "rt_5f0c6d1e9a2b47c3",
      },
    ],
  },
  {
    tokenUrl:
      "The token endpoint. `https`, with a host on the public internet; `MCP_ALLOW_PRIVATE_HOSTS` of the deployment allows any.",
    clientId: "The id of the client that the refresh token was issued to.",
    clientSecret: "Its secret, if it has one.",
    clientAuth:
      "How the secret is sent: `basic`, in the header `Authorization` (the default), or `post`, in the body.",
    refreshToken: "The refresh token.",
    accessToken: "An access token. Without it, the first request to the server gets one.",
    expiresAt:
      "When the access token expires. It is renewed a minute before, and when the server refuses it.",
    scope: "Is sent as `scope` with each renewal.",
  },
);

describe(
  schemas.McpServer,
  {
    id: "McpServer",
    description: "An MCP server, over Streamable HTTP.",
    examples: [
      {
        url: "https://mcp.example.com/mcp",
        headers: { Authorization: { secret: "Bearer 2f0c6d1e" } },
        tools: ["search", "create_issue"],
      },
    ],
  },
  {
    url: "Its address. `https`, with a host on the public internet and without credentials; `MCP_ALLOW_PRIVATE_HOSTS` of the deployment allows any.",
    headers:
      'Headers of each request: strings, or `{"secret"}`. A secret is also removed from what the server returns.',
    oauth: "How the access is renewed. Requests then have its access token.",
    tools: "The server's names of the tools that are offered; all when absent.",
    timeoutMs: "How long a call may take; 120,000 when absent.",
  },
);

describe(
  schemas.SandboxConfig,
  {
    id: "SandboxConfig",
    description:
      "Where commands run. An option or a network that the provider does not have is refused with 400.",
  },
  {
    provider:
      "`cloudflare`: a container. `embedded`: a shell in the session's object. `daytona`, `e2b`, `fly`, `modal`: a machine of this vendor. The setting `SANDBOX_PROVIDER` when absent, or else a container if the deployment has them. One that the deployment has no settings for is refused with 400.",
    network:
      "The hosts that commands may reach: `none`, `open`, or a list of up to 100 hosts such as `*.example.com`, in which `default` stands for package registries and code hosts. The default depends on the provider.",
    template: "The template that the machine is made from.",
    snapshot: "The vendor's snapshot that the machine is made from.",
    image: "The image that the machine runs.",
    region: "Where the machine runs.",
    size: "A size of machines that the vendor has a name for.",
    cpus: "The number of CPUs.",
    memoryMb: "The memory, in MB.",
    diskGb: "The disk, in GB.",
  },
);

describe(
  schemas.Repository,
  {
    id: "Repository",
    description: "A git repository that is cloned into the workspace before the first command.",
    examples: [{ url: "https://github.com/octocat/Hello-World", ref: "master", depth: 1 }],
  },
  {
    url: "Its address, with `https`, without a port and without credentials. Its host has to be in `sandbox.network`.",
    ref: "A branch, a tag, the full name of a ref, or a full commit. The default branch of the repository when absent.",
    path: "Its directory, relative to the workspace; `.` for the workspace itself. The repository's name when absent.",
    depth: "How many commits of the history are cloned. All when absent.",
    token:
      "With what the repository is read and written. It is sent to the host of the repository only, is never in the container, and is never returned.",
  },
);

const filePath = "Where it is, relative to the workspace.";

describe(
  schemas.TextFile,
  { id: "TextFile", description: "A text that the workspace begins with, in UTF-8." },
  { path: filePath, text: "Its content." },
);

describe(
  schemas.BytesFile,
  { id: "BytesFile", description: "A file of any bytes that the workspace begins with." },
  { path: filePath, base64: "Its content, in base64." },
);

describe(
  schemas.ArtifactFile,
  {
    id: "ArtifactFile",
    description:
      "A file that the workspace begins with, as a session of the same owner has published it.",
  },
  { path: filePath, artifactId: "The artifact that has its content." },
);

describe(
  schemas.ClientTool,
  {
    id: "ClientTool",
    description: "A tool whose calls the caller answers.",
    examples: [examples.clientTool],
  },
  {
    name: "Letters, digits, `_` and `-`. Not the name of a built-in tool, and not `mcp__…`.",
    description: "What the model reads about the tool. Claude Code passes on 4,096 characters.",
    inputSchema:
      "A JSON schema of an object, without `anyOf`, `oneOf` or `allOf` at its top. A call whose input does not match it is an error that the model reads, and is not requested.",
  },
);

describe(
  schemas.Config,
  {
    id: "Config",
    description:
      "The configuration of the agent. 256 KiB of JSON at most. Null means absent. An option that the deployment does not support is refused with 400.",
  },
  {
    ...toolFields,
    model:
      "The name of a model; `claude-sonnet-5-5` when absent. Any other name is a 400 that lists the known ones. The name of a retired model runs on its successor.",
    systemPrompt:
      "Replaces the server's short default prompt. The server appends the working directory and the date.",
    maxTurns:
      "The maximum number of turns of one message. The message then ends with `max_turns`, and the session goes on.",
    thinking:
      "Passed to the Messages API as `thinking`. When absent, models that support it use adaptive thinking. A value that the model does not support fails the first message.",
    effort:
      "Passed to the Messages API. A value that the model does not support fails the first message.",
    approvalTimeoutMs: "How long a call waits for approval; without it, until somebody decides.",
    onApprovalTimeout:
      "What happens then: the call is denied (the default), or the session ends with the reason `approval_timeout`.",
    clientTools:
      "Tools whose calls the caller answers, 64 at most, with 100,000 characters of JSON. Agents have them too, by their rules.",
    clientToolTimeoutMs:
      "How long a call of a client tool waits for its result. Then the model reads that nobody has answered. Without it, until the result is given.",
    warnAt:
      "The parts of budget and turns at which `limit.warned` is sent; `[0.5, 0.8, 1]` when absent, none for `[]`.",
    customAgents:
      "Additional agents by their names, 50 at most. A name has up to 64 letters, digits, `_` and `-`, and is not `main`.",
    resumeSessionId:
      "Starts with the history and the workspace of this session, by its `id` or `sessionId`. Of this, `continueSession` and `snapshotId`, the first one present is used.",
    continueSession:
      "Starts from the newest session of the same `conversationId` that is not ephemeral.",
    forkSession:
      "With one of the two above: a branch with its own `sessionId`. It is not part of the returned `config`.",
    snapshotId: "Starts from this snapshot, as a branch with its own `sessionId`.",
    artifacts:
      "Globs of files of the workspace, such as `dist/**`, up to 20. Files that match are published when a message ends. Agents also get the tool Publish, for `[]` too.",
    retentionDays:
      "For how many days the session is kept after its end; the setting `SESSION_RETENTION_DAYS` when absent.",
    runtime:
      "Where the agent runs. `loop` (the default): in the session's object. `claude-code`: as Claude Code in its container, which has to be there.",
    sandbox: "Where commands run.",
    env: "Environment variables of commands: strings, and secrets for some hosts only. They are never returned, and are stored encrypted if the deployment has an encryption key.",
    repositories:
      "Repositories that are cloned into the workspace, 10 at most. A session that starts from another one has that one's workspace: nothing is cloned, and tokens replace those of the same addresses.",
    setup:
      "Commands that run once in the workspace, after the repositories are cloned and before the first command of the agent: 20 at most, of up to 10,000 characters and 30 minutes each. What they make of the workspace is kept for sessions with the same set-up. If one fails, the session ends. Not run in a session that starts from another one.",
    files:
      "Files that the workspace begins with, 100 at most. Not written in a session that starts from another one.",
    mcpServers:
      "MCP servers whose tools the agents use, by their names, 20 at most. A name has up to 64 letters, digits, `_` and `-`, no `__`, and no `_` at its end. They are never returned, and are stored encrypted if the deployment has an encryption key.",
    outputSchema:
      "A JSON schema: the reply to each message is JSON that matches it, and `output` of the message is the parsed value.",
  },
);

const limitFields = {
  maxIdleTimeMs: "The maximum time without activity. A century at most; null means no limit.",
  maxLifetimeMs: "The maximum lifetime, from the creation. A century at most; null means no limit.",
  maxBudgetUsd: "The maximum cost, in dollars. It is never exceeded. Null means no limit.",
  maxTurns: "The maximum number of turns. Null means no limit.",
  onLimit:
    "What happens when the budget, the turns or the lifetime is used up: the session ends (the default), or pauses until the limit is raised.",
  tags: "Up to 50, without commas. Duplicates are removed.",
  description: "Text for people. Lists can search it.",
  userId: "The id of a user of your app. Lists, usage and limits know it.",
};

describe(
  schemas.CreateSession,
  {
    id: "CreateSession",
    description:
      "A session to create. A limit that is absent is the deployment's: `DEFAULT_MAX_IDLE_TIME_MS`, `DEFAULT_MAX_LIFETIME_MS` and `DEFAULT_MAX_BUDGET_USD`, and none for `maxTurns`.",
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
    conversationId:
      "A number that you choose: sessions with the same number belong to one conversation.",
    ...limitFields,
  },
);

describe(
  schemas.PatchSession,
  {
    id: "PatchSession",
    description:
      "What changes, one field at least, with the same bounds as at creation. Null clears a field.",
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
    agent:
      "The agent that answers; the main agent when absent, and with `onBusy: steer` the agent that answers the running message. One that the session does not have is a 400.",
    streaming: "Answers with a stream of the message's events.",
    background:
      "Answers with 202 at once, with the message as it is. Not together with `streaming`.",
    maxTurns:
      "The maximum number of turns of this message. The smaller of this and `config.maxTurns` applies.",
    maxBudgetUsd:
      "The maximum cost of this message, in dollars. The session goes on when it is used up.",
    onBusy:
      "What happens while another message runs or waits for somebody. `queue`: this one waits, first in, first out, in a queue of 100. `reject`: it is refused with 409. `interrupt`: the other one is stopped, and this one starts before those in the queue. `steer`: the prompt joins the other one, with its next call of the model; the answer is a 202 with that one. If that ends before, this one runs as those in the queue.",
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
    discardWorkspace:
      "Whether the files of a container are not saved. In a repeat, it ends the attempts to save them.",
  },
);

const timeFields = {
  cron: "A cron expression with five fields, six with seconds, or `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`. One that never matches is refused.",
  timeZone: "The time zone of `cron`, such as `Europe/Berlin`; `UTC` when absent.",
  everyMs:
    "An interval, instead of `cron`. The first run is one interval after the creation, and later ones are at multiples of it.",
};

describe(
  schemas.CreateSchedule,
  {
    id: "CreateSchedule",
    description:
      "A schedule to create: by cron, or at an interval. Its prompt has 64 KiB of JSON at most.",
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
  {
    paused:
      "Whether it sends nothing. Runs that were missed are not repeated, except a wake-up: it runs when it is resumed.",
  },
);

describe(
  schemas.ResolveApproval,
  {
    id: "ResolveApproval",
    description: "A decision about a call.",
    examples: [{ decision: "allow", note: "To main, for once.", remember: "session" }],
  },
  {
    decision: "Whether the call is made. The model reads a denial as the result of its call.",
    note: "What the model reads with the result.",
    input:
      "With `allow`: the input that the call is made with instead of its own. It is held to the permission rules, the model is told, and both are recorded.",
    remember:
      "`session`: the same call, by any agent of the session, is decided in the same way from now on. It is the same if the tool and the whole input are equal, apart from the `description` of a built-in tool's input.",
  },
);

describe(
  schemas.CreatePreview,
  { id: "CreatePreview", description: "A preview to create.", examples: [{ port: 5173 }] },
  {
    port: "The port that the server listens on in the sandbox, at any of its addresses. Ports of the sandbox's own programs are refused.",
    expiresInMs: "How long the address works: a day when absent, 30 days at most.",
  },
);

describe(
  schemas.GivenResult,
  {
    id: "GivenResult",
    description: "The result of a call. 1.7 MB of JSON at most.",
    examples: [{ toolUseId: "toolu_01", content: '{"id":4711,"status":"sent"}' }],
  },
  {
    toolUseId: "The call, as in `tool.requested`.",
    content: "What the model reads: text, or blocks of text and images (base64).",
    isError: "Whether the call has failed; false when absent.",
  },
);

describe(
  schemas.AnswerTools,
  {
    id: "AnswerTools",
    description: "Results of calls.",
    examples: [{ results: [{ toolUseId: "toolu_01", content: "sent" }] }],
  },
  { results: "Up to 100, one for each call." },
);

describe(
  schemas.CreateShare,
  {
    id: "CreateShare",
    description: "A share link to create.",
    examples: [{ access: "read", description: "for Ann" }],
  },
  {
    access:
      "`read`: to read the session, its messages and events, without system prompts. `write`: also to send messages and interrupt them.",
    expiresInMs: "How long it works: a week when absent, 30 days at most.",
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
    tools:
      "Permission rules that limit the sessions that it creates, 8,000 characters in all; no such limit when absent.",
    expiresAt: "The instant from which it is refused, with its zone; none when absent.",
  },
);

describe(
  schemas.RotateKey,
  { id: "RotateKey", description: "How to rotate the key.", examples: [{ graceMs: 3_600_000 }] },
  {
    graceMs: "For how long the old secret still works, a day at most. A second rotation ends it.",
  },
);

describe(
  schemas.PutLimits,
  {
    id: "PutOwnerLimits",
    description: "All limits of the owner. Null is none; one that is absent is the deployment's.",
    examples: [{ maxDailyUsd: 20, maxRunningMessages: 5, perUser: { maxDailyUsd: 2 } }],
  },
  {
    maxActiveSessions: "Sessions that have not ended. One more is a 429 `too_many_sessions`.",
    maxRunningMessages: "Messages that run at once. One more waits with the status `queued`.",
    maxDailyUsd:
      "Dollars in a day, in UTC. When they are used up, a new message is a 429 `spend_limit`, and a running one ends with `budget_limit`.",
    maxMonthlyUsd: "Dollars in a month, in UTC; as those in a day.",
    maxRequestsPerMinute:
      "Requests a minute of the owner's keys, and of each share link. One more is a 429 `too_many_requests`.",
    perUser: "Limits of each `userId`.",
  },
);

describe(schemas.UserLimits, null, {
  maxActiveSessions: "Sessions of a user that have not ended.",
  maxDailyUsd: "Dollars of a user in a day, in UTC.",
});

const webhookFields = {
  url: "`https`, with a host on the public internet and without credentials. `WEBHOOK_ALLOW_PRIVATE_HOSTS` of the deployment allows any.",
  events:
    "Types of events of sessions, and `owner.limit_warned`. `*` in one is any text: `message.*`, `*`. One that names no type is a 400.",
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
  {
    ...webhookFields,
    enabled:
      "Whether it is sent events. While it is not, new events are not kept for it; those that wait are sent when it is enabled again.",
  },
);

describe(
  schemas.RotateWebhookSecret,
  {
    id: "RotateWebhookSecret",
    description: "How to rotate the secret.",
    examples: [{ graceMs: 0 }],
  },
  {
    graceMs:
      "For how long the old secret signs beside the new one: a day when absent, and at most. Four old ones at most do.",
  },
);

const automationFields = {
  ...timeFields,
  name: "Text for people.",
  session: "The session that each run starts.",
  prompt: "What it is sent. 64 KiB of JSON at most.",
  maxConcurrentRuns:
    "How many of its runs may be at work at once, 5 by default. One more is `skipped`, or refused if it is fired.",
  enabled: "Whether it runs, by itself and when it is fired.",
  everyMs:
    "An interval, a minute at least. Without this and `cron`, it only runs when it is fired.",
};

describe(
  schemas.CreateAutomation,
  {
    id: "CreateAutomation",
    description:
      "An automation to create. `session` is what each run creates, and `prompt` (64 KiB of JSON at most) what that is sent.",
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
    description:
      "What changes, one field at least. What is said of the time replaces all of it; null is none.",
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
  {
    input:
      "Text that is appended to the prompt, 256 KiB at most. It may come from anybody who has the token.",
  },
);

describe(schemas.NoFields, { id: "NoFields", description: "An empty object.", examples: [{}] }, {});

const cursor = "The `nextCursor` of the previous page.";
const limit = "The most entries of a page.";
const owner = "Of this owner; of the caller's when absent. Only an admin may name another.";
const ownerOfMany =
  "Of this owner. Only an admin may name another; when absent, an admin gets those of all.";
const page = { cursor, limit };

describe(queries.ListSessions, null, {
  status: commaList("One of these, separated by commas.", { type: "string", enum: [...STATUSES] }),
  pattern: commaList("One of these, separated by commas.", {
    type: "string",
    enum: [...PATTERNS],
  }),
  userId: "Exactly this value.",
  conversationId: "Exactly this value.",
  tags: commaList("Up to 20, separated by commas.", { type: "string" }),
  tagsMode: "Whether a session must have all tags, or one at least.",
  createdAfter:
    "An instant with its zone, or a date, which means its first instant in UTC; inclusive.",
  createdBefore:
    "An instant with its zone, or a date, which means its first instant in UTC; exclusive.",
  search:
    "Text that the description contains, case-insensitive in every alphabet: `STRASSE` finds `Straße`.",
  sort: "The order, with `-` for descending. Equal ones are in the order of their creation, then of their ids.",
  page: "The number of the page, from 1, within the first 10,000 sessions. Beyond them, use `cursor`.",
  pageSize: "The most sessions of a page.",
  cursor:
    "The `nextCursor` of the previous page, with the same filters and the same `sort`. Not together with `page`.",
});
describe(queries.ReadConversation, null, { pageSize: "The most sessions of a page.", cursor });
describe(queries.StatsSummary, null, {
  userId: "Of this user.",
  from: "The first day of creation, in UTC; inclusive.",
  to: "The last day of creation, in UTC; inclusive.",
  groupBy: "Adds `byDay`: the sessions of each day of creation.",
});
describe(queries.ListMessages, null, {
  cursor,
  limit: "The most messages of a page. It has fewer if they are large.",
});
describe(queries.ReadMessage, null, {
  waitMs:
    "How long to wait until the message has ended, or the session waits for somebody. Then the message is returned as it is.",
});
describe(queries.ListApprovals, null, { ...page, status: "Only those with this status." });
describe(queries.ListArtifacts, null, {
  ...page,
  path: "Only those of this path.",
  messageId: "Only those of this message.",
});
describe(queries.ListPendingApprovals, null, {
  cursor,
  limit: "The most sessions of a page, with up to 100 approvals each.",
  status: "Those that wait for a decision.",
});
describe(queries.ListFiles, null, {
  ...page,
  path: "The directory, relative to the workspace; by default the workspace itself.",
  recursive: "Whether to list what is below its directories too.",
});
describe(queries.ArchiveFiles, null, {
  path: "The directory, relative to the workspace; by default the workspace itself.",
});
describe(queries.DeleteFile, null, {
  recursive: "Whether a directory is deleted, with all below it. Otherwise it is a 409.",
});
describe(queries.ListDeliveries, null, { ...page, status: "Only those with this status." });
describe(queries.ListAutomations, null, page);
describe(queries.ListRuns, null, page);
describe(queries.ListKeys, null, { ...page, owner });
describe(queries.ListOwners, null, page);
describe(queries.ReadAudit, null, {
  ...page,
  owner: ownerOfMany,
  action: "Only entries of this action.",
});
describe(queries.ReadUsage, null, {
  owner: ownerOfMany,
  from: "The first day, in UTC; inclusive. With it absent, there are 30 days.",
  to: "The last day, in UTC; inclusive. Today when absent.",
  groupBy: commaList(
    "What rows are summed by, separated by commas. `user` and `tag` not together.",
    {
      type: "string",
      enum: [...USAGE_GROUPS],
    },
  ),
});
describe(queries.ReadEvents, null, {
  after: "The `seq` of the last event that you have.",
  limit: "The most events of a page. It has fewer if they are large.",
});

/** Parameters of paths, by their names. */
export const PARAMETERS: Record<string, { description: string; example: unknown }> = {
  id: { description: "The id of the session.", example: examples.ids.session },
  path: {
    description:
      "The path of the file, relative to the workspace: names that are percent-encoded, with slashes between them.",
    example: "data/input.csv",
  },
  messageId: { description: "The id of the message.", example: examples.ids.message },
  scheduleId: { description: "The id of the schedule.", example: examples.ids.schedule },
  approvalId: { description: "The id of the approval.", example: examples.ids.approval },
  artifactId: { description: "The id of the artifact.", example: examples.ids.artifact },
  shareId: { description: "The id of the share link.", example: examples.newShare.id },
  previewId: { description: "The id of the preview.", example: examples.preview.id },
  keyId: { description: "The id of the key.", example: examples.ids.key },
  webhookId: { description: "The id of the webhook.", example: examples.webhook.id },
  deliveryId: { description: "The id of the delivery.", example: examples.delivery.id },
  automationId: { description: "The id of the automation.", example: examples.automation.id },
  owner: { description: "The owner.", example: "acme" },
};
