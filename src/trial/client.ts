import { setTimeout as sleep } from "node:timers/promises";
import { kill, newState, type Server, start } from "../bench/servers.ts";

/** A JSON response of the service. */
export type Json = Record<string, unknown>;

/** A service with containers, and the operations of a trial. */
export interface Trial {
  call(method: string, path: string, body?: object): Promise<Json>;
  create(body: object): Promise<string>;
  /** Makes a session's agent run a command. Returns its reply. */
  bash(id: string, command: string): Promise<string>;
  /** Makes it run a command in a background message. Returns the message's id. */
  begin(id: string, command: string): Promise<string>;
  /** Checks a rule and prints whether it holds. */
  rule(title: string, holds: () => Promise<void>): Promise<void>;
  /** Returns the address of the service. */
  url(): string;
  /** Returns the memory of the Worker in megabytes. */
  megabytes(): number;
  /** Kills the service with SIGKILL and restarts it with the same data. */
  restart(): Promise<void>;
  /** Returns the number of rules that did not hold. */
  broken(): number;
}

/** Starts the service as it is deployed, with some variables changed. `script` is the path of another entry point. */
export async function openTrial(vars: Record<string, string>, script?: string): Promise<Trial> {
  const settings = { ALLOW_ANONYMOUS: "true", ...vars };
  const place = {
    config: "wrangler.toml",
    script,
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
    url: () => server.url,
    megabytes: () => server.usage()?.workerMegabytes ?? 0,
    broken: () => broken,
  };
}

/** Prints what was measured while a rule was checked. */
export const note = (said: string): void => console.log(`  ${said}`);

/** Waits until a condition is true. */
export async function until(holds: () => Promise<boolean>, seconds = 60): Promise<void> {
  for (const giveUpAt = Date.now() + seconds * 1_000; Date.now() < giveUpAt; await sleep(200)) {
    if (await holds()) return;
  }
  throw new Error(`it did not come true within ${seconds} seconds`);
}
