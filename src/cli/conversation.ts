import { setImmediate } from "node:timers/promises";
import {
  endsMessage,
  RiggerError,
  type SessionHandle,
  type StreamedEvent,
} from "../client/rigger.ts";
import type { Input, Screen } from "./screen.ts";
import { clean, oneLine, painter } from "./terminal.ts";
import { Transcript } from "./transcript.ts";

// A message as it runs: shown, asked about, and interrupted.

type ApprovalRequest = Extract<StreamedEvent, { type: "approval.requested" }>;
type ToolRequest = Extract<StreamedEvent, { type: "tool.requested" }>;

/** Interrupts a message of a session, and only that one: if it has not started yet, as soon as it does. */
export class Interrupter {
  readonly #session: SessionHandle;
  #isRunning = false;
  #isWanted = false;

  constructor(session: SessionHandle) {
    this.#session = session;
  }

  get isWanted(): boolean {
    return this.#isWanted;
  }

  async interrupt(): Promise<void> {
    this.#isWanted = true;
    if (this.#isRunning) await this.#session.interrupt();
  }

  /** Considers an event of the message. */
  async seen({ type }: StreamedEvent): Promise<void> {
    if (type !== "message.started") return;
    this.#isRunning = true;
    if (this.#isWanted) await this.#session.interrupt();
  }
}

/** Yields the events of some messages of a session after a seq, live ones too, until all of them have ended. */
export async function* eventsOf(
  session: SessionHandle,
  messageIds: Iterable<string>,
  after: number,
): AsyncGenerator<StreamedEvent> {
  const open = new Set(messageIds);
  for await (const event of session.events({ after })) {
    if (event.messageId === undefined || !open.has(event.messageId)) continue;
    yield event;
    if (endsMessage(event)) open.delete(event.messageId);
    if (open.size === 0) return;
  }
}

interface Shown {
  session: SessionHandle;
  screen: Screen;
  interrupter: Interrupter;
  /** Whom to ask for approvals; without it, they are left to others. */
  input?: Input | undefined;
  showsPrompts?: boolean;
  /** Called if the input ends where somebody should decide. */
  leave?: () => void;
  /** Another way to answer a call than `rigger answer`. */
  answersWith?: string;
  /** Whether to show only what is waited for. */
  isQuiet?: boolean;
}

/** Shows the events of messages until they end, and asks for approvals. Returns the last event. */
export async function show(
  events: AsyncIterable<StreamedEvent>,
  { session, screen, interrupter, input, showsPrompts = false, isQuiet = false, ...how }: Shown,
): Promise<StreamedEvent | undefined> {
  const columns = () => (process.stdout.isTTY ? process.stdout.columns : 200);
  const transcript = new Transcript({ paint: painter(process.stdout), columns, showsPrompts });
  const questions = new Questions(session, screen, how);
  let last: StreamedEvent | undefined;
  try {
    for await (const event of events) {
      if (event.type === "approval.requested" && input) {
        screen.write(transcript.endLine());
        questions.add(event, transcript.request(event), input);
      } else if (event.type === "tool.requested") {
        const text = `${transcript.endLine()}${transcript.request(event)}\n`;
        questions.expect(event, isQuiet ? "" : text);
      } else {
        const text = transcript.next(event);
        if (!isQuiet) screen.write(text);
        questions.seen(event);
      }
      screen.busy(transcript.activity ?? (isQuiet ? "Writing" : undefined));
      await interrupter.seen(event);
      last = event;
    }
  } finally {
    screen.busy(undefined);
    await questions.end();
  }
  return last;
}

/** The calls that wait for somebody: each is shown when it is asked about, one after the other. */
class Questions {
  readonly #session: SessionHandle;
  readonly #screen: Screen;
  readonly #how: Pick<Shown, "leave" | "answersWith">;
  /** The questions that are open, by the ids of approvals and of calls that wait for results. */
  readonly #open = new Map<string, AbortController>();
  #asking: Promise<void> = Promise.resolve();

  constructor(session: SessionHandle, screen: Screen, how: Pick<Shown, "leave" | "answersWith">) {
    this.#session = session;
    this.#screen = screen;
    this.#how = how;
  }

  /** Asks somebody about a call, as soon as the questions before it are answered. */
  add(event: ApprovalRequest, text: string, input: Input): void {
    this.#next(event.approvalId, async (signal) => {
      this.#screen.write(`${text}\n`);
      await this.#ask(event, input, signal);
    });
  }

  /** Says how somebody answers a call of a client tool. */
  expect({ toolUseId }: ToolRequest, text: string): void {
    this.#next(toolUseId, async () => {
      this.#screen.write(text);
      const ways = [this.#how.answersWith, `rigger answer ${oneLine(toolUseId)} <result>`];
      this.#screen.note(`Answer with: ${ways.filter(Boolean).join(", or ")} (or --error)`);
    });
  }

  #next(id: string, act: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController();
    this.#open.set(id, controller);
    const { signal } = controller;
    this.#asking = this.#asking.then(async () => {
      // Of a log that is read again, the decision or the result may be the next event.
      await setImmediate();
      if (!signal.aborted) await act(signal);
    });
  }

  /** Considers an event that is no question. */
  seen(event: StreamedEvent): void {
    if (event.type === "approval.requested") this.#hint(event);
    if (event.type === "approval.resolved") this.#open.get(event.approvalId)?.abort();
    if (event.type === "tool.completed") this.#open.get(event.toolUseId)?.abort();
  }

  #hint({ approvalId }: ApprovalRequest): void {
    this.#screen.note(`Decide with: rigger approve ${approvalId} (or --deny)`);
  }

  /** Withdraws the questions that are open. */
  async end(): Promise<void> {
    for (const controller of this.#open.values()) controller.abort();
    await this.#asking;
  }

  async #ask(event: ApprovalRequest, input: Input, signal: AbortSignal): Promise<void> {
    this.#screen.hold();
    const decision = await input.answer("  Allow it? [y]es, [n]o, [a]lways in this session: ", {
      parse: decisionOf,
      hint: "  Answer y, n or a. What follows it is a note for the model: n use another branch",
      signal,
    });
    // The question was withdrawn, or the input has ended, in the middle of the line.
    if (decision === undefined) process.stdout.write("\n");
    this.#screen.release();
    if (decision !== undefined) await this.#decide(event, decision);
    else if (!signal.aborted) {
      this.#hint(event);
      this.#how.leave?.();
    }
  }

  async #decide({ approvalId }: ApprovalRequest, decision: Decision): Promise<void> {
    const { isAllowed, ...options } = decision;
    try {
      if (isAllowed) await this.#session.allow(approvalId, options);
      else await this.#session.deny(approvalId, options);
    } catch (error) {
      if (!(error instanceof RiggerError)) throw error;
      this.#screen.note(`  ${clean(error.message)}`);
    }
  }
}

interface Decision {
  isAllowed: boolean;
  note?: string;
  remember?: "session";
}

/** Returns what an answer to an approval means; undefined for anything else. */
export function decisionOf(answer: string): Decision | undefined {
  const [, word = "", text = ""] =
    /^\s*(y|yes|n|no|a|always)(?:[\s,:]+(.*))?$/i.exec(answer.trim()) ?? [];
  if (word === "") return undefined;
  const initial = word[0]?.toLowerCase();
  return {
    isAllowed: initial !== "n",
    ...(text !== "" && { note: text }),
    ...(initial === "a" && { remember: "session" }),
  };
}
