import { Hono } from "hono";
import { encodeCursor } from "../db/cursor";
import { indexOf } from "../session/deployment";
import { callSession } from "./call";
import { type AppEnv, actorOf } from "./context";
import { ignoreMissing, notFound } from "./errors";
import { isApprovalId } from "./ids";
import { fromIndex, ownerSeenBy } from "./lists";
import { readBody, readQuery } from "./parse";
import { ListApprovals, ListPendingApprovals } from "./queries";
import { ResolveApproval } from "./schemas";
import { approvalView } from "./views";

/** Number of pending approvals that the list of all sessions shows of each. */
const MAX_OF_SESSION = 100;

/** Routes of a session's approvals: list them, and decide. */
export const sessionApprovals = new Hono<AppEnv>()
  .get("/:id/approvals", async (c) => {
    const { cursor: after, limit, status = null } = readQuery(c, ListApprovals);
    const page = { after, limit, status };
    const { approvals, next } = await callSession(c, (s, caller) => s.approvals(caller, page));
    const nextCursor = next === null ? null : String(next);
    return c.json({ approvals: approvals.map(approvalView), nextCursor });
  })

  .post("/:id/approvals/:approvalId", async (c) => {
    const approvalId = c.req.param("approvalId");
    if (!isApprovalId(approvalId)) throw notFound("approval");
    const decision = await readBody(c, ResolveApproval);
    const row = await callSession(c, (s, caller) =>
      s.resolveApproval(caller, approvalId, decision, actorOf(c)),
    );
    return c.json(approvalView(row));
  });

/** The route of the pending approvals of all sessions. The index knows the sessions, and these know their approvals. */
export const approvals = new Hono<AppEnv>().get("/", async (c) => {
  const { cursor: after, limit } = readQuery(c, ListPendingApprovals);
  const owner = ownerSeenBy(c.var.caller);
  const found = await fromIndex(indexOf(c.env).sessionsAsking({ owner, after, limit: limit + 1 }));
  const sessions = found.slice(0, limit);
  const page = { after: 0, limit: MAX_OF_SESSION, status: "pending" } as const;
  const pages = await Promise.all(
    sessions.map(({ id }) =>
      callSession(c, (s, caller) => s.approvals(caller, page), { id }).catch(ignoreMissing),
    ),
  );
  // The index may still have a session that is deleted.
  const rows = pages.flatMap((one) => one?.approvals ?? []);
  const last = found.length > limit ? sessions.at(-1) : undefined;
  return c.json({
    approvals: rows.toSorted((a, b) => a.requestedAt - b.requestedAt).map(approvalView),
    nextCursor: last ? encodeCursor([last.owner, last.id]) : null,
  });
});
