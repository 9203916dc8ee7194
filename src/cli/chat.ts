import {
  endsMessage,
  hasEnded,
  RiggerError,
  type SessionHandle,
  type SteerOptions,
  type StreamedEvent,
} from "../client/rigger.ts";
import { money, summaryOf } from "../shared/readable.ts";
import { type Call, command, type Options, UsageError } from "./command.ts";
import { eventsOf, Interrupter, show } from "./conversation.ts";
import { Input, Screen } from "./screen.ts";
import { requireNoneOf, SESSION_OPTIONS, sessionOf } from "./session-options.ts";
import { note, oneLine, painter, plural } from "./terminal.ts";

const HELP = `  /help   shows this
  /cost   what the session has cost, and its limits
  /quit   leaves; the session stays, and so does Ctrl-D
  /answer <result>   gives the result of the call that waits for one longest
A line that is typed while the agent works joins its message at the next turn.
A line that ends in \\ goes on in the next one. Everything else is sent, also other lines that begin with /.
Ctrl-C interrupts the message that runs, and leaves when pressed again.`;

const OPTIONS = {
  ...SESSION_OPTIONS,
  continue: { type: "boolean", short: "c", help: "goes on with the latest session" },
  agent: { type: "string", value: "name", help: "the agent that answers" },
} as const satisfies Options;

export const chat = command({
  summary: "Talks to a session, a new one by default",
  args: "[session]",
  options: OPTIONS,
  details: `Text is streamed; calls are shown with their results, and what waits for approval is asked for.
In the chat:
${HELP}`,
  async run(call) {
    const screen = new Screen();
    screen.busy("Connecting");
    const session = await open(call).finally(() => screen.busy(undefined));
    note(painter(process.stderr)("dim", `${session.id}  (/help)`));
    const input = new Input();
    const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
    const asker = isTerminal ? input : undefined;
    let current: Interrupter | undefined;
    let isOver = false;
    const leave = () => {
      input.close();
      screen.busy(undefined);
      const again = `rigger chat ${isOver ? "--resume " : ""}${session.id}`;
      note(painter(process.stderr)("dim", `\nGo on with: ${again}`));
    };
    const onInterrupt = () => {
      if (!current) return input.close();
      if (current.isWanted) {
        leave();
        process.exit(130);
      }
      screen.busy("Interrupting; Ctrl-C again leaves");
      current.interrupt().catch((error) => screen.failed(error));
    };
    const follow = async (events: AsyncIterable<StreamedEvent>, showsPrompts: boolean) => {
      current = new Interrupter(session);
      try {
        const exit = () => {
          leave();
          process.exit(0);
        };
        const shown = { session, screen, interrupter: current, input: asker, showsPrompts };
        const answersWith = isTerminal ? { answersWith: "/answer <result>" } : {};
        return await show(events, { ...shown, ...answersWith, leave: exit });
      } finally {
        current = undefined;
      }
    };

    const obey = (line: string) =>
      answerTo(line, session).then(
        (text) => screen.note(text),
        (error) => screen.failed(error),
      );

    const { agent } = call.values;
    const options = agent === undefined ? {} : { agent };
    const converse = async (events: AsyncIterable<StreamedEvent>, showsPrompts: boolean) => {
      const steers = new Steers(session, options, screen);
      const stop = input.watch((line) => {
        if (isQuit(line)) {
          leave();
          process.exit(130);
        }
        if (isCommand(line)) void obey(line);
        else steers.add(line);
      });
      try {
        let last = await follow(steers.seen(events), showsPrompts);
        // Those that came too late for the message run afterwards.
        for (let rest = await steers.open(); rest.length > 0; rest = await steers.open()) {
          const events = eventsOf(session, rest, last && "seq" in last ? last.seq : 0);
          last = (await follow(steers.seen(events), true)) ?? last;
        }
        isOver = last !== undefined && (await endsSession(session, last));
      } catch (error) {
        // A message that is refused is not the end of the chat.
        if (!(error instanceof RiggerError) || error.status === undefined) throw error;
        isOver = error.reason === "session_ended";
        note(painter(process.stderr)("red", error.message));
      } finally {
        stop();
      }
    };

    process.on("SIGINT", onInterrupt);
    try {
      if (call.args.length > 0 || call.values.continue) await converse(latest(session), true);
      while (!isOver) {
        const prompt = await input.message();
        if (prompt === undefined || isQuit(prompt)) break;
        if (prompt.trim() === "") continue;
        if (isCommand(prompt)) await obey(prompt);
        else await converse(session.send(prompt, options), false);
      }
    } finally {
      process.off("SIGINT", onInterrupt);
      leave();
    }
    return 0;
  },
});

const isCommand = (line: string): boolean => /^\/(help|cost|answer( .*)?)$/s.test(line);

/** Does what a command of the chat says, and returns what there is to say about it. */
async function answerTo(line: string, session: SessionHandle): Promise<string> {
  if (line === "/help") return HELP;
  if (line === "/cost") return costOf(session);
  const content = line.slice("/answer ".length);
  if (content === "") return "Give the result: /answer <result>";
  const [oldest] = await session.toolRequests();
  if (!oldest) return "No call waits for a result.";
  await session.answerTools([{ toolUseId: oldest.toolUseId, content }]);
  return `Answered: ${oneLine(`${oldest.name} ${summaryOf(oldest.input)}`, 100)}`;
}

const isQuit = (line: string): boolean => /^\/(quit|exit)$/.test(line);

/** Prompts that are sent while a message runs, to join it. */
class Steers {
  readonly #session: SessionHandle;
  readonly #options: SteerOptions;
  readonly #screen: Screen;
  readonly #sent: Promise<string | undefined>[] = [];
  /** The messages that have ended, and those whose prompts have joined one. */
  readonly #done = new Set<string>();
  /** Lines that go on in the next one. */
  #begun = "";

  constructor(session: SessionHandle, options: SteerOptions, screen: Screen) {
    this.#session = session;
    this.#options = options;
    this.#screen = screen;
  }

  add(line: string): void {
    if (line.endsWith("\\")) {
      this.#begun += `${line.slice(0, -1)}\n`;
      return;
    }
    const prompt = this.#begun + line;
    this.#begun = "";
    if (prompt.trim() === "") return;
    const sent = this.#session.steer(prompt, this.#options).then(
      ({ messageId, steerId = messageId }) => steerId,
      (error) => {
        this.#screen.failed(error);
        return undefined;
      },
    );
    this.#sent.push(sent);
  }

  /** Yields events, and notes what they say of the prompts. */
  async *seen(events: AsyncIterable<StreamedEvent>): AsyncGenerator<StreamedEvent> {
    for await (const event of events) {
      if (event.type === "message.steered") this.#done.add(event.steerId);
      if (endsMessage(event) && event.messageId !== undefined) this.#done.add(event.messageId);
      yield event;
    }
  }

  /** Returns the messages of the prompts that have not joined another one and have not ended. */
  async open(): Promise<string[]> {
    const ids = await Promise.all(this.#sent);
    return ids.flatMap((id) => (id === undefined || this.#done.has(id) ? [] : [id]));
  }
}

/** Returns the session to talk to. */
async function open({
  values,
  args,
  rigger,
  session,
}: Call<typeof OPTIONS>): Promise<SessionHandle> {
  const [given] = args;
  if (given !== undefined && values.continue) {
    throw new UsageError("Name a session or use --continue, not both.");
  }
  if (given !== undefined || values.continue) requireNoneOf(values);
  const id = values.continue ? await latestId(rigger) : given;
  const opened =
    id === undefined
      ? (await rigger.create(await sessionOf(values, "hybrid"))).id
      : (await rigger.session(id).read()).id;
  return session(opened);
}

async function latestId(rigger: Call<Options>["rigger"]): Promise<string> {
  const query = { sort: "-lastActivityAt", status: ["active", "idle"], pageSize: 1 } as const;
  for await (const { id } of rigger.sessions({ ...query, status: [...query.status] })) return id;
  throw new UsageError("There is no session that has not ended.");
}

/** Yields the events of the messages that have not ended, live ones too; those of the last message if all have. */
async function* latest(session: SessionHandle): AsyncGenerator<StreamedEvent> {
  let last = 0;
  let events: StreamedEvent[] = [];
  const open = new Set<string>();
  for await (const event of session.log()) {
    last = event.seq;
    if (open.size === 0 && event.type === "message.received") events = [];
    events.push(event);
    track(event, open);
  }
  yield* events.filter(({ messageId }) => messageId !== undefined);
  if (open.size === 0) return;
  for await (const event of session.events({ after: last })) {
    yield event;
    track(event, open);
    if (open.size === 0) return;
  }
}

/** Keeps the messages that have not ended. */
function track(event: StreamedEvent, open: Set<string>): void {
  const { type, messageId } = event;
  if (messageId === undefined) return;
  if (type === "message.received") open.add(messageId);
  if (endsMessage(event)) open.delete(messageId);
}

/** Returns whether the session has ended with the message, and says why. */
async function endsSession(session: SessionHandle, last: StreamedEvent): Promise<boolean> {
  if ("stopReason" in last && last.stopReason === "end_turn") return false;
  const now = await session.read();
  if (!hasEnded(now)) return false;
  note(`The session has ended (${oneLine(now.terminationReason ?? now.status)}).`);
  return true;
}

async function costOf(session: SessionHandle): Promise<string> {
  const { totalCost, maxBudgetUsd, numTurns, maxTurns, totalTokens } = await session.read();
  const budget = maxBudgetUsd === null ? "" : ` of ${money(maxBudgetUsd)}`;
  const turns = maxTurns === null ? plural(numTurns, "turn") : `${numTurns} of ${maxTurns} turns`;
  return `${money(totalCost)}${budget} · ${turns} · ${plural(totalTokens, "token")}`;
}
