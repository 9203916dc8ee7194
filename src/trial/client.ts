import { setTimeout as sleep } from "node:timers/promises";
import { kill, newState, type Server, start } from "../bench/servers.ts";

/** What the service answers. */
export type Json = Record<string, unknown>;

/** A service with containers, and what is tried with it. */
export interface Trial {
  call(method: string, path: string, body?: object): Promise<Json>;
  create(body: object): Promise<string>;
  /** Has a session's agent run a command; answers its reply. */
  bash(id: string, command: string): Promise<string>;
  /** Has it run one in the background; answers the message's id. */
  begin(id: string, command: string): Promise<string>;
  /** Tries a rule, and prints whether it holds. */
  rule(title: string, holds: () => Promise<void>): Promise<void>;
  /** Kills the service as the kernel would, and starts it again where it was. */
  restart(): Promise<void>;
  /** Returns how many rules did not hold. */
  broken(): number;
}

/** Starts the service as it is deployed, but for some variables. */
export async function openTrial(vars: Record<string, string>): Promise<Trial> {
  const settings = { ALLOW_ANONYMOUS: "true", ...vars };
  const place = {
    config: "wrangler.toml",
    containers: true,
    vars: settings,
    state: await newState(),
  };
  let server: Server = await start(place);
  let broken = 0;

  async function call(method: string, path: string, body?: object): Promise<Json> {
    const init = body ? { body: JSON.stringify(body) } : {};
    const answer = await fetch(`${server.url}/api${path}`, { method, ...init });
    return answer.status === 204 ? {} : ((await answer.json()) as Json);
  }
  const send = (id: string, command: string, options: object) =>
    call("POST", `/sessions/${id}/message`, {
      prompt: `/Bash ${JSON.stringify({ command, timeout: 600_000 })}`,
      ...options,
    });

  return {
    call,
    create: async (body) => String((await call("POST", "/sessions", body)).id),
    bash: async (id, command) => String((await send(id, command, {})).result),
    begin: async (id, command) => String((await send(id, command, { background: true })).messageId),
    async rule(title, holds) {
      try {
        await holds();
        console.log(`✓ ${title}`);
      } catch (error) {
        broken += 1;
        console.log(`✗ ${title}\n${error instanceof Error ? error.stack : error}`);
      }
    },
    async restart() {
      await kill(server);
      server = await start({ ...place, port: Number(new URL(server.url).port) });
    },
    broken: () => broken,
  };
}

/** Waits until something holds. */
export async function until(holds: () => Promise<boolean>, seconds = 60): Promise<void> {
  for (const giveUpAt = Date.now() + seconds * 1_000; Date.now() < giveUpAt; await sleep(200)) {
    if (await holds()) return;
  }
  throw new Error(`it did not come true within ${seconds} seconds`);
}
