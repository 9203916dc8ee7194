import type { Command, CommandResult, OutputListener } from "../../sandbox/sandbox";
import type { ToolContext } from "../tool";

/** The time that a stopped command has to report its result. */
const STOP_MS = 5_000;

/**
 * Runs a command of a tool call, and stops it when the call is stopped. Resolves with null if it was stopped
 * before it began, or if the sandbox did not report its end in time.
 */
export async function runCommand(
  command: Command,
  { sandbox, signal }: Pick<ToolContext, "sandbox" | "signal">,
  onOutput?: OutputListener,
): Promise<CommandResult | null> {
  if (signal.aborted) return null;

  const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<null>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  const stop = () => {
    timer = setTimeout(giveUp, STOP_MS, null);
    // A sandbox that cannot kill does not answer: the timer ends the wait.
    sandbox.kill(command.id).catch(() => {});
  };
  signal.addEventListener("abort", stop, { once: true });
  const running = sandbox.run(command, onOutput);
  // A failure after the wait is ignored.
  running.catch(() => {});
  try {
    return await Promise.race([running, givenUp]);
  } finally {
    signal.removeEventListener("abort", stop);
    clearTimeout(timer);
  }
}

/** Returns the id of a search's command. An interrupted search is run anew, and the sandbox runs no id twice. */
export function searchId({ callId, interrupted }: ToolContext): string {
  return interrupted ? `${callId}.1` : callId;
}
