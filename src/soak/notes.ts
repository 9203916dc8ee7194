import { setTimeout as sleep } from "node:timers/promises";
import { serveHandler } from "../testing/vendors/local-machine.ts";
import { standInMcp } from "../testing/vendors/mcp.ts";
import type { McpState } from "../testing/vendors/mcp-state.ts";
import type { Life } from "./life.ts";
import type { Random } from "./random.ts";

/** An MCP server of the sessions, which is down at times, and forgets its sessions. It keeps what was added to it. */
export interface Notes {
  url: string;
  /** Returns what is wrong: a token that was added twice, or is missing although the model was told that it was added. */
  faults(lives: readonly Life[]): Promise<string[]>;
}

/** Starts the server. It fails until `over` is aborted, and then no more. */
export async function startNotes(random: Random, over: AbortSignal): Promise<Notes> {
  const { url } = await serveHandler(standInMcp().handle);
  const address = `${url}/classic/soak`;
  const change = async (changes: object): Promise<McpState> => {
    const response = await fetch(`${address}/state`, {
      method: "POST",
      body: JSON.stringify(changes),
    });
    return (await response.json()) as McpState;
  };
  void (async () => {
    while (!over.aborted) {
      await sleep(random.int(2_000, 6_000), undefined, { signal: over }).catch(() => {});
      await change({ forgetsSessions: true, isDown: random.chance(0.5) && !over.aborted });
      await sleep(random.int(200, 1_500), undefined, { signal: over }).catch(() => {});
      await change({ isDown: false });
    }
  })();
  return {
    url: `${address}/mcp`,
    async faults(lives) {
      const { calls } = await change({});
      const added = new Set(calls);
      const twice = calls.filter((token, n) => calls.indexOf(token) !== n);
      const told = lives.flatMap(({ id, story }) =>
        (story?.events ?? []).flatMap((event) =>
          event.type === "tool.completed" && !event.isError && event.name.endsWith("__add")
            ? [{ id, token: event.content.replace("added ", "") }]
            : [],
        ),
      );
      const missing = told.filter(({ token }) => !added.has(token));
      return [
        ...twice.map((token) => `${token} was added twice`),
        ...missing.map(({ id, token }) => `${token} of ${id} was never added`),
      ];
    },
  };
}
