import { Hono } from "hono";
import { z } from "zod";
import { inheritIdentity } from "./auth";
import type { AppEnv } from "./context";
import type { ApiCall } from "./mcp/api";
import { TOOLS } from "./mcp/tools";
import { readBody } from "./parse";

/** One message of the protocol. A batch would count as one request in the limits of requests, however many calls it has. */
const OneMessage = z.unknown().refine((body) => !Array.isArray(body), "must be one message");

/** The route of the MCP server, which offers sessions as tools. The tools send requests to `api`, with the caller's rights. */
export const mcp = (api: Hono<AppEnv>) =>
  new Hono<AppEnv>().post("/", async (c) => {
    const message = await readBody(c, OneMessage);
    // Evaluated by the first request that needs it, not at the start of the Worker.
    const { serveMcp } = await import("./mcp/server");
    const address = c.req.header("CF-Connecting-IP");
    const callApi = async ({ method, path, body, idempotencyKey }: ApiCall) => {
      const request = new Request(new URL(path, c.req.url), {
        method,
        headers: {
          ...(address !== undefined && { "CF-Connecting-IP": address }),
          ...(idempotencyKey !== undefined && { "Idempotency-Key": idempotencyKey }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return api.fetch(inheritIdentity(c, request), c.env);
    };
    const onError = (error: Error) => {
      // Logged if the answer is a 500.
      c.error = error;
    };
    return serveMcp(c.req.raw, message, { tools: TOOLS, callApi, onError });
  });
