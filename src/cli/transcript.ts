import type {
  ApprovalRequestedEvent,
  AssistantDeltaEvent,
  MessageEndEvent,
  StreamedEvent,
  ToolCompletedEvent,
  ToolRequestedEvent,
} from "../client/rigger.ts";
import { duration, money, promptText, summaryOf } from "../shared/readable.ts";
import { clean, oneLine, type Paint, plural, short } from "./terminal.ts";

const RESULT_LINES = 4;
/** Whoever decides about a call has to see what it does: up to a screen of it. */
const INPUT_LINES = 60;

/**
 * Turns the events of messages into text for a terminal. The main agent's text comes as it is streamed, and a call when it
 * has a result, because calls run side by side.
 */
export class Transcript {
  readonly #paint: Paint;
  readonly #columns: () => number;
  readonly #showsPrompts: boolean;
  /** The block that is being written. */
  #block: string | undefined;
  readonly #streamed = new Set<string>();
  #isLineOpen = false;
  /** Whether a paragraph that begins now needs an empty line before it. */
  #needsGap = false;
  readonly #running = new Map<string, string>();
  #state = "Waiting for its turn";
  #startedAt: number | undefined;
  #cost = 0;
  #turns = 0;

  constructor({
    paint,
    columns = () => 100,
    showsPrompts = false,
  }: { paint: Paint; columns?: () => number; showsPrompts?: boolean }) {
    this.#paint = paint;
    this.#columns = columns;
    this.#showsPrompts = showsPrompts;
  }

  /** What the message waits for; undefined while text is written. */
  get activity(): string | undefined {
    if (this.#isLineOpen) return undefined;
    return [...this.#running.values()].at(-1) ?? this.#state;
  }

  /** Returns what an event adds to the screen. */
  next(event: StreamedEvent): string {
    if (event.type === "assistant.delta") return this.#delta(event);
    if (this.#wasStreamed(event)) return this.endLine();
    const text = this.#textOf(event);
    if (text === "") return "";
    const isParagraph = event.type === "assistant.text" || event.type === "assistant.thinking";
    const gap = isParagraph ? this.#gap() : "";
    this.#needsGap = !text.endsWith("\n");
    return `${this.endLine()}${gap}${text}\n`;
  }

  /** Returns what ends the line of a block that is being written. */
  endLine(): string {
    const end = this.#isLineOpen ? "\n" : "";
    this.#isLineOpen = false;
    this.#block = undefined;
    return end;
  }

  #gap(): string {
    const gap = this.#needsGap ? "\n" : "";
    this.#needsGap = false;
    return gap;
  }

  #wasStreamed(event: StreamedEvent): boolean {
    if (event.type !== "assistant.text" && event.type !== "assistant.thinking") return false;
    return this.#streamed.delete(
      keyOf(event, event.type === "assistant.text" ? "text" : "thinking"),
    );
  }

  #textOf(event: StreamedEvent): string {
    const paint = this.#paint;
    switch (event.type) {
      case "assistant.text":
        return this.#ofAgent(event.agent) + clean(event.text);
      case "assistant.thinking":
        return this.#ofAgent(event.agent) + paint("dim", event.text);
      case "message.received":
        this.#state = "Waiting for its turn";
        return this.#showsPrompts ? paint("bold", `› ${promptText(event.prompt)}`) : "";
      case "message.steered":
        return this.#ofAgent(event.agent) + paint("bold", `› ${promptText(event.prompt)}`);
      case "message.started":
        this.#startedAt = Date.parse(event.at);
        this.#cost = this.#turns = 0;
        this.#state = "Starting";
        return "";
      case "turn.started":
        this.#state = "Thinking";
        return "";
      case "turn.completed":
        this.#cost += event.cost;
        if (event.kind === "reply") this.#turns++;
        return "";
      case "turn.retried":
        this.#cost += event.cost;
        this.#state = "Waiting to try again";
        return paint(
          "yellow",
          `The model call failed (${oneLine(event.reason, 200)}). It is tried again in ${duration(event.delayMs)}.`,
        );
      case "tool.started":
        this.#running.set(event.toolUseId, nameOf(event) + spaced(oneLine(summaryOf(event.input))));
        return "";
      case "tool.output":
        return "";
      case "tool.completed":
        return this.#call(event);
      case "agent.started":
        return this.#ofAgent(event.agent) + paint("dim", this.#cut(event.prompt, 16));
      case "agent.completed":
        return event.stopReason === "end_turn"
          ? ""
          : this.#ofAgent(event.agent) + paint("yellow", `stopped: ${event.stopReason}`);
      case "approval.requested":
      case "tool.requested":
        return this.request(event);
      case "approval.resolved": {
        const by = event.resolvedBy ? ` by ${event.resolvedBy.owner}` : "";
        return paint(
          "dim",
          `  ${event.name}: ${event.status}${by}${event.note ? `: ${event.note}` : ""}`,
        );
      }
      case "message.waiting":
        if (event.waitingFor.type !== "limit") return "";
        this.#state = `Waiting: the limit on ${event.waitingFor.limit} is reached`;
        return paint(
          "yellow",
          event.waitingFor.limit === "owner_running_messages"
            ? "It goes on when another message of its owner has ended."
            : `The session is paused: its limit on ${event.waitingFor.limit} is reached. It goes on when the limit is raised (rigger update).`,
        );
      case "message.completed":
      case "message.interrupted":
      case "message.failed":
        return this.#end(event);
      default:
        return noticeOf(event, paint);
    }
  }

  #delta(event: AssistantDeltaEvent): string {
    // Agents write at the same time. Only the main agent's text comes piece by piece.
    if (event.agent !== undefined) return "";
    const key = keyOf(event, event.kind);
    const isNew = this.#block !== key;
    const gap = isNew ? this.endLine() + this.#gap() : "";
    this.#needsGap = true;
    this.#block = key;
    this.#streamed.add(key);
    const text = clean(event.text);
    if (text !== "") this.#isLineOpen = !text.endsWith("\n");
    return gap + (event.kind === "thinking" ? this.#paint("dim", text) : text);
  }

  #call(event: ToolCompletedEvent): string {
    const call = this.#running.get(event.toolUseId) ?? nameOf(event);
    this.#running.delete(event.toolUseId);
    this.#state = "Thinking";
    const took = duration(event.durationMs);
    const mark = this.#paint(event.isError ? "red" : "green", "●");
    const title = `${mark} ${this.#cut(call, took.length + 6)} ${this.#paint("dim", `(${took})`)}`;
    const style = event.isError ? "red" : "dim";
    return [title, ...this.#lines(event.content, RESULT_LINES, style)].join("\n");
  }

  /** Returns a call that waits for approval or for its result, with all of its input. */
  request({ type, name, agent, input }: ApprovalRequestedEvent | ToolRequestedEvent): string {
    const isApproval = type === "approval.requested";
    this.#state = isApproval ? "Waiting for approval" : "Waiting for the result of a call";
    const { command } = input as Record<string, unknown>;
    const text = typeof command === "string" ? command : JSON.stringify(input, null, 2);
    const what = isApproval ? "asks for approval" : "waits for its result";
    const title = this.#paint("yellow", `? ${nameOf({ name, agent })} ${what}`);
    const lines = this.#lines(text, INPUT_LINES, "bold", Number.POSITIVE_INFINITY);
    const isCut = lines.length > INPUT_LINES;
    const list = isApproval ? "approve" : "answer";
    const rest = isCut ? [this.#paint("yellow", `  rigger ${list} --json shows all of it`)] : [];
    return [title, ...lines, ...rest].join("\n");
  }

  #lines(
    text: string,
    max: number,
    style: "dim" | "red" | "bold",
    columns = this.#columns() - 3,
  ): string[] {
    const lines = clean(text).trimEnd().split("\n");
    const shown = lines.slice(0, max).filter((line, i) => line !== "" || i > 0);
    const rest = lines.length - max;
    return [
      ...shown.map((line) => `  ${this.#paint(style, short(line, columns))}`),
      ...(rest > 0 ? [`  ${this.#paint("dim", `… ${plural(rest, "more line")}`)}`] : []),
    ];
  }

  #end(event: MessageEndEvent): string {
    this.#running.clear();
    const took = this.#startedAt === undefined ? 0 : Date.parse(event.at) - this.#startedAt;
    const sums = [money(this.#cost), plural(this.#turns, "turn"), duration(took)].join(" · ");
    const why = endOf(event);
    const style = event.type === "message.failed" ? "red" : "yellow";
    const lines = [
      ...(why === undefined ? [] : [this.#paint(style, why)]),
      this.#paint("dim", sums),
    ];
    return `${lines.join("\n")}\n`;
  }

  #ofAgent(agent: string | undefined): string {
    return agent === undefined ? "" : `${this.#paint("cyan", `▸ ${agent}`)} `;
  }

  #cut(text: string, used: number): string {
    return oneLine(text, Math.max(20, this.#columns() - used));
  }
}

const spaced = (text: string): string => (text === "" ? "" : ` ${text}`);

const nameOf = ({ name, agent }: { name: string; agent?: string | undefined }): string =>
  oneLine(agent === undefined ? name : `[${agent}] ${name}`);

const keyOf = ({ turnId, block }: { turnId: string; block: number }, kind: string): string =>
  `${turnId}/${block}/${kind}`;

/** Returns why a message has ended, if it has not ended well. */
function endOf(event: MessageEndEvent): string | undefined {
  if (event.type === "message.joined") return undefined;
  if (event.type === "message.failed") return `Failed: ${event.error.message}`;
  if (event.type === "message.interrupted") {
    return event.stopReason === "interrupted" ? "Interrupted." : `Stopped: ${event.stopReason}.`;
  }
  return event.stopReason === "end_turn" ? undefined : `Stopped: ${event.stopReason}.`;
}

/** Returns a line about what happened to the session; nothing for what needs no attention. */
function noticeOf(event: StreamedEvent, paint: Paint): string {
  switch (event.type) {
    case "limit.warned": {
      const amount = event.limit === "budget" ? money : String;
      const [used, max] = [amount(event.used), amount(event.max)];
      if (event.limit === "budget" && event.part === 1) {
        return paint("yellow", `A call needs more than what is left of ${max}: ${used} is spent.`);
      }
      const part = `${Math.round(event.part * 100)} %`;
      return paint("yellow", `${part} of the ${event.limit} used: ${used} of ${max}.`);
    }
    case "context.compacted":
      return paint("dim", "The older part of the conversation was replaced by a summary.");
    case "content.withdrawn":
      return paint("yellow", `The model's API refused content: ${oneLine(event.reason)}`);
    case "sandbox.lost":
      return paint("yellow", "The container and its files were lost. The saved workspace is used.");
    case "sandbox.unsaved":
      return paint("yellow", `The workspace can't be saved: ${oneLine(event.message)}`);
    case "mcp.failed":
      return paint(
        "yellow",
        `The tools of ${event.server} can't be listed: ${oneLine(event.message)}`,
      );
    case "session.terminated":
      return paint("yellow", `The session has ended: ${oneLine(event.reason)}.`);
    case "session.failed":
      return paint("red", `The session has failed: ${oneLine(event.error.message)}`);
    default:
      return "";
  }
}
