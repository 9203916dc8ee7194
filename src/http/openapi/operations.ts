import { z } from "zod";
import * as queries from "../queries";
import * as schemas from "../schemas";
import type { ErrorStatus } from "./errors";
import { Event, Streamed } from "./events";
import * as automations from "./objects/automations";
import * as messages from "./objects/messages";
import * as owners from "./objects/owners";
import * as sessions from "./objects/sessions";
import * as sums from "./objects/sums";
import * as webhooks from "./objects/webhooks";
import * as workspace from "./objects/workspace";

/** The objects of all answers, by their names. */
const o = {
  ...automations,
  ...messages,
  ...owners,
  ...sessions,
  ...sums,
  ...webhooks,
  ...workspace,
};

/** One endpoint, as the document describes it. */
export interface Operation {
  /** Its name in generated clients. */
  id: string;
  tag: string;
  summary: string;
  description?: string;
  body?: z.ZodType;
  query?: z.ZodType;
  /** Whether it accepts `Idempotency-Key`. */
  idempotent?: true;
  /** Whether it accepts `Last-Event-ID`. */
  resumable?: true;
  /** Whether it accepts `traceparent`. */
  traced?: true;
  /** Whether its body is the content of a file. */
  isUpload?: true;
  /** The names of other headers that it accepts. */
  headers?: readonly (keyof typeof FILE_HEADERS)[];
  /** Its answers: a schema of JSON, schemas by media type, or null for an empty one. */
  answers: Record<number, Answer>;
  /** Errors besides those that each endpoint of its kind may have. */
  errors?: readonly ErrorStatus[];
}

/** The headers of requests for files. */
export const FILE_HEADERS = {
  "If-Match": "The ETag that the file must have, or several; `*` for any file.",
  "If-None-Match":
    "An ETag that the file must not have, or several. `*` in a `PUT`: there must be no file.",
  "If-Modified-Since": "A time; counts without `If-None-Match`.",
  Range: "One range of bytes: `bytes=0-1023`, `bytes=1024-` or `bytes=-512`.",
  "If-Range": "The ETag or the time of the file of which `Range` is a part.",
};

const binary = z.string().meta({ format: "binary" });
const FILE_RANGE = { "*/*": binary };

interface Answer {
  description: string;
  content: z.ZodType | Record<string, z.ZodType> | null;
}

const ok = (description: string, content: Answer["content"]) => ({ 200: { description, content } });
const created = (description: string, content: Answer["content"]) => ({
  201: { description, content },
});
const gone = { 204: { description: "It is deleted.", content: null } };
const paged = <S extends z.ZodRawShape>(list: S) =>
  z.object({
    ...list,
    nextCursor: z
      .string()
      .nullable()
      .describe("Pass it as `cursor` for the next page; null on the last one."),
  });

const SSE = "text/event-stream";

/** Every endpoint of the API, by its method and its route. */
export const OPERATIONS: Record<string, Operation> = {
  "POST /api/sessions": {
    id: "createSession",
    tag: "Sessions",
    summary: "Create a session",
    description:
      "With `resumeSessionId`, `continueSession` or `snapshotId` in `config`, answers when everything is copied.",
    body: schemas.CreateSession,
    idempotent: true,
    answers: created("The session.", o.Session),
    errors: [404, 409],
  },
  "GET /api/sessions": {
    id: "listSessions",
    tag: "Sessions",
    summary: "List sessions",
    description:
      'From an index, which may lag behind the sessions by a second, two while a message runs. Filters are combined with "and".',
    query: queries.ListSessions,
    answers: ok(
      "A page of sessions.",
      paged({
        sessions: z.array(o.Session),
        page: z.int().nullable().describe("Null with `cursor`."),
        pageSize: z.int().describe("The most sessions of this page."),
        total: z
          .int()
          .min(0)
          .describe("Sessions that match; with a cursor, as counted at the first page."),
        totalIsExact: z.boolean().describe("False: `total` and `totalPages` are lower bounds."),
        totalPages: z.int().min(0),
      }),
    ),
  },
  "GET /api/sessions/stats/summary": {
    id: "summarizeSessions",
    tag: "Usage",
    summary: "Sum up sessions",
    description: "By the day of their creation.",
    query: queries.StatsSummary,
    answers: ok("Sums and averages. Removed and deleted sessions are included.", o.Summary),
  },
  "GET /api/sessions/:id": {
    id: "getSession",
    tag: "Sessions",
    summary: "Read a session",
    description: "From its own object: never stale.",
    answers: ok("The session.", o.Session),
  },
  "PATCH /api/sessions/:id": {
    id: "updateSession",
    tag: "Sessions",
    summary: "Change a session's limits and metadata",
    description:
      "If a new limit is already used up, the session ends or pauses: at once while no message runs, otherwise at the next turn. An ended session stays ended.",
    body: schemas.PatchSession,
    answers: ok("The changed session.", o.Session),
  },
  "DELETE /api/sessions/:id": {
    id: "deleteSession",
    tag: "Sessions",
    summary: "Delete a session",
    description:
      "With its history, its events, its files and its snapshots. A session that has not ended is terminated first, with the reason `deleted`. Sessions that were created from it stay.",
    answers: gone,
  },
  "POST /api/sessions/:id/terminate": {
    id: "terminateSession",
    tag: "Sessions",
    summary: "End a session",
    description:
      "Stops the running message; queued ones end as `interrupted`. Repeating it changes nothing. The body may be empty.",
    body: schemas.Terminate,
    answers: ok("The session.", o.Session),
  },
  "GET /api/sessions/:id/export": {
    id: "exportSession",
    tag: "Sessions",
    summary: "Export a session",
    description:
      "One JSON object a line: the session (`type` is `session`), its messages (`message`), its events, and last a line with the `type` `end` and the numbers of messages and events. Without that line the export is not complete.",
    answers: ok("Everything of the session.", { "application/x-ndjson": z.string() }),
  },

  "POST /api/sessions/:id/message": {
    id: "sendMessage",
    tag: "Messages",
    summary: "Send a message",
    description:
      "Answers when the message has ended, by a limit or an interrupt too: check `status` and `stopReason`. With `streaming`, answers with its events; with `background`, at once. The message goes on if the client disconnects. To attach to it again, repeat the request with the same `Idempotency-Key` and body.",
    body: schemas.SendMessage,
    idempotent: true,
    resumable: true,
    traced: true,
    answers: {
      200: {
        description: "The message, which has ended; or its events as server-sent events.",
        content: { "application/json": o.Message, [SSE]: Streamed },
      },
      202: {
        description:
          "The message, which runs in the background or waits for somebody; with `onBusy: steer`, the message that the prompt joins.",
        content: o.Message,
      },
    },
    errors: [409, 502],
  },
  "POST /api/sessions/:id/interrupt": {
    id: "interruptSession",
    tag: "Messages",
    summary: "Interrupt the running message",
    description:
      "Stops the message that runs or waits, and starts the next one of the queue. The agent's text so far is kept, and a running command is stopped.",
    body: schemas.NoFields,
    answers: ok(
      "The message; null if there was none.",
      z.object({ message: o.Message.nullable() }),
    ),
  },
  "GET /api/sessions/:id/messages": {
    id: "listMessages",
    tag: "Messages",
    summary: "List messages",
    query: queries.ListMessages,
    answers: ok("A page of messages, oldest first.", paged({ messages: z.array(o.Message) })),
  },
  "GET /api/sessions/:id/messages/:messageId": {
    id: "getMessage",
    tag: "Messages",
    summary: "Read a message",
    query: queries.ReadMessage,
    answers: ok("The message.", o.Message),
  },

  "GET /api/sessions/:id/events": {
    id: "listEvents",
    tag: "Events",
    summary: "Read or stream events",
    description:
      "Events in the order of `seq`. With `Accept: text/event-stream`, streams the whole log and goes on live until the session ends; `Last-Event-ID` takes precedence over `after`.",
    query: queries.ReadEvents,
    resumable: true,
    answers: {
      200: {
        description: "A page of events, or a stream of them.",
        content: {
          "application/json": z.object({
            events: z.array(Event),
            hasMore: z.boolean().describe("Whether there are more."),
          }),
          [SSE]: Streamed,
        },
      },
    },
  },

  "GET /api/sessions/:id/approvals": {
    id: "listApprovals",
    tag: "Approvals",
    summary: "List the approvals of a session",
    query: queries.ListApprovals,
    answers: ok("A page of approvals, oldest first.", paged({ approvals: z.array(o.Approval) })),
  },
  "POST /api/sessions/:id/approvals/:approvalId": {
    id: "resolveApproval",
    tag: "Approvals",
    summary: "Allow or deny a call",
    description:
      "The same decision again changes nothing; another one is a 409. The scope `sessions:write` does not include this.",
    body: schemas.ResolveApproval,
    answers: ok("The approval.", o.Approval),
    errors: [409],
  },
  "GET /api/approvals": {
    id: "listPendingApprovals",
    tag: "Approvals",
    summary: "List what waits for a decision",
    description:
      "In all sessions of the caller, the oldest request of a page first. The list of sessions may lag a second behind; the approvals come from the sessions themselves.",
    query: queries.ListPendingApprovals,
    answers: ok(
      "The pending approvals of all sessions of the caller.",
      paged({ approvals: z.array(o.Approval) }),
    ),
  },

  "GET /api/sessions/:id/mcp-servers": {
    id: "listMcpServers",
    tag: "MCP servers",
    summary: "List the MCP servers of a session",
    answers: ok(
      "The servers by their names, with the tools that they offer.",
      z.object({ mcpServers: z.array(o.SessionMcpServer) }),
    ),
  },
  "PUT /api/sessions/:id/mcp-servers/:name/oauth": {
    id: "authorizeMcpServer",
    tag: "MCP servers",
    summary: "Give access to an MCP server",
    description:
      "Replaces `oauth` of the server, also if it had none: when its refresh token was revoked, or to authorize it later than the session is created. The next request to the server uses it.",
    body: schemas.McpOauth,
    answers: ok("The server.", o.SessionMcpServer),
    errors: [409],
  },

  "GET /api/sessions/:id/tool-requests": {
    id: "listToolRequests",
    tag: "Client tools",
    summary: "List the calls that wait for their results",
    answers: ok(
      "The calls of client tools that wait, oldest first.",
      z.object({ toolRequests: z.array(o.ToolRequest) }),
    ),
  },
  "POST /api/sessions/:id/tool-results": {
    id: "answerTools",
    tag: "Client tools",
    summary: "Give the results of calls",
    description:
      "All results are taken, or none. The message goes on when nothing of it waits any more. The result that a call has already changes nothing; another one is a 409.",
    body: schemas.AnswerTools,
    answers: ok("The calls that have their results, and those that wait.", o.TakenResults),
    errors: [409],
  },
  "GET /api/tool-requests": {
    id: "listAllToolRequests",
    tag: "Client tools",
    summary: "List the calls of all sessions that wait for their results",
    description:
      "In all sessions of the caller, the oldest call of a page first. The list of sessions may lag a second behind; the calls come from the sessions themselves.",
    query: queries.ListAllToolRequests,
    answers: ok(
      "The waiting calls of all sessions of the caller.",
      paged({ toolRequests: z.array(o.ToolRequest) }),
    ),
  },

  "POST /api/sessions/:id/schedules": {
    id: "createSchedule",
    tag: "Schedules",
    summary: "Create a schedule",
    description:
      "A session has 20 at most, wake-ups included. An ephemeral session has none (400), and an ended one gets none (409).",
    body: schemas.CreateSchedule,
    idempotent: true,
    answers: created("The schedule.", o.Schedule),
    errors: [409],
  },
  "GET /api/sessions/:id/schedules": {
    id: "listSchedules",
    tag: "Schedules",
    summary: "List schedules",
    answers: ok("The schedules and wake-ups.", z.object({ schedules: z.array(o.Schedule) })),
  },
  "PATCH /api/sessions/:id/schedules/:scheduleId": {
    id: "updateSchedule",
    tag: "Schedules",
    summary: "Pause or resume a schedule",
    body: schemas.PatchSchedule,
    answers: ok("The schedule.", o.Schedule),
    errors: [409],
  },
  "DELETE /api/sessions/:id/schedules/:scheduleId": {
    id: "deleteSchedule",
    tag: "Schedules",
    summary: "Delete a schedule",
    description: "A message that it has already sent stays in the queue.",
    answers: gone,
    errors: [409],
  },

  "POST /api/sessions/:id/snapshots": {
    id: "createSnapshot",
    tag: "Snapshots",
    summary: "Create a snapshot",
    description:
      "Only while no message runs. A session keeps its 10 newest, for 30 days each; they stay when it ends, and go when it is deleted.",
    body: schemas.NoFields,
    answers: created("The snapshot.", o.Snapshot),
    errors: [409],
  },
  "GET /api/sessions/:id/snapshots": {
    id: "listSnapshots",
    tag: "Snapshots",
    summary: "List snapshots",
    answers: ok("The snapshots, newest first.", z.object({ snapshots: z.array(o.Snapshot) })),
  },

  "GET /api/sessions/:id/files": {
    id: "listFiles",
    tag: "Files",
    summary: "List files",
    description:
      "What is in a directory of the workspace, by name: each directory comes before its content. Links are not followed. The files of a session without a container are read from its saved workspace; nothing is started.",
    query: queries.ListFiles,
    answers: ok("A page of entries.", paged({ entries: z.array(o.FileEntry) })),
    errors: [409],
  },
  "GET /api/sessions/:id/files/*": {
    id: "readFile",
    tag: "Files",
    summary: "Read a file",
    description:
      "The path is relative to the workspace, each name percent-encoded. Links are followed inside the workspace. Nothing is started. The media type is that of the ending.",
    headers: ["Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since"],
    answers: {
      200: { description: "The file, with `ETag` and `Last-Modified`.", content: FILE_RANGE },
      206: { description: "A part of the file, with `Content-Range`.", content: FILE_RANGE },
      304: { description: "The client has the file already.", content: null },
    },
    errors: [409, 412, 416],
  },
  "PUT /api/sessions/:id/files/*": {
    id: "writeFile",
    tag: "Files",
    summary: "Write a file",
    description:
      "The body is the content. Directories are made. Other processes see the old content or the new one, and of an upload that breaks off nothing. Wakes a session that sleeps, and counts as activity.",
    isUpload: true,
    headers: ["If-Match", "If-None-Match"],
    answers: {
      201: { description: "The file is new. `ETag` is that of the content.", content: null },
      204: { description: "The file was replaced.", content: null },
    },
    errors: [409, 412, 413],
  },
  "DELETE /api/sessions/:id/files/*": {
    id: "deleteFile",
    tag: "Files",
    summary: "Delete a file",
    description:
      "A link is deleted, and not what it leads to. Wakes a session that sleeps, and counts as activity.",
    query: queries.DeleteFile,
    headers: ["If-Match"],
    answers: gone,
    errors: [409, 412],
  },
  "GET /api/sessions/:id/archive": {
    id: "archiveFiles",
    tag: "Files",
    summary: "Read files as an archive",
    description:
      "A directory of the workspace with all below it, as a tar archive in POSIX's format. Names are relative to the directory. If a file is replaced while it is read, the answer breaks off, without the two empty blocks at the end of an archive.",
    query: queries.ArchiveFiles,
    answers: ok("The archive.", { "application/x-tar": binary }),
    errors: [409],
  },

  "POST /api/sessions/:id/shares": {
    id: "createShare",
    tag: "Share links",
    summary: "Create a share link",
    description: "A session has 100 at most that can be used.",
    body: schemas.CreateShare,
    idempotent: true,
    answers: created("The share link, with its token.", o.NewShare),
    errors: [409],
  },
  "GET /api/sessions/:id/shares": {
    id: "listShares",
    tag: "Share links",
    summary: "List share links",
    answers: ok("The links that can be used.", z.object({ shares: z.array(o.Share) })),
  },
  "DELETE /api/sessions/:id/shares/:shareId": {
    id: "deleteShare",
    tag: "Share links",
    summary: "Revoke a share link",
    description:
      "At once: requests are refused, and streams end. A message that it has sent goes on.",
    answers: gone,
  },

  "POST /api/sessions/:id/previews": {
    id: "createPreview",
    tag: "Previews",
    summary: "Create a preview",
    description:
      "For sandboxes with a network: containers and machines. The server need not listen yet. A session has 20 at most that can be used.",
    body: schemas.CreatePreview,
    idempotent: true,
    answers: created("The preview, with its address.", o.NewPreview),
    errors: [409],
  },
  "GET /api/sessions/:id/previews": {
    id: "listPreviews",
    tag: "Previews",
    summary: "List previews",
    answers: ok("The previews that can be used.", z.object({ previews: z.array(o.Preview) })),
  },
  "DELETE /api/sessions/:id/previews/:previewId": {
    id: "deletePreview",
    tag: "Previews",
    summary: "Delete a preview",
    description: "Within 15 seconds, its address leads nowhere any more, and open connections end.",
    answers: gone,
  },

  "GET /api/sessions/:id/artifacts": {
    id: "listArtifacts",
    tag: "Artifacts",
    summary: "List artifacts",
    description: "Also after the session has ended, until it is deleted.",
    query: queries.ListArtifacts,
    answers: ok("A page of artifacts, newest first.", paged({ artifacts: z.array(o.Artifact) })),
  },
  "GET /api/sessions/:id/artifacts/:artifactId": {
    id: "getArtifact",
    tag: "Artifacts",
    summary: "Read an artifact",
    answers: ok("The artifact, without its content.", o.Artifact),
  },
  "GET /api/sessions/:id/artifacts/:artifactId/content": {
    id: "getArtifactContent",
    tag: "Artifacts",
    summary: "Read the content of an artifact",
    description:
      "The bytes, with the artifact's `contentType`, to be downloaded under its name. The ETag is the `sha256`.",
    headers: ["Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since"],
    answers: {
      200: { description: "The content, with `ETag` and `Last-Modified`.", content: FILE_RANGE },
      206: { description: "A part of the content, with `Content-Range`.", content: FILE_RANGE },
      304: { description: "The client has it already.", content: null },
    },
    errors: [412, 416],
  },

  "GET /api/conversations/:id": {
    id: "getConversation",
    tag: "Conversations",
    summary: "Read a conversation and its sessions",
    description:
      "From the index. With admin rights, of all owners that use the number. A number that no session was created with is a 404.",
    query: queries.ReadConversation,
    answers: ok("The conversation.", o.Conversation),
  },

  "POST /api/webhooks": {
    id: "createWebhook",
    tag: "Webhooks",
    summary: "Create a webhook",
    description: "An owner has 20 at most.",
    body: schemas.CreateWebhook,
    idempotent: true,
    answers: created("The webhook, with its secret.", o.NewWebhook),
    errors: [404, 409],
  },
  "GET /api/webhooks": {
    id: "listWebhooks",
    tag: "Webhooks",
    summary: "List webhooks",
    answers: ok("The webhooks, oldest first.", z.object({ webhooks: z.array(o.Webhook) })),
  },
  "GET /api/webhooks/:webhookId": {
    id: "getWebhook",
    tag: "Webhooks",
    summary: "Read a webhook",
    answers: ok("The webhook.", o.Webhook),
  },
  "PATCH /api/webhooks/:webhookId": {
    id: "updateWebhook",
    tag: "Webhooks",
    summary: "Change a webhook",
    description: "A running session learns of it within about two seconds of its next activity.",
    body: schemas.PatchWebhook,
    answers: ok("The changed webhook.", o.Webhook),
  },
  "DELETE /api/webhooks/:webhookId": {
    id: "deleteWebhook",
    tag: "Webhooks",
    summary: "Delete a webhook",
    answers: gone,
  },
  "POST /api/webhooks/:webhookId/rotate-secret": {
    id: "rotateWebhookSecret",
    tag: "Webhooks",
    summary: "Rotate the secret of a webhook",
    body: schemas.RotateWebhookSecret,
    answers: ok("The webhook, with its new secret.", o.NewWebhook),
  },
  "POST /api/webhooks/:webhookId/test": {
    id: "testWebhook",
    tag: "Webhooks",
    summary: "Send a test event",
    description: "Sends `webhook.test` at once, and answers with how that went.",
    body: schemas.NoFields,
    answers: ok(
      "How that went.",
      z.object({
        status: z.int().nullable().describe("The status of the answer; null if there was none."),
        durationMs: z.number().min(0),
        error: z.string().nullable().describe("Why it has failed; null if it was accepted."),
      }),
    ),
  },
  "GET /api/webhooks/:webhookId/deliveries": {
    id: "listDeliveries",
    tag: "Webhooks",
    summary: "List deliveries",
    query: queries.ListDeliveries,
    answers: ok("A page of deliveries, newest first.", paged({ deliveries: z.array(o.Delivery) })),
  },
  "POST /api/webhooks/:webhookId/deliveries/:deliveryId/redeliver": {
    id: "redeliver",
    tag: "Webhooks",
    summary: "Send an event again",
    description: "Out of its order: nothing waits for it.",
    body: schemas.NoFields,
    answers: { 202: { description: "The delivery.", content: o.Delivery } },
  },

  "POST /api/automations": {
    id: "createAutomation",
    tag: "Automations",
    summary: "Create an automation",
    description:
      "An owner has 100 at most. The `tools` of the key that creates it hold for its sessions.",
    body: schemas.CreateAutomation,
    idempotent: true,
    answers: created("The automation, with its token.", o.NewAutomation),
    errors: [409],
  },
  "GET /api/automations": {
    id: "listAutomations",
    tag: "Automations",
    summary: "List automations",
    query: queries.ListAutomations,
    answers: ok(
      "A page of automations, oldest first.",
      paged({ automations: z.array(o.Automation) }),
    ),
  },
  "GET /api/automations/:automationId": {
    id: "getAutomation",
    tag: "Automations",
    summary: "Read an automation",
    answers: ok("The automation.", o.Automation),
  },
  "PATCH /api/automations/:automationId": {
    id: "updateAutomation",
    tag: "Automations",
    summary: "Change an automation",
    description: "A key with fewer `tools` than it was made with is refused.",
    body: schemas.PatchAutomation,
    answers: ok("The changed automation.", o.Automation),
  },
  "DELETE /api/automations/:automationId": {
    id: "deleteAutomation",
    tag: "Automations",
    summary: "Delete an automation",
    answers: gone,
  },
  "POST /api/automations/:automationId/rotate-token": {
    id: "rotateAutomationToken",
    tag: "Automations",
    summary: "Rotate the token of an automation",
    body: schemas.NoFields,
    answers: ok("The automation, with its new token.", o.NewAutomation),
  },
  "POST /api/automations/:automationId/fire": {
    id: "fireAutomation",
    tag: "Automations",
    summary: "Start a run",
    description:
      "The automation's own token may do it too. Answers when the session has its message. With an `Idempotency-Key`, one run is started. The body may be empty.",
    body: schemas.FireAutomation,
    idempotent: true,
    answers: { 202: { description: "The run.", content: o.FiredRun } },
    errors: [409],
  },
  "GET /api/automations/:automationId/runs": {
    id: "listRuns",
    tag: "Automations",
    summary: "List runs",
    description: "Runs at work are asked when the list is read.",
    query: queries.ListRuns,
    answers: ok("A page of runs, newest first.", paged({ runs: z.array(o.AutomationRun) })),
  },

  "GET /api/me": {
    id: "getMe",
    tag: "Keys",
    summary: "Tell who the caller is",
    answers: ok("Who you are, and what you may do.", o.Me),
  },
  "POST /api/keys": {
    id: "createKey",
    tag: "Keys",
    summary: "Create a key",
    description:
      "Nobody gives a key more than their own has: no other scope, no other tools, no later expiry. An owner has 1,000 at most that can be used.",
    body: schemas.CreateKey,
    idempotent: true,
    answers: created("The key, with its secret.", o.NewKey),
    errors: [409],
  },
  "GET /api/keys": {
    id: "listKeys",
    tag: "Keys",
    summary: "List keys",
    description:
      "A key that was revoked or has expired is listed for 90 days, if it is one of the last 1,000 of them.",
    query: queries.ListKeys,
    answers: ok("A page of keys, newest first.", paged({ keys: z.array(o.Key) })),
  },
  "GET /api/keys/:keyId": {
    id: "getKey",
    tag: "Keys",
    summary: "Read a key",
    answers: ok("The key.", o.Key),
  },
  "POST /api/keys/:keyId/rotate": {
    id: "rotateKey",
    tag: "Keys",
    summary: "Rotate a key",
    description:
      "Gives it a new secret. A key that was revoked or has expired can't be rotated. The body may be empty.",
    body: schemas.RotateKey,
    answers: ok("The key, with its new secret.", o.NewKey),
    errors: [409],
  },
  "DELETE /api/keys/:keyId": {
    id: "revokeKey",
    tag: "Keys",
    summary: "Revoke a key",
    description: "It is refused everywhere within 30 seconds. Repeating it changes nothing.",
    answers: { 204: { description: "It is revoked.", content: null } },
  },

  "GET /api/owners": {
    id: "listOwners",
    tag: "Owners",
    summary: "List owners",
    description: "Those that have had sessions.",
    query: queries.ListOwners,
    answers: ok("A page of owners, by their names.", paged({ owners: z.array(o.Owner) })),
  },
  "GET /api/owners/:owner/limits": {
    id: "getOwnerLimits",
    tag: "Owners",
    summary: "Read the limits of an owner",
    description: "The owner may read its own, and an admin those of all.",
    answers: ok("The limits.", o.OwnerLimits),
  },
  "PUT /api/owners/:owner/limits": {
    id: "setOwnerLimits",
    tag: "Owners",
    summary: "Set the limits of an owner",
    description: "Replaces all of them.",
    body: schemas.PutLimits,
    answers: ok("The limits.", o.OwnerLimits),
  },
  "GET /api/usage": {
    id: "getUsage",
    tag: "Usage",
    summary: "Read usage",
    description:
      "As JSON; with `Accept: text/csv`, the rows as CSV, in which a text that begins like a formula gets a `'` before it.",
    query: queries.ReadUsage,
    answers: ok("What is used now, and sums of what was used.", {
      "application/json": o.UsageReport,
      "text/csv": z.string(),
    }),
  },
  "GET /api/audit": {
    id: "listAudit",
    tag: "Owners",
    summary: "Read the audit log",
    description: "Who did what to keys, limits, share links and the sessions of others.",
    query: queries.ReadAudit,
    answers: ok("A page of entries, newest first.", paged({ entries: z.array(o.AuditEntry) })),
  },
  "GET /api/pool": {
    id: "getPool",
    tag: "Deployment",
    summary: "Read the state of the warm pool",
    answers: ok("The pool of started containers.", o.Pool),
  },
  "GET /health": {
    id: "getHealth",
    tag: "Deployment",
    summary: "Tell whether the Worker answers",
    answers: ok("It does.", z.object({ status: z.literal("ok") })),
  },
};
