import { env } from "cloudflare:workers";
import { embedded } from "../sandbox/embedded";
import type { ProgramLine, Sandbox } from "../sandbox/sandbox";

interface Block {
  type: string;
  text?: string;
  id?: string;
  name?: string;
  input?: Record<string, unknown>;
}
interface Message {
  role: string;
  content: unknown;
}
interface Decision {
  behavior: "allow" | "deny";
  updatedInput?: Record<string, unknown>;
  message?: string;
}
interface HostTool {
  name: string;
  description: string;
  inputSchema: object;
}
interface Reply {
  id: string;
  content: Block[];
  stopReason: string;
}

/** An entry of the transcript. The fake stores the conversation itself. */
interface Entry {
  type: string;
  uuid?: string;
  message?: Message;
  /** A prompt that was added to the results of the entry before it. */
  attachment?: { type: "queued_command"; prompt: unknown; source_uuid: string };
}

/** A line of input with a prompt. */
interface Told {
  uuid: string;
  message: Message;
}

// The original function: tests shorten the waits of the code under test.
const wait = scheduler.wait.bind(scheduler);

/** The parts of a fake container that a program uses. */
export interface ProgramHost {
  readonly sessionId: string;
  readonly files: Map<string, Uint8Array>;
  readonly sent: Record<string, unknown>[];
  readonly deaf: boolean;
  readonly isCutOff: boolean;
  readonly broken: boolean;
}

/** One process of the fake Claude Code. */
export class FakeProgram {
  readonly output: ProgramLine[] = [];
  readonly lines = new Map<number, string>();
  dead = false;
  readonly #machine: ProgramHost;
  readonly #command: string;
  #sandbox: Sandbox | undefined;
  #done = 0;
  #queue: string[] = [];
  #busy = false;
  #turn: AbortController | undefined;
  #transcript: Entry[] = [];
  readonly #requests = new Map<string, (response: never) => void>();
  /** The tools of the server that its host has, once it is told of one. */
  #ofHost: Promise<HostTool[]> = Promise.resolve([]);
  /** The path of its transcript. */
  transcriptPath = "";

  constructor(machine: ProgramHost, command: string) {
    this.#machine = machine;
    this.#command = command;
  }

  /** Processes the pending work. */
  step(): void {
    if (this.dead) {
      this.#turn?.abort();
      return;
    }
    if (!this.#sandbox) this.#start();
    this.#read();
    if (this.#busy) return;
    if (this.#queue.length === 0) return;
    const told = this.#queue.splice(0).map((line): Told => JSON.parse(line));
    this.#busy = true;
    this.#turn = new AbortController();
    this.#answer(told)
      .catch((error) => this.#say(`crashed: ${error}`))
      .finally(() => {
        this.#busy = false;
      });
  }

  /** Reads the lines of input that have come. */
  #read(): void {
    for (let line = this.lines.get(this.#done + 1); line; line = this.lines.get(this.#done + 1)) {
      this.#done += 1;
      const told = JSON.parse(line);
      if (told.type === "control_response") this.#decided(told.response);
      else if (told.type !== "control_request") this.#queue.push(line);
      else if (told.request.subtype === "initialize") this.#ofHost = this.#connect();
      else if (!this.#machine.deaf) this.#interrupt(told.request_id);
    }
  }

  /** Does what the start script does: restores the saved transcript, and resumes it if possible. */
  #start(): void {
    const { sessionId, files, broken } = this.#machine;
    this.#sandbox = embedded(env.EMBEDDED_SANDBOXES, sessionId, { workspace: "/workspace" });
    if (broken) {
      this.#say("bash: exec: claude: not found");
      this.dead = true;
      return;
    }
    this.transcriptPath = /\[ ! -s '([^']+)'/.exec(this.#command)?.[1] ?? "";
    const saved = /\[ -s '([^']+)' \]; then cat/.exec(this.#command)?.[1] ?? "";
    const text = new TextDecoder().decode(files.get(this.transcriptPath) ?? files.get(saved));
    this.#transcript = text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    this.#answerCutOffCalls();
  }

  get #stopped(): boolean {
    return this.#turn?.signal.aborted ?? false;
  }

  #decided({ request_id: id, response }: { request_id: string; response: never }): void {
    this.#requests.get(id)?.(response);
    this.#requests.delete(id);
  }

  /** Makes a connection to the server of the host, and returns the server's tools. */
  async #connect(): Promise<HostTool[]> {
    await this.#askServer("initialize", { protocolVersion: "2025-11-25", capabilities: {} });
    const { tools } = await this.#askServer<{ tools: HostTool[] }>("tools/list", {});
    return tools;
  }

  async #askServer<T = object>(method: string, params: object): Promise<T> {
    this.#turn?.signal.throwIfAborted();
    const id = crypto.randomUUID();
    const answered = Promise.withResolvers<{ mcp_response: { id: number; result: T } }>();
    this.#requests.set(id, answered.resolve);
    this.#turn?.signal.addEventListener("abort", () => answered.reject(new Error("interrupted")));
    const message = { jsonrpc: "2.0", id: this.#requests.size, method, params };
    const request = { subtype: "mcp_message", server_name: "client", message };
    this.#say({ type: "control_request", request_id: id, request });
    const { mcp_response } = await answered.promise;
    if (mcp_response.id !== message.id) throw new Error("the answer is one of another request");
    return mcp_response.result;
  }

  /** Makes a call of a tool of the host. */
  async #callHost({ id, name = "", input }: Block): Promise<{ content: string; isError: boolean }> {
    const { content, isError } = await this.#askServer<{ content: Block[]; isError: boolean }>(
      "tools/call",
      {
        ...{ name: name.replace(/^mcp__client__/, ""), arguments: input },
        _meta: { "claudecode/toolUseId": id },
      },
    );
    return { content: content.map(({ type, text }) => text ?? `[${type}]`).join("\n"), isError };
  }

  /** Asks for leave to make a call, as the real program does for the tools that its settings name. */
  async #leave(call: Block): Promise<Decision> {
    const id = crypto.randomUUID();
    const request = { subtype: "can_use_tool", tool_name: call.name, input: call.input };
    const decided = Promise.withResolvers<Decision>();
    this.#requests.set(id, decided.resolve);
    this.#turn?.signal.addEventListener("abort", () =>
      decided.resolve({ behavior: "deny", message: "interrupted" }),
    );
    this.#say({
      type: "control_request",
      request_id: id,
      request: { ...request, tool_use_id: call.id },
    });
    return decided.promise;
  }

  get #asked(): string[] {
    const settings = /'--settings' '([^']+)'/.exec(this.#command)?.[1] ?? "{}";
    return JSON.parse(settings).permissions?.ask ?? [];
  }

  #interrupt(requestId: string): void {
    const response = { subtype: "success", request_id: requestId };
    this.#say({ type: "control_response", response });
    this.#turn?.abort();
  }

  #lifecycle(uuid: string, state: "queued" | "started" | "completed"): void {
    this.#say({ type: "command_lifecycle", command_uuid: uuid, state });
  }

  /** Answers the prompts that have come while it was idle or busy with others. It ignores one that it has answered. */
  async #answer(told: Told[]): Promise<void> {
    const known = told.filter(({ uuid }) => this.#transcript.some((entry) => entry.uuid === uuid));
    for (const { uuid } of known) this.#lifecycle(uuid, "completed");
    const prompts = told.filter((one) => !known.includes(one));
    if (prompts.length === 0) return;
    for (const { uuid } of prompts) this.#lifecycle(uuid, "queued");
    for (const { uuid } of prompts) this.#lifecycle(uuid, "started");
    this.#say({ type: "system", subtype: "init", tools: ["Bash"] });
    for (const { uuid, message } of prompts) this.#remember({ type: "user", uuid, message });
    const failure = await this.#work(this.#transcript, undefined, undefined, this.#model).catch(
      String,
    );
    if (this.dead) return;
    const stopped = this.#stopped;
    if (stopped) {
      this.#answerCutOffCalls();
      const text = "[Request interrupted by user]";
      this.#remember({ type: "user", message: { role: "user", content: text } });
    }
    this.#say({
      type: "result",
      subtype: stopped ? "error_during_execution" : "success",
      is_error: stopped || failure !== undefined,
      ...(failure !== undefined && { result: failure }),
      ...(failure?.includes("ECONNREFUSED") && { api_error: "connection_failed" }),
      ...(stopped && { errors: ["[ede_diagnostic]"] }),
    });
    for (const { uuid } of prompts) this.#lifecycle(uuid, "completed");
  }

  /** Adds the prompts that have come meanwhile to the results of the calls that were made. */
  #absorb(): void {
    this.#read();
    for (const line of this.#queue.splice(0)) {
      const { uuid, message }: Told = JSON.parse(line);
      this.#lifecycle(uuid, "started");
      const attachment = {
        type: "queued_command",
        prompt: message.content,
        source_uuid: uuid,
      } as const;
      this.#remember({ type: "attachment", attachment });
    }
  }

  /** Calls the model until it requests no tool. Returns what failed. */
  async #work(
    conversation: Entry[],
    agentId: string | undefined,
    parent: string | undefined,
    model: string,
  ): Promise<string | undefined> {
    for (;;) {
      const reply = await this.#ask(conversation, agentId, model);
      if (typeof reply === "string") return reply;
      const entry = { type: "assistant", message: { role: "assistant", content: reply.content } };
      if (agentId === undefined) this.#remember(entry);
      else conversation.push(entry);
      for (const block of reply.content) {
        const message = { id: reply.id, role: "assistant", content: [block] };
        this.#say({ type: "assistant", message, parent_tool_use_id: parent ?? null });
      }
      const calls = reply.content.filter(({ type }) => type === "tool_use");
      if (calls.length === 0) return undefined;
      // Calls of Bash and of the host's tools are made one after the other.
      const results: unknown[] = [];
      const areMadeAtOnce = this.#asked.length === 0 && !calls.some(isHosts);
      if (areMadeAtOnce) {
        results.push(...(await Promise.all(calls.map((call) => this.#make(call, parent)))));
      } else for (const call of calls) results.push(await this.#make(call, parent));
      const answered = { type: "user", message: { role: "user", content: results } };
      if (agentId === undefined) this.#remember(answered);
      else conversation.push(answered);
      if (this.#stopped) return "aborted";
      if (agentId === undefined) this.#absorb();
    }
  }

  async #make(call: Block, parent: string | undefined): Promise<unknown> {
    const { name = "" } = call;
    const leave: Decision = this.#asked.some(
      (rule) => rule === name || name.startsWith(`${rule}__`),
    )
      ? await this.#leave(call)
      : { behavior: "allow" };
    if (leave.behavior === "deny") return this.#report(call, leave.message ?? "", true, parent);
    const { content, isError } = await this.#tool({
      ...call,
      input: leave.updatedInput ?? call.input ?? {},
    });
    return this.#report(call, content, isError, parent);
  }

  #report(call: Block, content: string, isError: boolean, parent: string | undefined): object {
    const block = { type: "tool_result", tool_use_id: call.id, content, is_error: isError };
    if (!this.#stopped) {
      const message = { role: "user", content: [block] };
      this.#say({ type: "user", message, parent_tool_use_id: parent ?? null });
    }
    return block;
  }

  async #tool({
    id = "",
    name,
    input = {},
  }: Block): Promise<{ content: string; isError: boolean }> {
    if (name === "Bash") {
      const command = String(input.command);
      const sandbox = this.#sandbox;
      if (!sandbox) throw new Error("it was not started");
      const running = sandbox.run({ id, command, timeoutMs: 60_000, maxOutputBytes: 30_000 });
      this.#turn?.signal.addEventListener("abort", () => sandbox.kill(id).catch(() => {}));
      const { stdout, stderr, exitCode } = await running;
      const said = (stdout + stderr).trimEnd();
      const failed = exitCode !== 0;
      return { content: failed ? `Exit code ${exitCode}\n${said}` : said, isError: failed };
    }
    if (name === "Agent") {
      const agentId = `a${crypto.randomUUID().slice(0, 8)}`;
      const [type, prompt] = [String(input.subagent_type), String(input.prompt)];
      const started = { task_id: agentId, tool_use_id: id, subagent_type: type, prompt };
      this.#say({ type: "system", subtype: "task_started", ...started });
      const conversation: Entry[] = [
        { type: "user", message: { role: "user", content: [{ type: "text", text: prompt }] } },
      ];
      const failure = await this.#work(conversation, agentId, id, this.#agentModel(type));
      const last = conversation.at(-1)?.message?.content;
      const said = Array.isArray(last) ? last.map(({ text }) => text ?? "").join("") : "";
      return { content: failure ?? said, isError: failure !== undefined };
    }
    if (name === "WebFetch" || name === "WebSearch") return this.#aside(name);
    const known = (await this.#ofHost).some((tool) => name === `mcp__client__${tool.name}`);
    if (known) return this.#callHost({ id, name, input } as Block);
    const isServers = name?.startsWith("mcp__") && !isHosts({ type: "tool_use", name });
    if (name !== undefined && isServers) return this.#ofServer(name, input);
    return {
      content: `<tool_use_error>No such tool available: ${name}</tool_use_error>`,
      isError: true,
    };
  }

  /** Calls a tool of an MCP server, where its configuration says. */
  async #ofServer(name: string, input: object): Promise<{ content: string; isError: boolean }> {
    const path = /'--mcp-config' '([^']+)'/.exec(this.#command)?.[1] ?? "";
    const text = new TextDecoder().decode(this.#machine.files.get(path));
    const [, server = "", tool] = /^mcp__(.+?)__(.+)$/.exec(name) ?? [];
    const { url } = JSON.parse(text).mcpServers[server];
    const params = { name: tool, arguments: input };
    const response = await env.SESSIONS.getByName(this.#machine.sessionId).fetch(
      new Request(url.replace("http://mcp.rigger/", "https://session/mcp/"), {
        method: "POST",
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
      }),
    );
    const answer = await textOf(response, this.#turn?.signal);
    const data = /^data: (\{.*)$/m.exec(answer)?.[1];
    const { result, error } = JSON.parse(data ?? answer);
    if (!result) return { content: error?.message ?? "The connection broke off.", isError: true };
    const content = result.content.map((block: Block) => block.text ?? `[${block.type}]`);
    return { content: content.join("\n"), isError: result.isError ?? false };
  }

  /** Makes a model call that is not an agent's reply. */
  async #aside(name: string): Promise<{ content: string; isError: boolean }> {
    const tools = [{ type: "web_search_20250305", name: "web_search", max_uses: 8 }];
    const response = await this.call({
      model: "claude-sonnet-5-5",
      max_tokens: 16_384,
      stream: true,
      messages: [{ role: "user", content: "What does it say?" }],
      ...(name === "WebSearch" && { tools }),
    });
    const read = await readReply(response);
    return { content: typeof read === "string" ? read : "It says this.", isError: !response.ok };
  }

  get #model(): string {
    return /'--model' '([^']+)'/.exec(this.#command)?.[1] ?? "";
  }

  #agentModel(type: string): string {
    const path = /'--agents' '([^']+)'/.exec(this.#command)?.[1] ?? "";
    const text = new TextDecoder().decode(this.#machine.files.get(path));
    return JSON.parse(text)[type].model;
  }

  async #ask(
    conversation: Entry[],
    agentId: string | undefined,
    model: string,
  ): Promise<Reply | string> {
    const body = {
      model,
      max_tokens: 16_384,
      stream: true,
      thinking: { type: "adaptive", display: "updates" },
      context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
      metadata: { user_id: "somebody" },
      system: [{ type: "text", text: "You are Claude Code, or what stands for it." }],
      tools: [
        ...["Agent", "Bash", "WebFetch", "WebSearch"].map((name) => ({
          name,
          input_schema: { type: "object" },
        })),
        ...(await this.#ofHost).map(({ name, description, inputSchema }) => ({
          ...{ name: `mcp__client__${name}`, description, input_schema: inputSchema },
        })),
      ],
      messages: messagesOf(conversation),
    };
    let cutOff = 0;
    for (let attempt = 0; ; attempt++) {
      if (this.#stopped) return "aborted";
      const response = await this.call(body, agentId).catch(() => undefined);
      const read = response && (await readReply(response, this.#turn?.signal));
      if (this.#stopped) return "aborted";
      if (read && typeof read !== "string") return read;
      // A stream without an end is retried only once.
      if (response?.ok) cutOff += 1;
      if (cutOff === 2) return "API Error: Connection to the API was lost (StreamTruncated)";
      const final = response && response.status >= 400 && response.status < 500;
      if (final || attempt >= 7) {
        if (!response) return "API Error: Connection refused (ECONNREFUSED)";
        return `API Error: ${response.status} ${read}`;
      }
      await wait(5);
    }
  }

  /** Makes one model call through the session. */
  async call(body: Record<string, unknown>, agentId?: string): Promise<Response> {
    if (this.#machine.isCutOff) throw new Error("connection refused");
    this.#machine.sent.push(body);
    const response = await env.SESSIONS.getByName(this.#machine.sessionId).fetch(
      new Request("https://session/model/v1/messages?beta=true", {
        method: "POST",
        headers: {
          "x-api-key": "none",
          "anthropic-version": "2023-06-01",
          ...(agentId && { "x-claude-code-agent-id": agentId }),
        },
        body: JSON.stringify(body),
      }),
    );
    return response;
  }

  /** Adds results to tool calls without one, as the real program does when it resumes. */
  #answerCutOffCalls(): void {
    const last = this.#transcript.at(-1)?.message;
    if (last?.role !== "assistant" || !Array.isArray(last.content)) return;
    const content = last.content.flatMap((block: Block) =>
      block.type === "tool_use"
        ? [{ type: "tool_result", tool_use_id: block.id, content: "interrupted", is_error: true }]
        : [],
    );
    if (content.length > 0)
      this.#transcript.push({ type: "user", message: { role: "user", content } });
  }

  #remember(entry: Entry): void {
    if (this.dead) return;
    this.#transcript.push(entry);
    const text = this.#transcript.map((one) => `${JSON.stringify(one)}\n`).join("");
    this.#machine.files.set(this.transcriptPath, new TextEncoder().encode(text));
  }

  #say(said: object | string): void {
    if (this.dead) return;
    const line = typeof said === "string" ? said : JSON.stringify(said);
    const end = (this.output.at(-1)?.end ?? 0) + new TextEncoder().encode(line).length + 1;
    this.output.push({ line, end });
  }
}

/** Returns the messages of a conversation. What was added to results is part of the newest of them. */
function messagesOf(conversation: readonly Entry[]): Message[] {
  const messages: Message[] = [];
  for (const { message, attachment } of conversation) {
    if (message) messages.push(message);
    const last = messages.at(-1);
    if (!attachment || !last) continue;
    const { prompt } = attachment;
    const text = typeof prompt === "string" ? prompt : JSON.stringify(prompt);
    const note = `\n\n<system-reminder>\nThe user sent a new message while you were working:\n${text}\n</system-reminder>`;
    const blocks = last.content as { content: string }[];
    const content = blocks.map((block, index) =>
      index === blocks.length - 1 ? { ...block, content: block.content + note } : block,
    );
    messages[messages.length - 1] = { ...last, content };
  }
  return messages;
}

const isHosts = ({ name }: Block): boolean => name?.startsWith("mcp__client__") ?? false;

/** Returns the reply of a stream, or its error. */
async function readReply(response: Response, signal?: AbortSignal): Promise<Reply | string> {
  const text = await textOf(response, signal).catch(String);
  if (!response.ok) return (JSON.parse(text).error?.message as string) ?? text;
  const reply: Reply = { id: "", content: [], stopReason: "" };
  const json: string[] = [];
  for (const record of text.split("\n\n")) {
    const data = /^data: (.*)$/m.exec(record)?.[1];
    if (!data) continue;
    const event = JSON.parse(data);
    if (event.type === "error") return event.error.message;
    if (event.type === "message_start") reply.id = event.message.id;
    if (event.type === "content_block_start") reply.content[event.index] = event.content_block;
    const block = reply.content[event.index];
    if (event.type === "content_block_delta" && block) {
      if (event.delta.type === "text_delta") block.text += event.delta.text;
      if (event.delta.type === "input_json_delta") {
        json[event.index] = (json[event.index] ?? "") + event.delta.partial_json;
      }
    }
    if (event.type === "content_block_stop" && json[event.index] && block) {
      block.input = JSON.parse(json[event.index] ?? "{}");
    }
    if (event.type === "message_delta") reply.stopReason = event.delta.stop_reason;
    if (event.type === "message_stop") return reply;
  }
  return "the stream ended";
}

/** Returns the text of a response, up to the point where the signal aborted. */
async function textOf(response: Response, signal?: AbortSignal): Promise<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const stop = () => reader?.cancel().catch(() => {});
  signal?.addEventListener("abort", () => void stop());
  let text = "";
  for (;;) {
    const next = await reader?.read();
    if (!next || next.done) return text;
    text += next.value;
  }
}
