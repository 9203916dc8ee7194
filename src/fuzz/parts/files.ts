import { type Answer, call, must, type Origin } from "../client.ts";
import { type FileStep, filesInput } from "../generators/files.ts";
import { OFFLINE, type Part } from "../part.ts";
import { bashCall } from "./shell.ts";

/** What is outside of the workspace. */
const SECRET = "text-from-outside";
const OUTSIDE = "/tmp/outside";

/** What a case needs of a server. */
interface FilesUnderTest {
  /** Sends a request for files of the session. */
  send(step: Exclude<FileStep, { link: string }>): Promise<Pick<Answer, "status" | "text">>;
  /** Runs a command in the session's sandbox, and returns its output. */
  run(command: string): Promise<string>;
}

/** Files of sessions: no request reads or changes what is outside of the workspace, and none fails. */
export const files: Part<FileStep[]> = {
  name: "files",
  atOnce: 2,
  limitMs: 60_000,
  vars: async () => OFFLINE,
  make: filesInput,
  async run(origin, steps) {
    const create = { method: "POST", path: "/api/sessions", body: { pattern: "hybrid" } };
    const { id } = await must<{ id: string }>(origin, 201, create);
    const path = `/api/sessions/${id}`;
    const faults = await faultsOf(steps, {
      send: (step) => call(origin, { ...step, path: path + step.path }),
      run: (command) => runIn(origin, path, command),
    });
    await must(origin, 204, { method: "DELETE", path });
    return faults;
  },
};

/** Runs a case. Returns the violated rules. */
export async function faultsOf(
  steps: readonly FileStep[],
  { send, run }: FilesUnderTest,
): Promise<string[]> {
  const faults: string[] = [];
  const look = `cd ${OUTSIDE}; ls -A . d; cat secret d/secret`;
  await run(
    `mkdir -p ${OUTSIDE}/d; echo ${SECRET} > ${OUTSIDE}/secret; cp ${OUTSIDE}/secret ${OUTSIDE}/d; mkdir -p a/d b`,
  );
  const before = await run(look);
  for (const step of steps) {
    if ("link" in step) {
      await run(linkCommand(step.link, step.target.replaceAll("{outside}", OUTSIDE)));
      continue;
    }
    const path = step.path.replaceAll("{outside}", encodeURIComponent(OUTSIDE));
    const { status, text } = await send({ ...step, path });
    if (text.includes(SECRET)) faults.push(`${step.method} ${path} tells what is outside`);
    if (status >= 500) faults.push(`${step.method} ${path} was answered with ${status}: ${text}`);
  }
  const after = await run(look);
  if (after !== before) faults.push(`what is outside has become ${after}`);
  return faults;
}

/** Returns a command that makes a link, unless it would be made outside, by a link on the way. */
function linkCommand(link: string, target: string): string {
  const names = link.split("/");
  const name = names.pop();
  const above = names.join("/") || ".";
  return `cd '${above}' && case "$(pwd -P)/" in /workspace/*) ln -s '${target}' '${name}' && echo linked;; esac; true`;
}

/** Makes the agent of a session run a command. Returns its output. */
async function runIn(origin: Origin, path: string, command: string): Promise<string> {
  const message = {
    method: "POST",
    path: `${path}/message`,
    body: { prompt: bashCall(`(cd /workspace; ${command})`) },
  };
  return String((await must<{ result: string | null }>(origin, 200, message)).result);
}
