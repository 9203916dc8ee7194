import { Hono } from "hono";
import { accountOf } from "../account/address";
import { EVERYONE } from "../account/audit";
import { callAccount } from "./call";
import type { AppEnv } from "./context";
import { ownerSeenBy, requireOwner } from "./lists";
import { readQuery } from "./parse";
import { ReadAudit } from "./queries";
import { auditView } from "./views";

/** The route of what was done to keys, limits, share links and the sessions of others. */
export const audit = new Hono<AppEnv>().get("/", async (c) => {
  const { owner: wanted, action = null, cursor = null, limit } = readQuery(c, ReadAudit);
  const { caller } = c.var;
  requireOwner(caller, wanted, "read what was done to other owners");
  const owner = wanted ?? ownerSeenBy(caller);
  const account = owner === null ? EVERYONE : await accountOf(owner);
  const query = { action, before: cursor, limit };
  const { entries, next } = await callAccount(c.env, account, (object) => object.audit(query));
  return c.json({
    entries: entries.map(auditView),
    nextCursor: next === null ? null : String(next),
  });
});
