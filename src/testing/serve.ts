import type { TestProject } from "vitest/node";
import { newState, start, stopAll } from "../bench/servers.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where Rigger is served, as `npm start` does, with data of its own. */
    serverUrl: string;
  }
}

/** Serves Rigger while the tests run that need a server. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const vars = {
    ALLOW_ANONYMOUS: "true",
    OFFLINE_MODEL: "true",
    WEBHOOK_ALLOW_PRIVATE_HOSTS: "true",
    MCP_ALLOW_PRIVATE_HOSTS: "true",
  };
  const server = await start({ config: "wrangler.toml", state: await newState(), vars });
  project.provide("serverUrl", server.url);
  return stopAll;
}
