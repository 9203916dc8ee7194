import { standInE2b } from "../testing/vendors/e2b.ts";
import { standInGit } from "../testing/vendors/git.ts";
import { serveHandler } from "../testing/vendors/local-machine.ts";
import type { Api, SessionView } from "./api.ts";
import { ask } from "./api.ts";
import { LOG_FILE } from "./script.ts";

// Runs the sessions in machines of E2B's stand-in, which continues when the server is killed. Their repositories are on a
// git server of this computer.

const KEY = `e2b_${"0".repeat(40)}`;
/** The time for the last machines to be destroyed, in ms. */
const DESTROYED_MS = 30_000;

/** Machines for the sessions of a server. */
export interface MachineService {
  /** The entry point of the server: Rigger, and the way to the git server. */
  script: string;
  /** The settings of the server, which is at `publicUrl`. */
  vars(publicUrl: string): Record<string, string>;
  /** Returns the ids of ended or deleted sessions that still have a machine. */
  leftovers(api: Api): Promise<string[]>;
}

/** Starts the stand-ins. */
export async function startMachines(): Promise<MachineService> {
  const { url } = await serveHandler(standInE2b({ maxConcurrent: 1_000 }).handle);
  const git = await serveHandler(standInGit().handle);
  const files = { [LOG_FILE]: "T-cloned\n" };
  await fetch(`${git.url}/-/private-soak/commits`, {
    method: "POST",
    body: JSON.stringify({ files }),
  });

  async function sessionsWithMachine(): Promise<string[]> {
    const query = new URLSearchParams({ state: "running,paused", limit: "100" });
    const sessions: string[] = [];
    for (;;) {
      const response = await fetch(`${url}/v2/sandboxes?${query}`, {
        headers: { "X-API-KEY": KEY },
      });
      const page = (await response.json()) as { metadata: Record<string, string> }[];
      sessions.push(...page.map(({ metadata }) => metadata["rigger-sandbox"] ?? ""));
      const next = response.headers.get("X-Next-Token");
      if (!next) return sessions;
      query.set("nextToken", next);
    }
  }

  return {
    script: "src/trial/workers/rigger.ts",

    vars: (publicUrl) => ({
      GIT_SERVER: git.url,
      PUBLIC_URL: publicUrl,
      SANDBOX_PROVIDER: "e2b",
      E2B_API_KEY: KEY,
      E2B_API_URL: url,
      E2B_SANDBOX_URL: url,
    }),

    async leftovers(api) {
      const over = Date.now() + DESTROYED_MS;
      for (;;) {
        const left: string[] = [];
        for (const id of await sessionsWithMachine()) {
          const { status, body } = await ask<SessionView>(api, { path: `/api/sessions/${id}` });
          const isOver = ["completed", "error", "terminated"].includes(body.status);
          if (status === 404 || isOver) left.push(id);
        }
        if (left.length === 0 || Date.now() > over) return left;
        await new Promise((done) => setTimeout(done, 500));
      }
    },
  };
}
