import { z } from "zod";
import { SCOPES } from "../../../account/scopes";
import { Prompt } from "../../prompt";
import * as schemas from "../../schemas";
// First: a field with a schema of its own keeps the description of that.
import "./config";
import { describe } from "./describe";

// The bodies of requests.

z.globalRegistry.add(Prompt, {
  id: "Prompt",
  description:
    "Text that is not blank, or content blocks of the Messages API. 1 MiB at most, and 1.9 MB as JSON. A `base64` image must be complete, match its `media_type` and have at most 8,000 pixels a side.",
  examples: ["Start the changelog.", [{ type: "text", text: "Start the changelog." }]],
});

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
