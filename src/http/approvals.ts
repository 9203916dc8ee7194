import { Hono } from "hono";
import { callSession } from "./call";
import { type AppEnv, actorOf } from "./context";
import { notFound } from "./errors";
import { isApprovalId } from "./ids";
import { MAX_OF_SESSION, readWaiting } from "./lists";
import { readBody, readQuery } from "./parse";
import { ListApprovals, ListPendingApprovals } from "./queries";
import { ResolveApproval } from "./schemas";
import { approvalView } from "./views";

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

/** The route of the pending approvals of all sessions. */
export const approvals = new Hono<AppEnv>().get("/", async (c) => {
  const page = { after: 0, limit: MAX_OF_SESSION, status: "pending" } as const;
  const { found, nextCursor } = await readWaiting(c, {
    for: "decision",
    query: readQuery(c, ListPendingApprovals),
    read: (s, caller) => s.approvals(caller, page),
  });
  const rows = found.flatMap(({ approvals }) => approvals);
  return c.json({
    approvals: rows.toSorted((a, b) => a.requestedAt - b.requestedAt).map(approvalView),
    nextCursor,
  });
});
