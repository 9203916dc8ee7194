import { Hono } from "hono";
import { METHODS } from "hono/router";
import { settings as deployed, type Settings } from "../settings";
import { randomHex } from "../shared/bytes";
import { approvals, sessionApprovals } from "./approvals";
import { artifacts } from "./artifacts";
import { audit } from "./audit";
import { authenticate } from "./auth";
import { automations } from "./automations";
import { allowOrigins, refuseAllPages, refuseOtherSites, safeHeaders } from "./browsers";
import type { AppEnv } from "./context";
import { conversations } from "./conversations";
import { ApiError, logFailure, notFound, onError, respond } from "./errors";
import { events } from "./events";
import { exporting } from "./export";
import { files } from "./files";
import { keys, me } from "./keys";
import { machines } from "./machines";
import { mcp } from "./mcp";
import { mcpServers } from "./mcp-servers";
import { messages } from "./messages";
import { owners } from "./owners";
import { pool } from "./pool";
import { previews } from "./previews";
import { schedules } from "./schedules";
import { sessions } from "./sessions";
import { shares } from "./shares";
import { snapshots } from "./snapshots";
import { toolRequests, toolResults } from "./tool-results";
import { usage } from "./usage";
import { webhooks } from "./webhooks";

/** Returns the Hono app with every route of the API. */
export function createApp(settings: Settings = deployed): Hono<AppEnv> {
  const { CORS_ORIGINS: origins } = settings;
  const guards = [...pagesOf(origins), authenticate(settings)];
  const app = new Hono<AppEnv>()
    .onError(onError)

    .use(async (c, next) => {
      c.set("requestId", `req_${randomHex()}`);
      await next();
      c.res.headers.set("X-Request-Id", c.var.requestId);
      if (c.res.status >= 500) logFailure(c);
    })

    .use(...safeHeaders)

    .get("/health", (c) => c.json({ status: "ok" }))
    .route("/machines", machines(settings))

    .use("/api/*", ...guards)
    .route("/api/sessions", sessions(settings))
    .route("/api/sessions", messages)
    .route("/api/sessions", schedules)
    .route("/api/sessions", snapshots)
    .route("/api/sessions", artifacts)
    .route("/api/sessions", events)
    .route("/api/sessions", files)
    .route("/api/sessions", exporting)
    .route("/api/sessions", shares)
    .route("/api/sessions", previews(settings))
    .route("/api/sessions", sessionApprovals)
    .route("/api/sessions", mcpServers(settings))
    .route("/api/sessions", toolResults)
    .route("/api/approvals", approvals)
    .route("/api/tool-requests", toolRequests)
    .route("/api/webhooks", webhooks(settings))
    .route("/api/automations", automations(settings))
    .route("/api/conversations", conversations)
    .route("/api/keys", keys)
    .route("/api/me", me)
    .route("/api/owners", owners)
    .route("/api/usage", usage)
    .route("/api/audit", audit)
    .route("/api/pool", pool)

    .use("/mcp", refuseAllPages(origins), ...guards);
  // Its tools send requests to the API.
  app.route("/mcp", mcp(app));

  return app.notFound((c) => {
    const allowed = methodsOf(app, c.req.path);
    if (allowed.length === 0) return respond(c, notFound("path"));
    const message = `${c.req.method} is not possible here: use ${allowed.join(" or ")}.`;
    const headers = { Allow: allowed.join(", ") };
    return respond(c, new ApiError("method_not_allowed", message, { headers }));
  });
}

/** Returns what decides which pages may call the API from a browser. */
const pagesOf = (origins: readonly string[]) => [
  ...(origins.length > 0 ? [allowOrigins(origins)] : []),
  refuseOtherSites(origins),
];

/** Returns the methods that a path supports. Middleware does not count as a route. */
function methodsOf(app: Hono<AppEnv>, path: string): string[] {
  const methods = METHODS.map((method) => method.toUpperCase()).filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  );
  return methods.includes("GET") ? ["HEAD", ...methods] : methods;
}
