import { spawn } from "node:child_process";
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

// Stands in for Claude Code in local machines: a process that reads and writes the same lines, calls the Messages API at
// its `ANTHROPIC_BASE_URL`, runs Bash, and keeps its conversation in a transcript, all abbreviated.

interface Block {
  type: string;
  id?: string;
  text?: string;
  input?: { command?: string };
}
/** An entry of the transcript. */
interface Entry {
  type: string;
  uuid?: string | undefined;
  message: { role: string; content: string | Block[] };
}

const RETRIES = 10;
const RETRY_MS = 50;

const option = (name: string): string => process.argv[process.argv.indexOf(`--${name}`) + 1] ?? "";
const { env } = process;
const isRoot = process.getuid?.() === 0;
if (option("permission-mode") === "bypassPermissions" && isRoot && env.IS_SANDBOX !== "1") {
  console.error(
    "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons",
  );
  process.exit(1);
}

// The real one names the directory after its working directory, whose path in a local machine is another one.
const projects = join(env.CLAUDE_CONFIG_DIR ?? "", "projects");
const [project = ""] = readdirSync(projects);
const isResumed = process.argv.includes("--resume");
const id = option(isResumed ? "resume" : "session-id");
const transcript = join(projects, project, `${id}.jsonl`);
const entries: Entry[] = isResumed
  ? readFileSync(transcript, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  : [];
answerCutOffCalls();

let turn = new AbortController();
let work = Promise.resolve();
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if (told.type === "control_request") {
    turn.abort();
    say({
      type: "control_response",
      response: { subtype: "success", request_id: told.request_id },
    });
  } else work = work.then(() => answer(told));
}

async function answer({ uuid, message }: Entry): Promise<void> {
  const lifecycle = (state: string) =>
    say({ type: "command_lifecycle", command_uuid: uuid, state });
  if (entries.some((entry) => entry.uuid === uuid)) return lifecycle("completed");
  turn = new AbortController();
  lifecycle("started");
  remember({ type: "user", uuid, message });
  const failure = await untilDone().catch(String);
  if (turn.signal.aborted) answerCutOffCalls();
  say({ type: "result", is_error: failure !== undefined, result: failure });
  lifecycle("completed");
}

/** Calls the model until it asks for no tool. Returns what failed. */
async function untilDone(): Promise<string | undefined> {
  for (;;) {
    const reply = await callModel();
    if (typeof reply === "string") return reply;
    remember({ type: "assistant", message: { role: "assistant", content: reply } });
    const calls = reply.filter(({ type }) => type === "tool_use");
    if (calls.length === 0) return undefined;
    const message = { role: "user", content: await Promise.all(calls.map(run)) };
    if (turn.signal.aborted) return "aborted";
    remember({ type: "user", message });
    say({ type: "user", message, parent_tool_use_id: null });
  }
}

/** Runs a command in a session of processes of its own. */
async function run({ id = "", input }: Block): Promise<Block> {
  const child = spawn("bash", ["-c", `exec 2>&1\n${input?.command}`], { detached: true });
  turn.signal.addEventListener("abort", () => child.kill("SIGKILL"));
  const content = (await text(child.stdout)).trimEnd();
  return { type: "tool_result", tool_use_id: id, content } as Block;
}

/** Calls the model, again if it is overloaded or can't be reached. Returns the reply, or what failed. */
async function callModel(): Promise<Block[] | string> {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch(`${env.ANTHROPIC_BASE_URL}/v1/messages?beta=true`, {
      method: "POST",
      headers: { "x-api-key": env.ANTHROPIC_API_KEY ?? "", "anthropic-version": "2023-06-01" },
      body: JSON.stringify({
        model: option("model"),
        max_tokens: 16_384,
        stream: true,
        tools: [{ name: "Bash", input_schema: { type: "object" } }],
        messages: entries.map(({ message }) => message),
      }),
      signal: turn.signal,
    }).catch(() => undefined);
    const said = (await response?.text().catch(() => "")) ?? "";
    if (turn.signal.aborted) return "aborted";
    if (response?.ok && said.includes("event: message_stop")) return blocksOf(said);
    const isFinal = response && response.status >= 400 && response.status < 500;
    if (isFinal || attempt === RETRIES) return `API Error: ${response?.status} ${said}`;
    await sleep(RETRY_MS * 2 ** attempt);
  }
}

/** Returns the blocks of a streamed reply. */
function blocksOf(stream: string): Block[] {
  const blocks: Block[] = [];
  const json: string[] = [];
  for (const [, data = ""] of stream.matchAll(/^data: (.*)$/gm)) {
    const { type, index, content_block, delta } = JSON.parse(data);
    if (type === "content_block_start") blocks[index] = content_block;
    if (type !== "content_block_delta") continue;
    const block = blocks[index];
    if (block && delta.type === "text_delta") block.text += delta.text;
    if (delta.type === "input_json_delta") json[index] = (json[index] ?? "") + delta.partial_json;
  }
  return blocks.map((block, index) =>
    json[index] ? { ...block, input: JSON.parse(json[index]) } : block,
  );
}

/** Adds results to calls without one, as the real one does when it resumes. */
function answerCutOffCalls(): void {
  const last = entries.at(-1)?.message;
  if (last?.role !== "assistant" || typeof last.content === "string") return;
  const content = last.content.flatMap(({ type, id }) =>
    type === "tool_use" ? [{ type: "tool_result", tool_use_id: id, content: "interrupted" }] : [],
  );
  if (content.length > 0) remember({ type: "user", message: { role: "user", content } });
}

function remember(entry: Entry): void {
  entries.push(entry);
  appendFileSync(transcript, `${JSON.stringify(entry)}\n`);
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
