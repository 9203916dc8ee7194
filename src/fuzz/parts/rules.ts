import { must } from "../client.ts";
import { PREPARED, type RulesInput, rulesInput } from "../generators/rules.ts";
import { OFFLINE, type Part } from "../part.ts";
import { readEvents } from "./session-faults.ts";
import { bashCall, SCRIPT_MS } from "./shell.ts";

/** Bash rules in the embedded sandbox: refused commands do not run, and allowed commands do. */
export const rules: Part<RulesInput> = {
  name: "rules",
  atOnce: 1,
  limitMs: 30_000,
  vars: async () => OFFLINE,
  make: rulesInput,
  async run(origin, { config, scripts, control, prepared }) {
    const post = <T>(path: string, body: object, status: number) =>
      must<T>(origin, status, { method: "POST", path, body });
    const created = { pattern: "hybrid", config };
    const session = await post<{ id: string }>("/api/sessions", created, 201);
    const path = `/api/sessions/${session.id}`;
    const lines = [
      `/Write ${JSON.stringify({ file_path: PREPARED.path, content: prepared })}`,
      bashCall(control),
      ...scripts.map(({ command }) => bashCall(command, SCRIPT_MS)),
      '/Glob {"pattern":"**/*PWNED*","path":"/"}',
    ];
    await post(`${path}/message`, { prompt: lines.join("\n") }, 200);
    const events = await readEvents(origin, path);
    await must(origin, 204, { method: "DELETE", path });

    const results = events.filter(({ type }) => type === "tool.completed");
    const found = results.at(-1)?.content ?? "";
    const faults = scripts
      .filter(({ canary }) => found.includes(canary))
      .map(({ command }) => `a refused command ran in ${JSON.stringify(command)}`);
    if (found.includes(PREPARED.canary)) faults.push("a refused command ran from a file");
    if (results.length !== lines.length) {
      faults.push(`${results.length} calls of ${lines.length} have ended`);
    }
    const allowed = results[1]?.content ?? "";
    if (/is allowed:|is disallowed/.test(allowed)) faults.push(`"${control}": ${allowed}`);
    return faults;
  },
};
