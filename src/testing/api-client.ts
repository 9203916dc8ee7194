import { env } from "cloudflare:workers";
import { z } from "zod";
import { createApp } from "../http/app";
import { readSettings, type Settings } from "../settings";
import { requireDescribed } from "./contract";

const Session = z.looseObject({
  id: z.string(),
  sessionId: z.string(),
  status: z.string(),
  config: z.record(z.string(), z.unknown()),
});
const Message = z.looseObject({ messageId: z.string(), status: z.string() });

/** The settings of a deployment that allows anonymous requests. */
export const local: Settings = readSettings({ ALLOW_ANONYMOUS: "true" });

/**
 * Returns a client of the API. It sends bodies as JSON without a Content-Type, parses responses, and
 * throws for one that the document of the API does not describe.
 */
export function aClient(settings: Settings = local, headers: Record<string, string> = {}) {
  const app = createApp(settings);

  const raw = async (
    method: string,
    path: string,
    { body, headers: more, bindings = env }: RequestOptions = {},
  ): Promise<Response> =>
    await app.request(
      path,
      {
        method,
        headers: { ...headers, ...more },
        ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
      },
      bindings,
    );

  const send = async (method: string, path: string, options: RequestOptions = {}) => {
    const response = await raw(method, path, options);
    const text = await response.text();
    const body: unknown = text === "" ? null : JSON.parse(text);
    requireDescribed(method, path, response, body);
    return { status: response.status, headers: response.headers, body };
  };

  return {
    raw,
    get: (path: string, options?: RequestOptions) => send("GET", path, options),
    post: (path: string, body?: unknown, options?: RequestOptions) =>
      send("POST", path, { ...options, body }),
    patch: (path: string, body: unknown) => send("PATCH", path, { body }),
    put: (path: string, body: unknown) => send("PUT", path, { body }),
    delete: (path: string) => send("DELETE", path),
    /** Creates a session with the pattern `long-running` by default. */
    create: async (body: object = {}) => {
      const created = await send("POST", "/api/sessions", {
        body: { pattern: "long-running", ...body },
      });
      return Session.parse(created.body);
    },
    /** Sends a message and waits for its end. */
    ask: async (id: string, body: object) => {
      const answer = await send("POST", `/api/sessions/${id}/message`, { body });
      return Message.parse(answer.body);
    },
  };
}

interface RequestOptions {
  body?: unknown;
  headers?: Record<string, string>;
  bindings?: Env;
}
