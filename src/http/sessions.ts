import { Hono } from "hono";
import { concernSessions } from "../account/limits";
import { indexOf } from "../session/deployment";
import { capTools } from "../session/tool-cap";
import { checkConfig } from "../session/validate-config";
import type { Settings } from "../settings";
import { callSession } from "./call";
import { type AppEnv, actorOf } from "./context";
import { ApiError, invalid } from "./errors";
import { hashOf, newSessionId } from "./ids";
import { limitsOf } from "./known-limits";
import { fromIndex, ownerSeenBy } from "./lists";
import { byteLength, idempotencyKey, readBody, readQuery } from "./parse";
import { ListSessions, StatsSummary } from "./queries";
import {
  CreateSession,
  NoFields,
  PatchSession,
  sessionPatch,
  sessionSpec,
  Terminate,
} from "./schemas";
import { messageView, sessionView, sharedSessionView } from "./views";

const MAX_CONFIG_BYTES = 256 * 1024;

/** Routes of sessions: create, list, read, change, terminate and delete them. */
export const sessions = (settings: Settings) =>
  new Hono<AppEnv>()
    .post("/", async (c) => {
      const key = idempotencyKey(c);
      const request = await readBody(c, CreateSession);
      if (byteLength(JSON.stringify(request.config ?? {})) > MAX_CONFIG_BYTES) {
        throw new ApiError("request_too_large", "The config is larger than 256 KiB.");
      }
      const { tools } = c.var.identity;
      const { config, issues: beyond } = capTools(request.config ?? {}, tools);
      const issues = [...beyond, ...checkConfig(config, settings)];
      if (issues.length > 0) throw invalid(issues);

      const id = await newSessionId(c.var.caller.owner, key);
      const requestHash =
        key === undefined ? null : await hashOf(tools === null ? request : { ...request, config });
      const limited = concernSessions(await limitsOf(c.env, c.var.caller.owner));
      const spec = { ...sessionSpec(request, { id, requestHash }, settings), config, limited };
      const row = await callSession(c, (s, caller) => s.create(caller, spec), { id });
      return c.json(sessionView(row), 201);
    })

    .get("/", async (c) => {
      const query = readQuery(c, ListSessions);
      const owner = ownerSeenBy(c.var.caller);
      const { rows, nextCursor, ...total } = await fromIndex(
        indexOf(c.env).list({ owner, ...query }),
      );
      const { pageSize } = query;
      // A page found by cursor has no number.
      const page = "cursor" in query ? null : (query.page ?? 1);
      const totalPages = Math.ceil(total.total / pageSize);
      const paging = { page, pageSize, ...total, totalPages, nextCursor };
      return c.json({ sessions: rows.map(sessionView), ...paging });
    })

    .get("/stats/summary", async (c) => {
      const query = readQuery(c, StatsSummary);
      const owner = ownerSeenBy(c.var.caller);
      return c.json(await fromIndex(indexOf(c.env).summarize({ owner, ...query })));
    })

    .get("/:id", async (c) => {
      const row = await callSession(c, (s, caller) => s.read(caller));
      return c.json(c.var.identity.via === "share" ? sharedSessionView(row) : sessionView(row));
    })

    .patch("/:id", async (c) => {
      const patch = sessionPatch(await readBody(c, PatchSession));
      const row = await callSession(c, (s, caller) => s.update(caller, patch));
      return c.json(sessionView(row));
    })

    .delete("/:id", async (c) => {
      await callSession(c, (s, caller) => s.remove(caller, actorOf(c)));
      return c.body(null, 204);
    })

    .post("/:id/terminate", async (c) => {
      const { reason, discardWorkspace } = await readBody(c, Terminate);
      const options = { discardWorkspace, by: actorOf(c) };
      const row = await callSession(c, (s, caller) => s.terminate(caller, reason, options));
      return c.json(sessionView(row));
    })

    .post("/:id/interrupt", async (c) => {
      await readBody(c, NoFields);
      // A repeat could stop the next message instead of the intended one.
      const once = { attempts: 1 } as const;
      const row = await callSession(c, (s, caller) => s.interrupt(caller), once);
      return c.json({ message: row && messageView(row) });
    });
