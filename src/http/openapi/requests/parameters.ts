import { PATTERNS, STATUSES } from "../../../db/schema";
import { USAGE_GROUPS } from "../../../db/usage";
import * as queries from "../../queries";
import * as examples from "../examples";
import { describe, type Meta } from "./describe";

// The parameters of requests: those of queries, and of paths.

/** A list in a query, with commas between its items. */
const commaList = (description: string, items: Record<string, unknown>): Meta => ({
  description,
  override: { type: "array", items },
});

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
const limitOfWaiting = "The most sessions of a page, with up to 100 calls each.";
describe(queries.ListAllToolRequests, null, { cursor, limit: limitOfWaiting });
describe(queries.ListPendingApprovals, null, {
  ...{ cursor, limit: limitOfWaiting },
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
