import { env } from "cloudflare:workers";
import type { ProgramLine, Sandbox } from "../sandbox/sandbox";

// A stand-in of Claude Code, as far as a session can tell: told a line, it asks the model through the session's
// own `fetch`, makes the calls of the reply in the session's sandbox, and says what the real one was heard to
// say, abbreviated. It lives in the memory of the tests, as a program does in a machine of its own: an object
// that is lost does not take it along.

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
interface Reply {
  id: string;
  content: Block[];
  stopReason: string;
}

/** What the real one writes into its transcript: here, the conversation itself. */
interface Entry {
  type: string;
  uuid?: string;
  message: Message;
}

/** A machine: its programs, and the transcripts in its files. Another machine knows nothing of either. */
export class FakeMachine {
  readonly programs = new Map<string, FakeProgram>();
  /** Programs that were started here, in their order. */
  readonly started: string[] = [];
  /** Ids of commands that were run for tools, each once. */
  readonly commands: string[] = [];
  name = `machine_${crypto.randomUUID()}`;
  /** The bodies of the model calls that were made, as they were sent. */
  readonly sent: Record<string, unknown>[] = [];
  /** What the model's calls were answered. */
  readonly statuses: number[] = [];
  /** Does not stop when it is asked to. */
  deaf = false;
  /** Dies as soon as it is started. */
  broken = false;

  constructor(readonly sessionId: string) {}

  /** The sandbox of a session with programs in it. */
  inside(sandbox: Sandbox): Sandbox {
    return {
      ...sandbox,
      run: (command, onOutput) => sandbox.run(command, onOutput),
      kill: async (id) => {
        const program = this.programs.get(id);
        if (program) program.die();
        else await sandbox.kill(id);
      },
      readFile: (path) => sandbox.readFile(path),
      writeFile: (path, bytes) => sandbox.writeFile(path, bytes),
      destroy: () => sandbox.destroy(),
      start: async () => this.name,
      programs: {
        begin: async ({ id, command }) => {
          if (this.programs.has(id)) return;
          const program = new FakeProgram(this, sandbox, id, command);
          this.programs.set(id, program);
          this.started.push(id);
          program.start();
        },
        tell: async (id, n, line) => this.programs.get(id)?.tell(n, line),
        listen: (id, after, signal) => listen(this.programs.get(id), after, signal),
      },
    };
  }

  /** The program that runs; undefined when none does. */
  get program(): FakeProgram | undefined {
    return [...this.programs.values()].findLast((program) => !program.dead);
  }

  /** The machine is gone, with all on it, and another stands in its place. */
  async replace(sandbox: Sandbox): Promise<void> {
    for (const program of this.programs.values()) program.die();
    this.programs.clear();
    this.name = `machine_${crypto.randomUUID()}`;
    const id = `lost_${crypto.randomUUID()}`;
    await sandbox.run({
      id,
      command: "rm -rf /home/agent",
      timeoutMs: 5_000,
      maxOutputBytes: 1_000,
    });
  }
}

async function* listen(
  program: FakeProgram | undefined,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<ProgramLine> {
  if (!program) return;
  for (let at = 0; !signal.aborted; ) {
    const next = program.output[at];
    if (next) {
      at += 1;
      if (next.end > after) yield next;
    } else if (program.dead) return;
    else await Promise.race([program.more(), aborted(signal)]);
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });

/** One process. */
export class FakeProgram {
  readonly output: ProgramLine[] = [];
  readonly #lines = new Map<number, string>();
  readonly #queue: string[] = [];
  readonly #ended = new AbortController();
  #more = Promise.withResolvers<void>();
  #busy = false;
  #turn = new AbortController();
  #transcript: Entry[] = [];
  #uuid = "";

  constructor(
    readonly machine: FakeMachine,
    readonly sandbox: Sandbox,
    readonly id: string,
    readonly command: string,
  ) {}

  get dead(): boolean {
    return this.#ended.signal.aborted;
  }

  more(): Promise<void> {
    return this.#more.promise;
  }

  die(): void {
    this.#ended.abort();
    this.#turn.abort();
    this.#wake();
  }

  /** Does what the command's script does: takes the transcript that was put back, and resumes it if it can. */
  async start(): Promise<void> {
    this.#busy = true;
    const [, transcript = ""] = /\[ ! -s '([^']+)'/.exec(this.command) ?? [];
    const [, saved = ""] = /\[ -s '([^']+)' \]; then cat/.exec(this.command) ?? [];
    this.#uuid = /--session-id ([\w-]+)/.exec(this.command)?.[1] ?? "";
    this.#path = transcript;
    if (this.machine.broken) {
      this.#say("bash: exec: claude: not found");
      this.die();
      return;
    }
    const bytes =
      (await this.sandbox.readFile(transcript)) ?? (await this.sandbox.readFile(saved)) ?? null;
    const text = new TextDecoder().decode(bytes ?? new Uint8Array());
    this.#transcript = text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    this.#answerCutOffCalls();
    this.#busy = false;
    this.#next();
  }
  #path = "";

  tell(n: number, line: string): void {
    if (this.#lines.has(n)) return;
    this.#lines.set(n, line);
    const told = JSON.parse(line);
    if (told.type === "control_request") {
      if (!this.machine.deaf) this.#interrupt(told.request_id);
      return;
    }
    this.#queue.push(line);
    this.#next();
  }

  #interrupt(requestId: string): void {
    const response = { subtype: "success", request_id: requestId };
    this.#say({ type: "control_response", response });
    this.#turn.abort();
  }

  #next(): void {
    if (this.#busy || this.dead) return;
    const line = this.#queue.shift();
    if (line === undefined) return;
    this.#busy = true;
    this.#turn = new AbortController();
    this.#answer(JSON.parse(line)).finally(() => {
      this.#busy = false;
      this.#next();
    });
  }

  async #answer({ uuid, message }: { uuid: string; message: Message }): Promise<void> {
    const lifecycle = (state: string) =>
      this.#say({ type: "command_lifecycle", command_uuid: uuid, state });
    if (this.#transcript.some((entry) => entry.uuid === uuid)) return lifecycle("completed");
    lifecycle("queued");
    lifecycle("started");
    this.#say({ type: "system", subtype: "init", session_id: this.#uuid, tools: ["Bash"] });
    await this.#remember({ type: "user", uuid, message });
    const failure = await this.#work(this.#transcript, undefined, undefined).catch(String);
    if (this.dead) return;
    const stopped = this.#turn.signal.aborted;
    if (stopped) {
      this.#answerCutOffCalls();
      const text = "[Request interrupted by user]";
      await this.#remember({ type: "user", message: { role: "user", content: text } });
    }
    this.#say({
      type: "result",
      subtype: stopped ? "error_during_execution" : "success",
      is_error: stopped || failure !== undefined,
      ...(failure !== undefined && { result: failure }),
      ...(stopped && { errors: ["[ede_diagnostic]"] }),
    });
    lifecycle("completed");
  }

  /** Asks the model until it asks for no tool. Answers what failed. */
  async #work(
    conversation: Entry[],
    agentId: string | undefined,
    parent: string | undefined,
  ): Promise<string | undefined> {
    for (;;) {
      const reply = await this.#ask(conversation, agentId);
      if (typeof reply === "string") return reply;
      const entry = { type: "assistant", message: { role: "assistant", content: reply.content } };
      if (agentId === undefined) await this.#remember(entry);
      else conversation.push(entry);
      for (const block of reply.content) {
        const message = { id: reply.id, role: "assistant", content: [block] };
        this.#say({ type: "assistant", message, parent_tool_use_id: parent ?? null });
      }
      const calls = reply.content.filter(({ type }) => type === "tool_use");
      if (calls.length === 0) return undefined;
      const results = await Promise.all(calls.map((call) => this.#make(call, parent)));
      const answered = { type: "user", message: { role: "user", content: results } };
      if (agentId === undefined) await this.#remember(answered);
      else conversation.push(answered);
      if (this.#turn.signal.aborted) return "aborted";
    }
  }

  async #make(call: Block, parent: string | undefined): Promise<unknown> {
    const { content, isError } = await this.#tool(call);
    const block = { type: "tool_result", tool_use_id: call.id, content, is_error: isError };
    if (!this.#turn.signal.aborted) {
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
      this.machine.commands.push(id);
      const command = String(input.command);
      const running = this.sandbox.run({ id, command, timeoutMs: 60_000, maxOutputBytes: 30_000 });
      this.#turn.signal.addEventListener("abort", () => this.sandbox.kill(id).catch(() => {}));
      const { stdout, stderr, exitCode } = await running;
      return { content: (stdout + stderr).trimEnd(), isError: exitCode !== 0 };
    }
    if (name === "Agent") {
      const agentId = `a${crypto.randomUUID().slice(0, 8)}`;
      const [type, prompt] = [String(input.subagent_type), String(input.prompt)];
      const started = { task_id: agentId, tool_use_id: id, subagent_type: type, prompt };
      this.#say({ type: "system", subtype: "task_started", ...started });
      const conversation: Entry[] = [
        { type: "user", message: { role: "user", content: [{ type: "text", text: prompt }] } },
      ];
      const failure = await this.#work(conversation, agentId, id);
      const last = conversation.at(-1)?.message.content;
      const said = Array.isArray(last) ? last.map(({ text }) => text ?? "").join("") : "";
      return { content: failure ?? said, isError: failure !== undefined };
    }
    return {
      content: `<tool_use_error>No such tool available: ${name}</tool_use_error>`,
      isError: true,
    };
  }

  async #ask(conversation: Entry[], agentId: string | undefined): Promise<Reply | string> {
    const body = {
      model: /'--model' '([^']+)'/.exec(this.command)?.[1],
      max_tokens: 16_384,
      stream: true,
      thinking: { type: "adaptive", display: "updates" },
      context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
      metadata: { user_id: "somebody" },
      system: [{ type: "text", text: "You are Claude Code, or what stands for it." }],
      tools: ["Agent", "Bash"].map((name) => ({ name, input_schema: { type: "object" } })),
      messages: conversation.map(({ message }) => message),
    };
    for (let attempt = 0; ; attempt++) {
      const response = await this.call(body, agentId).catch(() => undefined);
      if (this.#turn.signal.aborted) return "aborted";
      const read = response && (await readReply(response));
      if (read && typeof read !== "string") return read;
      const final = response && response.status >= 400 && response.status < 500;
      if (final || attempt >= 7) return `API Error: ${response?.status} ${read}`;
      await scheduler.wait(5);
    }
  }

  /** One call of the model, through the session. */
  async call(body: Record<string, unknown>, agentId?: string): Promise<Response> {
    this.machine.sent.push(body);
    const response = await env.SESSIONS.getByName(this.machine.sessionId).fetch(
      new Request("https://session/model/v1/messages?beta=true", {
        method: "POST",
        headers: {
          "x-api-key": "none",
          "anthropic-version": "2023-06-01",
          ...(agentId && { "x-claude-code-agent-id": agentId }),
        },
        body: JSON.stringify(body),
        signal: this.#turn.signal,
      }),
    );
    this.machine.statuses.push(response.status);
    return response;
  }

  /** Calls without a result are answered, as the real one does when it resumes. */
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

  async #remember(entry: Entry): Promise<void> {
    this.#transcript.push(entry);
    const text = this.#transcript.map((one) => `${JSON.stringify(one)}\n`).join("");
    await this.sandbox.writeFile(this.#path, new TextEncoder().encode(text));
  }

  #say(said: object | string): void {
    if (this.dead) return;
    const line = typeof said === "string" ? said : JSON.stringify(said);
    const end = (this.output.at(-1)?.end ?? 0) + new TextEncoder().encode(line).length + 1;
    this.output.push({ line, end });
    this.#wake();
  }

  #wake(): void {
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }
}

/** The reply in a stream, or what went wrong with it. */
async function readReply(response: Response): Promise<Reply | string> {
  const text = await response.text().catch(String);
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
