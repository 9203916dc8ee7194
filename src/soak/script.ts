import type { Random } from "./random.ts";

/** A prompt for the offline model, and its expected outcome without interference. */
export interface Script {
  prompt: string;
  /** The number of its tool calls. */
  calls: number;
  /** Whether the model is instructed to refuse it. */
  refused: boolean;
}

/** The file to which every token is appended. */
export const LOG_FILE = "log.txt";

/** What the workspace of a session can begin with: a config, and the lines that are in the file then. */
export const BEGINNINGS = {
  files: { config: { files: [{ path: LOG_FILE, text: "T-file\n" }] }, lines: ["T-file"] },
  /** Needs a machine. All sessions have the same one, so that some take over what others have made. */
  setup: {
    config: {
      files: [{ path: LOG_FILE, text: "T-file\n" }],
      setup: ["sleep 0.5", `echo T-set-up >> ${LOG_FILE}`],
    },
    lines: ["T-file", "T-set-up"],
  },
  /** Needs a machine, and the git server of `startMachines`. */
  repository: {
    config: {
      sandbox: { network: { allow: ["default", "git.example.com"] } },
      repositories: [
        {
          url: "https://git.example.com/private-soak.git",
          path: "code",
          token: "token-of-private-soak",
        },
      ],
      setup: [`cat code/${LOG_FILE} >> ${LOG_FILE}`],
    },
    lines: ["T-cloned"],
  },
};

/** The client tool of sessions. */
export const CLIENT_TOOL = {
  name: "fetch_thing",
  description: "Returns a thing by its token.",
  inputSchema: { type: "object", properties: { token: { type: "string" } }, required: ["token"] },
};

/** The name of the MCP server. */
export const NOTES = "notes";

/** The names of additional agents. */
export const AGENTS = ["left", "right"];

/** Creates a prompt with random turns and faults. The marker is its text and part of each token's name. */
export function randomScript(
  random: Random,
  marker: string,
  {
    withAgents,
    withNotes,
    callsBack,
  }: { withAgents: boolean; withNotes: boolean; callsBack: boolean },
): Script {
  const lines = [marker];
  let calls = 0;
  for (let turns = random.int(0, 3); turns > 0; turns--) {
    const token = `${marker}.${turns}`;
    const turn =
      withAgents && random.chance(0.6)
        ? randomTasks(random, token, callsBack)
        : randomCalls(random, token, withNotes);
    const back = callsBack && random.chance(0.5) ? callsOfCaller(random, token) : [];
    calls += turn.calls + back.length;
    lines.push(...randomFaults(random), [...back, turn.line].join(" & "));
  }
  lines.push(...randomFaults(random));
  const refused = random.chance(0.04);
  if (refused) lines.push("/fail 400");
  return { prompt: lines.join("\n"), calls, refused };
}

/** Returns a prompt that runs for some seconds. */
export const slowScript = (marker: string): Script => ({
  prompt: `${marker}\n/delay 3000\n${bash(`echo T-${marker} >> ${LOG_FILE}; sleep 2`)}`,
  calls: 1,
  refused: false,
});

/** Returns a prompt that shows the content of the file. */
export const showLog = (marker: string): Script => ({
  prompt: `${marker}\n${bash(`cat ${LOG_FILE}`)}`,
  calls: 1,
  refused: false,
});

/** Returns the token that a command appends, and whether it then shows the file. */
export function readCommand(command: string): { token?: string | undefined; shows: boolean } {
  return {
    token: new RegExp(`echo (\\S+) >> ${LOG_FILE}`).exec(command)?.[1],
    shows: command.endsWith(`cat ${LOG_FILE}`),
  };
}

/** Creates parallel tasks. They only write, because what they would read depends on the other tasks. */
function randomTasks(
  random: Random,
  token: string,
  callsBack: boolean,
): { line: string; calls: number } {
  const back = callsBack && random.chance(0.3);
  const tasks = AGENTS.slice(0, random.int(1, AGENTS.length)).map((type) => {
    const append = `sleep ${random.int(0, 9) / 10}; echo T-${token}-${type} >> ${LOG_FILE}`;
    const first = back ? [call(CLIENT_TOOL.name, { token: `${token}-${type}` })] : [];
    const lines = [`${token} ${type}`, ...first, ...randomFaults(random), bash(append)];
    const prompt = lines.join("\n");
    return call("Task", { subagent_type: type, prompt });
  });
  return { line: tasks.join(" & "), calls: (back ? 3 : 2) * tasks.length };
}

/** Creates calls of the client tool. */
const callsOfCaller = (random: Random, token: string): string[] =>
  Array.from({ length: random.int(1, 3) }, (_, n) =>
    call(CLIENT_TOOL.name, { token: `${token}-back${n}` }),
  );

function randomCalls(
  random: Random,
  token: string,
  withNotes: boolean,
): { line: string; calls: number } {
  const isNote = withNotes && random.chance(0.4);
  const calls = isNote ? randomNotes(random, token) : randomToolCalls(random, token);
  return { line: calls.join(" & "), calls: calls.length };
}

/** Creates calls of the MCP server: one that may not be repeated, between others that may be. */
function randomNotes(random: Random, token: string): string[] {
  const read = () => call(`mcp__${NOTES}__echo`, { text: token });
  const add = call(`mcp__${NOTES}__add`, { token: `T-${token}` });
  return random.pick([[add], [read(), add], [add, read(), read()]]);
}

function randomToolCalls(random: Random, token: string): string[] {
  const append = `echo T-${token} >> ${LOG_FILE}`;
  const pause = `sleep ${random.int(1, 30) / 10}`;
  const path = `notes-${random.int(1, 3)}.txt`;
  return random.pick([
    () => [bash(append)],
    () => [bash(`${pause}; ${append}`)],
    () => [bash(`${append}; ${pause}`)],
    () => [bash(`${append}; ${pause}; cat ${LOG_FILE}`)],
    () => [bash(`${pause}; ${append}; cat ${LOG_FILE}`)],
    () => [bash(`${append}; cat ${LOG_FILE}`), bash(`cat ${LOG_FILE}`)],
    () => [call("Write", { file_path: path, content: token }), call("Read", { file_path: path })],
    () => [bash(append), call("Publish", { paths: [LOG_FILE] })],
    () => [call("Read", { file_path: path }), call("Glob", { pattern: "*.txt" })],
  ])();
}

/** Fewer faults than a turn has attempts, so that faults alone never fail a message. */
function randomFaults(random: Random): string[] {
  const lines: string[] = [];
  if (random.chance(0.35)) lines.push(`/delay ${random.int(10, random.pick([300, 1500, 4000]))}`);
  if (random.chance(0.15)) lines.push("/think of what a good answer would be");
  if (random.chance(0.2)) lines.push(`/tokens ${random.int(20, random.pick([200, 4000]))}`);
  if (random.chance(0.12)) lines.push(`/fail ${random.pick([500, 529])} times=${random.int(1, 2)}`);
  if (random.chance(0.04)) lines.push("/fail 429 retry-after=1");
  if (random.chance(0.12)) lines.push(`/cut times=${random.int(1, 2)}`);
  return lines;
}

const call = (name: string, input: Record<string, string | string[]>) =>
  `/${name} ${JSON.stringify(input)}`;
const bash = (command: string) => call("Bash", { command });
