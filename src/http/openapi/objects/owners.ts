import { z } from "zod";
import { AUDITED } from "../../../account/audit";
import { SCOPES } from "../../../account/scopes";
import * as examples from "../examples";
import { count, instant, usd } from "./values";

// Who calls: keys, owners, their limits, and what they did.

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
