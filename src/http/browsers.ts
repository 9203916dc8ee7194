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
    allowHeaders: ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
    exposeHeaders: ["X-Request-Id", "Retry-After"],
    maxAge: 600,
  });

/**
 * Refuses requests that would change something and that a browser sends for a page of another origin, such as a form.
 * They may have rights that the page has not: those of a cookie, or of a deployment that serves everybody.
 */
export const refuseOtherSites = (origins: readonly string[]) =>
  createMiddleware<AppEnv>(async (c, next) => {
    const isFine =
      SAFE_METHODS.includes(c.req.method) || origins.includes("*") || isOwn(c.req.raw, origins);
    if (!isFine) {
      const message =
        "A page of another origin can't do that. The setting CORS_ORIGINS allows origins.";
      throw new ApiError("permission_error", message);
    }
    await next();
  });

/** Returns whether a request comes from no page, from one of the deployment, or from one of the origins. */
function isOwn({ headers, url }: Request, origins: readonly string[]): boolean {
  const origin = headers.get("Origin");
  if (origin !== null && origins.includes(origin)) return true;
  const site = headers.get("Sec-Fetch-Site");
  if (site !== null) return site === "same-origin" || site === "none";
  return origin === null || origin === new URL(url).origin;
}
