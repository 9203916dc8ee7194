import { Hono } from "hono";
import type { z } from "zod";
import { accountOf } from "../account/address";
import type { AutomationPatch, RunSpec } from "../automations/rpc";
import { withoutTokens } from "../sandbox/git/tokens";
import type { SessionConfig } from "../session/rpc";
import { capTools } from "../session/tool-cap";
import { checkConfig } from "../session/validate-config";
import type { Settings } from "../settings";
import { callAccount, callAutomation, ownIdOf, removeAutomation, unwrap } from "./call";
import { type AppContext, type AppEnv, actorOf } from "./context";
import { ApiError, ignoreMissing, invalid } from "./errors";
import {
  accountOfId,
  isAutomationId,
  newAutomationId,
  newFireToken,
  newRunId,
  sha256Hex,
} from "./ids";
import { byteLength, idempotencyKey, readBody, readQuery } from "./parse";
import { ListAutomations, ListRuns } from "./queries";
import {
  CreateAutomation,
  type CreateSession,
  FireAutomation,
  NoFields,
  PatchAutomation,
  sessionSpec,
  withoutAbsent,
} from "./schemas";
import { automationRunView, automationView } from "./views";

/** Each run stores the prompt and the input again. */
const MAX_PROMPT_BYTES = 64 * 1024;
const MAX_INPUT_BYTES = 256 * 1024;
const MAX_CONFIG_BYTES = 256 * 1024;

/** Routes of an owner's automations. Each is an object of its own; the owner's account knows their ids. */
export const automations = (settings: Settings) =>
  new Hono<AppEnv>()
    .post("/", async (c) => {
      const { owner } = c.var.caller;
      const { name, session, prompt, when, maxConcurrentRuns, enabled } = await readBody(
        c,
        CreateAutomation,
      );
      requireFitting(prompt);
      const spec = specOf(c, session, settings);
      const id = await newAutomationId(owner, idempotencyKey(c));
      const account = accountOfId(id);
      // Listed first, so that none runs that nobody can find. One that was listed and not created can be created again.
      unwrap(
        await callAccount(c.env, account, (object) => object.addAutomation(id, owner, actorOf(c))),
      );
      const { token, fireHash } = await aToken(id);
      const request = {
        ...{ id, owner, name, session: shownSession(session, spec), prompt, when },
        ...{ maxConcurrentRuns, enabled, spec, fireHash },
      };
      // The token is shown once only: a repeat is refused.
      const automation = await callAutomation(c.env, id, (object) => object.create(request));
      return c.json({ ...automationView(automation, fireUrl(c, id)), fireToken: token }, 201);
    })

    .get("/", async (c) => {
      const { cursor, limit } = readQuery(c, ListAutomations);
      const account = await accountOf(c.var.caller.owner);
      const ids = await callAccount(c.env, account, (object) => object.automations());
      const page = ids.slice(cursor, cursor + limit);
      const found = await Promise.all(
        page.map((id) => callAutomation(c.env, id, (object) => object.read()).catch(ignoreMissing)),
      );
      const shown = found.flatMap((one) => (one ? [automationView(one, fireUrl(c, one.id))] : []));
      const next = cursor + limit < ids.length ? String(cursor + limit) : null;
      return c.json({ automations: shown, nextCursor: next });
    })

    .get("/:automationId", async (c) => {
      const id = await automationIdOf(c);
      const automation = await callAutomation(c.env, id, (object) => object.read());
      return c.json(automationView(automation, fireUrl(c, id)));
    })

    .patch("/:automationId", async (c) => {
      const id = await automationIdOf(c);
      const { session, ...fields } = await readBody(c, PatchAutomation);
      if (fields.prompt !== undefined) requireFitting(fields.prompt);
      if (!session) await requireTools(c, id);
      const spec = session && specOf(c, session, settings);
      const patch: AutomationPatch = withoutAbsent({
        ...fields,
        ...(spec && { session: shownSession(session, spec), spec }),
      });
      const automation = await callAutomation(c.env, id, (object) => object.update(patch));
      return c.json(automationView(automation, fireUrl(c, id)));
    })

    .delete("/:automationId", async (c) => {
      const id = await automationIdOf(c);
      await removeAutomation(c.env, id);
      await callAccount(c.env, accountOfId(id), (object) =>
        object.removeAutomation(id, c.var.caller.owner, actorOf(c)),
      );
      return c.body(null, 204);
    })

    .post("/:automationId/rotate-token", async (c) => {
      const id = await automationIdOf(c);
      await readBody(c, NoFields);
      const { token, fireHash } = await aToken(id);
      const automation = await callAutomation(c.env, id, (object) => object.rotateToken(fireHash));
      return c.json({ ...automationView(automation, fireUrl(c, id)), fireToken: token });
    })

    .post("/:automationId/fire", async (c) => {
      const id = await automationIdOf(c);
      const key = idempotencyKey(c);
      const { input = null } = await readBody(c, FireAutomation);
      if (byteLength(input ?? "") > MAX_INPUT_BYTES) {
        throw new ApiError("request_too_large", "The input is larger than 256 KiB.");
      }
      await requireTools(c, id);
      const runId = await newRunId(id, key);
      const run = await callAutomation(c.env, id, (object) => object.fire(runId, input));
      const { sessionId, messageId } = run;
      return c.json({ runId: run.id, sessionId, messageId, status: run.status }, 202);
    })

    .get("/:automationId/runs", async (c) => {
      const id = await automationIdOf(c);
      const { cursor = null, limit } = readQuery(c, ListRuns);
      const page = { before: cursor, limit };
      const { runs, next } = await callAutomation(c.env, id, (object) => object.runs(page));
      const nextCursor = next === null ? null : String(next);
      return c.json({ runs: runs.map(automationRunView), nextCursor });
    });

/** Returns what the automation's sessions are made from. Throws an `ApiError` if no session could be. */
function specOf(
  c: AppContext,
  session: z.output<typeof CreateSession>,
  settings: Settings,
): RunSpec {
  if (byteLength(JSON.stringify(session.config ?? {})) > MAX_CONFIG_BYTES) {
    throw new ApiError("request_too_large", "The config is larger than 256 KiB.");
  }
  const { config, issues: beyond } = capTools(session.config ?? {}, c.var.identity.tools);
  const issues = [...beyond, ...checkConfig(config, settings)];
  if (issues.length > 0) {
    throw invalid(issues.map((issue) => ({ ...issue, path: `session.${issue.path}` })));
  }
  const ids = { id: "", requestHash: null };
  const { id: _, requestHash: __, ...spec } = sessionSpec(session, ids, settings);
  return { ...spec, config };
}

/** Throws an `ApiError` if the sessions of an automation may use tools that the caller's key may not. */
async function requireTools(c: AppContext, id: string): Promise<void> {
  const { tools } = c.var.identity;
  if (tools === null) return;
  const { session } = await callAutomation(c.env, id, (object) => object.read());
  const config = (session.config ?? {}) as SessionConfig;
  const isAllowed =
    config.allowedTools !== undefined && capTools(config, tools).issues.length === 0;
  if (isAllowed) return;
  throw new ApiError("permission_error", "Its sessions may use more tools than your key.");
}

/** Returns the request of a session as it is shown: `env` and `mcpServers` contain secrets. */
function shownSession(
  { config: _given, ...session }: z.output<typeof CreateSession>,
  spec: RunSpec,
): Record<string, unknown> {
  const { env: _, mcpServers: __, ...config } = withoutTokens(spec.config);
  return { ...session, ...(Object.keys(config).length > 0 && { config }) };
}

function requireFitting(prompt: unknown): void {
  if (byteLength(JSON.stringify(prompt)) > MAX_PROMPT_BYTES) {
    throw new ApiError("request_too_large", "The prompt is larger than 64 KiB as JSON.");
  }
}

async function aToken(id: string): Promise<{ token: string; fireHash: string }> {
  const token = newFireToken(id);
  return { token, fireHash: await sha256Hex(token) };
}

const fireUrl = (c: AppContext, id: string): string =>
  new URL(`/api/automations/${id}/fire`, c.req.url).href;

const automationIdOf = (c: AppContext): Promise<string> => ownIdOf(c, "automation", isAutomationId);
