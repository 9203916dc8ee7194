import { z } from "zod";
import { AUDITED } from "../account/audit";
import { decodeCursor, readCursor, SORTS, type Sort } from "../db/cursor";
import { PATTERNS, STATUSES } from "../db/schema";
import { USAGE_GROUPS } from "../db/usage";
import { APPROVAL_STATUSES } from "../session/rpc";
import { dayOf } from "../shared/days";
import { DELIVERY_STATES } from "../webhooks/rpc";

// Each tag is a parameter of the index's query, and D1 allows at most a hundred.
const MAX_TAGS = 20;

// The index reads the sessions before a page that is asked for by number. A cursor costs the same everywhere.
const MAX_SKIPPED = 10_000;

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+$/, "must be an integer")
    .transform(Number)
    .pipe(z.int().min(min).max(max));

/**
 * Returns the schema of a comma-separated list. An issue of an item has the path of the parameter, because
 * items have no names.
 */
const commaList = <T>(item: z.ZodType<T>) =>
  z.string().transform((text, context): T[] => {
    const parsed = z.array(item).safeParse(text.split(","));
    if (parsed.success) return parsed.data;
    context.addIssue(parsed.error.issues[0]?.message ?? "is not valid");
    return z.NEVER;
  });

const instant = z
  .string()
  // An unescaped "+" of a time zone arrives as a space.
  .transform((text) => text.replace(" ", "+"))
  .pipe(
    z.union([z.iso.datetime({ offset: true }), z.iso.date()], {
      error: "must be an ISO 8601 date, or an instant with its zone",
    }),
  )
  .transform((text) => Date.parse(text));

const page = integer(1, 1_000_000_000);
const pageSize = integer(1, 100).default(20);
const userId = z.string().min(1).max(255);

/** A conversation's number in a path or a query. */
export const ConversationId = integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

/** `GET /api/sessions` */
export const ListSessions = z
  .strictObject({
    status: commaList(z.enum(STATUSES)).optional(),
    pattern: commaList(z.enum(PATTERNS)).optional(),
    userId: userId.optional(),
    conversationId: ConversationId.optional(),
    tags: commaList(z.string().min(1).max(100))
      .refine((tags) => tags.length <= MAX_TAGS, `names more than ${MAX_TAGS}`)
      .optional(),
    tagsMode: z.enum(["all", "any"]).default("all"),
    createdAfter: instant.optional(),
    createdBefore: instant.optional(),
    search: z.string().min(1).max(1_000).optional(),
    sort: z.enum(SORTS).default("-createdAt"),
    page: page.optional(),
    pageSize,
    cursor: z.string().optional(),
  })
  .refine(({ page = 1, pageSize }) => (page - 1) * pageSize < MAX_SKIPPED, {
    path: ["page"],
    error: `reaches the first ${MAX_SKIPPED} sessions: go on with cursor`,
  })
  .transform(withCursor);

/** `GET /api/conversations/:id` */
export const ReadConversation = z
  .strictObject({ pageSize, cursor: z.string().optional() })
  .transform((query) => ({ ...query, sort: "-createdAt" as const }))
  .transform(withCursor);

interface Walk {
  sort: Sort;
  page?: number | undefined;
  cursor?: string | undefined;
}

/** Decodes the cursor of a list's query, if it has one. */
function withCursor<Q extends Walk>({ cursor: text, ...query }: Q, context: z.RefinementCtx) {
  if (text === undefined) return query;
  const refuse = (message: string) => {
    context.addIssue({ code: "custom", path: ["cursor"], message });
    return z.NEVER;
  };
  if (query.page !== undefined) return refuse("can't go with page: choose one");
  const cursor = readCursor(text, query.sort);
  return cursor ? { ...query, cursor } : refuse("is none that this list gave out");
}

/** `GET /api/sessions/stats/summary` */
export const StatsSummary = z.strictObject({
  userId: userId.optional(),
  from: z.iso.date("must be a date: YYYY-MM-DD").optional(),
  to: z.iso.date("must be a date: YYYY-MM-DD").optional(),
  groupBy: z.literal("day").optional(),
});

/** `GET /api/sessions/:id/messages` */
export const ListMessages = z.strictObject({
  cursor: integer(0, Number.MAX_SAFE_INTEGER).default(0),
  limit: integer(1, 100).default(50),
});

/** `GET /api/sessions/:id/messages/:messageId` */
export const ReadMessage = z.strictObject({ waitMs: integer(0, 60_000).default(0) });

/** `GET /api/sessions/:id/approvals` */
export const ListApprovals = z.strictObject({
  status: z.enum(APPROVAL_STATUSES).optional(),
  cursor: integer(0, Number.MAX_SAFE_INTEGER).default(0),
  limit: integer(1, 100).default(50),
});

/** `GET /api/sessions/:id/artifacts` */
export const ListArtifacts = z.strictObject({
  path: z.string().min(1).max(4_096).optional(),
  messageId: z.string().min(1).max(100).optional(),
  cursor: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  limit: integer(1, 100).default(50),
});

/** `GET /api/tool-requests`. A page is of so many sessions that wait. */
export const ListAllToolRequests = z.strictObject({
  cursor: z
    .string()
    .transform(decodeCursor)
    .pipe(z.tuple([z.string(), z.string()], "is none that this list gave out"))
    .transform(([owner, id]) => ({ owner, id }))
    .default({ owner: "", id: "" }),
  limit: integer(1, 50).default(20),
});

/** `GET /api/approvals`. Sessions are asked for what is pending; what is over is in their own lists. */
export const ListPendingApprovals = ListAllToolRequests.extend({
  status: z.literal("pending").default("pending"),
});

const truth = z.enum(["true", "false"]).transform((text) => text === "true");

/** `GET /api/sessions/:id/files` */
export const ListFiles = z.strictObject({
  path: z.string().default(""),
  recursive: truth.default(false),
  cursor: z.string().optional(),
  limit: integer(1, 1_000).default(1_000),
});

/** `GET /api/sessions/:id/archive` */
export const ArchiveFiles = z.strictObject({ path: z.string().default("") });

/** `DELETE /api/sessions/:id/files/*` */
export const DeleteFile = z.strictObject({ recursive: truth.default(false) });

/** `GET /api/webhooks/:webhookId/deliveries` */
export const ListDeliveries = z.strictObject({
  status: z.enum(DELIVERY_STATES).optional(),
  cursor: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  limit: integer(1, 100).default(50),
});

/** `GET /api/automations` */
export const ListAutomations = z.strictObject({
  cursor: integer(0, 1_000_000).default(0),
  limit: integer(1, 50).default(20),
});

/** `GET /api/automations/:automationId/runs` */
export const ListRuns = z.strictObject({
  cursor: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  limit: integer(1, 100).default(50),
});

/** `GET /api/keys` */
export const ListKeys = z.strictObject({
  owner: z.string().min(1).max(255).optional(),
  cursor: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  limit: integer(1, 100).default(50),
});

/** An owner in a path. */
export const Owner = z.string().min(1).max(255);

/** `GET /api/owners` */
export const ListOwners = z.strictObject({
  cursor: z.string().max(255).default(""),
  limit: integer(1, 100).default(50),
});

/** `GET /api/audit` */
export const ReadAudit = z.strictObject({
  owner: Owner.optional(),
  action: z.enum(AUDITED).optional(),
  cursor: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  limit: integer(1, 100).default(50),
});

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
const date = z.iso.date("must be a date: YYYY-MM-DD");

/** `GET /api/usage` */
export const ReadUsage = z
  .strictObject({
    owner: Owner.optional(),
    from: date.optional(),
    to: date.optional(),
    groupBy: commaList(z.enum(USAGE_GROUPS)).default(["day"]),
  })
  .refine(({ groupBy }) => !(groupBy.includes("user") && groupBy.includes("tag")), {
    path: ["groupBy"],
    error: "can't have both user and tag: choose one",
  })
  .transform(({ owner, groupBy, from, to = dayOf(Date.now()) }) => ({
    owner,
    groupBy: [...new Set(groupBy)],
    from: from ?? dayOf(Date.parse(to) - (DEFAULT_DAYS - 1) * DAY_MS),
    to,
  }));

/** The seq of the last event that a reader has received. */
export const Seq = integer(0, Number.MAX_SAFE_INTEGER);

/** `GET /api/sessions/:id/events` */
export const ReadEvents = z.strictObject({
  after: Seq.default(0),
  limit: integer(1, 1_000).default(1_000),
});
