import { Fault, must } from "../client.ts";
import { shellScript } from "../generators/shell.ts";
import { OFFLINE, type Part } from "../part.ts";
import { readEvents } from "./session-faults.ts";

/** The `timeout` of a script, in ms. */
export const SCRIPT_MS = 1_000;
/** Additional time until its message must end, in ms, on a busy computer. */
const GRACE_MS = 10_000;

interface Message {
  status: string;
  result: string | null;
  stopReason: string | null;
}

/** Scripts for the embedded shell: each script ends, and its session accepts the next message. */
export const shell: Part<string> = {
  name: "shell",
  atOnce: 1,
  limitMs: SCRIPT_MS + GRACE_MS,
  vars: async () => OFFLINE,
  make: shellScript,
  async run(origin, script) {
    const body = { pattern: "hybrid" };
    const session = await must<{ id: string }>(origin, 201, {
      method: "POST",
      path: "/api/sessions",
      body,
    });
    const path = `/api/sessions/${session.id}`;
    const send = (command: string) =>
      must<Message>(origin, 200, {
        method: "POST",
        path: `${path}/message`,
        body: { prompt: bashCall(command) },
      });
    const ran = await send(script);
    if (ran.status !== "completed") throw new Fault(`its message is ${JSON.stringify(ran)}`);
    const next = await send("echo alive");
    const faults = next.result?.includes("alive") ? [] : [`the next one says "${next.result}"`];
    const events = await readEvents(origin, path);
    const ends = events.filter(({ type }) => type === "tool.completed");
    // A script with more tokens than a reply may have is never called.
    const calls = ran.stopReason === "max_tokens" ? 1 : 2;
    if (ends.length !== calls) faults.push(`${ends.length} calls of ${calls} have ended`);
    await must(origin, 204, { method: "DELETE", path });
    return faults;
  },
};

/** Returns a prompt line that makes the offline model run a command, for `SCRIPT_MS` at most. */
export const bashCall = (command: string, timeout = SCRIPT_MS): string =>
  `/Bash ${JSON.stringify({ command, timeout })}`;
