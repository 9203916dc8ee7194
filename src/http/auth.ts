import { createMiddleware } from "hono/factory";
import type { Settings } from "../settings";
import type { Caller } from "../shared/result";
import type { AppEnv } from "./context";
import { ApiError } from "./errors";
import { sha256Hex } from "./ids";

const encoder = new TextEncoder();

/**
 * Returns middleware that identifies the caller by its API key and sets `c.var.caller`. Throws an `ApiError`
 * for a request without a known key.
 */
export const authenticate = (settings: Settings) =>
  createMiddleware<AppEnv>(async (c, next) => {
    c.set("caller", await identify(c.req.header("Authorization"), settings));
    await next();
  });

/**
 * Returns the caller that an `Authorization` header identifies. Throws an `ApiError` if the key is missing or
 * unknown.
 */
async function identify(header: string | undefined, settings: Settings): Promise<Caller> {
  if (settings.API_KEYS.length === 0) return anonymous(settings);
  const key = header?.match(/^bearer +(\S+) *$/i)?.[1];
  if (key === undefined) throw refused("Send an API key: Authorization: Bearer <key>.");

  const presented = encoder.encode(await sha256Hex(key));
  // Every entry is compared, so that the response time does not depend on the entry that matched.
  const matching = settings.API_KEYS.filter(({ sha256 }) =>
    crypto.subtle.timingSafeEqual(presented, encoder.encode(sha256)),
  );
  const [entry] = matching;
  if (!entry) throw refused("The API key is not known.");
  return { owner: entry.owner, admin: entry.admin ?? false };
}

function anonymous(settings: Settings): Caller {
  if (settings.ALLOW_ANONYMOUS) return { owner: "anonymous", admin: true };
  const message =
    "Nobody may call yet: set API_KEYS, or ALLOW_ANONYMOUS=true to serve everybody on a local machine.";
  throw new ApiError("unavailable_error", message);
}

const refused = (message: string): ApiError =>
  new ApiError("authentication_error", message, {
    headers: { "WWW-Authenticate": 'Bearer realm="rigger"' },
  });
