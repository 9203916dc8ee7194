import type { TestProject } from "vitest/node";
import { freePort, newState, start, stopAll } from "../bench/servers.ts";
import { standInE2b } from "./vendors/e2b.ts";
import { serveHandler } from "./vendors/local-machine.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where Rigger is served, as `npm start` does, with data of its own. */
    serverUrl: string;
  }
}

/** Serves Rigger while the tests run that need a server. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const port = await freePort();
  const { handle, upgrade } = standInE2b();
  const { url: e2b } = await serveHandler(handle, upgrade);
  const vars = {
    ALLOW_ANONYMOUS: "true",
    OFFLINE_MODEL: "true",
    WEBHOOK_ALLOW_PRIVATE_HOSTS: "true",
    MCP_ALLOW_PRIVATE_HOSTS: "true",
    // Its sandboxes are embedded, unless a session asks for a machine of this vendor.
    ...{ PUBLIC_URL: `http://127.0.0.1:${port}`, PREVIEW_DOMAIN: "localhost" },
    ...{ E2B_API_KEY: `e2b_${"0".repeat(40)}`, E2B_API_URL: e2b, E2B_SANDBOX_URL: e2b },
  };
  const server = await start({ config: "wrangler.toml", state: await newState(), vars, port });
  project.provide("serverUrl", server.url);
  return stopAll;
}
