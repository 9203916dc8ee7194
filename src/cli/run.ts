import { text } from "node:stream/consumers";
import type { Message, SessionHandle } from "../client/rigger.ts";
import { command, type Options, UsageError } from "./command.ts";
import { Interrupter, show } from "./conversation.ts";
import { Input, Screen } from "./screen.ts";
import { requireNoneOf, SESSION_OPTIONS, sessionOf } from "./session-options.ts";
import { clean, jsonLine, note, print } from "./terminal.ts";

const EXIT = { completed: 0, limit: 3, failed: 4, interrupted: 130 };

const LIMITS: readonly unknown[] = [
  ...["max_tokens", "max_turns", "budget_limit", "turn_limit", "lifetime_limit"],
];

/** Returns the exit code for a message that has ended. */
export function exitCodeOf({ status, stopReason }: Pick<Message, "status" | "stopReason">): number {
  if (stopReason === "end_turn") return EXIT.completed;
  if (LIMITS.includes(stopReason)) return EXIT.limit;
  return status === "interrupted" ? EXIT.interrupted : EXIT.failed;
}

const OPTIONS = {
  ...SESSION_OPTIONS,
  session: { type: "string", short: "s", value: "id", help: "sends to this session, no new one" },
  agent: { type: "string", value: "name", help: "the agent that answers" },
} as const satisfies Options;

export const run = command({
  summary: "Sends one message, to an ephemeral session by default, and prints its result",
  args: "[prompt…]",
  options: OPTIONS,
  json: "the message as one JSON object",
  details: `Without a prompt, or where the prompt is -, stdin is read: git diff | rigger run "Review this:" -
On a terminal, everything is shown as it happens. Otherwise stdout has the result only.
Ctrl-C and SIGTERM interrupt the message.

Exit codes: 0 the agent has finished, 1 an error of the API, 2 wrong arguments, 3 a limit was reached,
4 the message failed or the model refused, 130 it was interrupted.`,
  async run({ values, args, isJson, rigger, session }) {
    const prompt = await promptOf(args);
    const screen = new Screen();
    const isShown = !isJson && process.stdout.isTTY === true;
    if (values.session !== undefined) requireNoneOf(values);
    screen.busy("Connecting");
    const message = await (async () => {
      const id = values.session ?? (await rigger.create(await sessionOf(values, "ephemeral"))).id;
      return send(session(id), prompt, { screen, agent: values.agent, isShown });
    })().finally(() => screen.busy(undefined));
    if (isJson) print(jsonLine(message));
    else if (!process.stdout.isTTY) {
      if (message.result !== null) print(clean(message.result));
      if (exitCodeOf(message) !== 0) note(`rigger: ${clean(reasonOf(message))}`);
    }
    return exitCodeOf(message);
  },
});

const reasonOf = ({ error, stopReason }: Message): string =>
  error?.message ?? `the message has ended with ${stopReason}`;

/** Sends a message, shows it or only that it runs, and returns it when it has ended. */
async function send(
  session: SessionHandle,
  prompt: string,
  { screen, agent, isShown }: { screen: Screen; agent: string | undefined; isShown: boolean },
): Promise<Message> {
  const interrupter = new Interrupter(session);
  const onSignal = () => {
    if (interrupter.isWanted) process.exit(EXIT.interrupted);
    interrupter.interrupt().catch((error) => screen.note(`rigger: ${clean(error.message)}`));
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, onSignal);
  const input = isShown && process.stdin.isTTY ? new Input() : undefined;
  try {
    const reply = session.send(prompt, agent === undefined ? {} : { agent });
    await show(reply, { session, screen, interrupter, input, isQuiet: !isShown });
    return await reply.message();
  } finally {
    input?.close();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, onSignal);
  }
}

/** Returns the prompt: the arguments, with stdin in place of `-` or of none. */
async function promptOf(args: readonly string[]): Promise<string> {
  if (args.length === 0 && process.stdin.isTTY) throw new UsageError("Give a prompt.");
  const parts = args.length === 0 ? ["-"] : args;
  const input = parts.includes("-") ? await text(process.stdin) : "";
  const prompt = parts.map((part) => (part === "-" ? `\n${input}` : part)).join(" ");
  if (prompt.trim() === "") throw new UsageError("The prompt is empty.");
  return prompt.trim();
}
