import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { secureHeaders } from "hono/secure-headers";
import type { AppEnv } from "./context";
import { ApiError } from "./errors";

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/** Headers for browsers that show a response: it is no page, and nobody frames, guesses or keeps it. */
export const safeHeaders = [
  secureHeaders({
    contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    xFrameOptions: "DENY",
  }),
  createMiddleware<AppEnv>(async (c, next) => {
    await next();
    if (!c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
  }),
] as const;

/** Lets pages of some origins call the API. `*` is every origin. */
export const allowOrigins = (origins: readonly string[]) =>
  cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    allowHeaders: [
      ...["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "traceparent"],
      ...["Mcp-Method", "Mcp-Name", "Mcp-Protocol-Version"],
      ...["If-Match", "If-None-Match", "If-Range", "Range"],
    ],
    exposeHeaders: ["X-Request-Id", "Retry-After", "ETag", "Content-Range", "Content-Disposition"],
    maxAge: 600,
  });

/**
 * Refuses requests that would change something and that a browser sends for a page of another origin, such as a form.
 * They may have rights that the page has not: those of a cookie, or of a deployment that serves everybody. A page of an
 * allowed origin must say who it is itself, by a header that no form can send.
 */
export const refuseOtherSites = (origins: readonly string[]) =>
  createMiddleware<AppEnv>(async (c, next) => {
    const problem = SAFE_METHODS.includes(c.req.method) ? null : problemOf(c.req.raw, origins);
    if (problem !== null) throw new ApiError("permission_error", problem);
    await next();
  });

/**
 * Refuses requests of pages whose origin is not allowed, the deployment's own included. None of its pages speaks MCP, and a
 * page whose name its owner points to this computer (DNS rebinding) has the deployment's origin.
 */
export const refuseAllPages = (origins: readonly string[]) =>
  createMiddleware<AppEnv>(async (c, next) => {
    const origin = c.req.header("Origin");
    if (origin !== undefined && !origins.includes("*") && !origins.includes(origin)) {
      const message = "A page can't do that. The setting CORS_ORIGINS allows origins.";
      throw new ApiError("permission_error", message);
    }
    await next();
  });

/** Returns why a request may not change anything; null if it may. */
function problemOf(request: Request, origins: readonly string[]): string | null {
  if (isOwn(request)) return null;
  const { headers } = request;
  if (!origins.includes("*") && !origins.includes(headers.get("Origin") ?? "")) {
    return "A page of another origin can't do that. The setting CORS_ORIGINS allows origins.";
  }
  return headers.has("Authorization")
    ? null
    : "A page of another origin must send the header Authorization.";
}

/** Returns whether a request comes from no page, or from one of the deployment. */
function isOwn({ headers, url }: Request): boolean {
  const site = headers.get("Sec-Fetch-Site");
  if (site !== null) return site === "same-origin" || site === "none";
  const origin = headers.get("Origin");
  return origin === null || origin === new URL(url).origin;
}
