import type { Command, CommandResult, OutputListener } from "../../sandbox/sandbox";
import type { ToolContext } from "../tool";

/** How long a stopped command may take to say what it had done. */
const STOP_MS = 5_000;

/**
 * Runs a command of a tool call and stops it when the call is stopped. Null when it was stopped
 * before it began, or when the sandbox did not tell in time how it ended.
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
    // A sandbox that can't kill is one that does not answer: the timer is what ends the wait.
    sandbox.kill(command.id).catch(() => {});
  };
  signal.addEventListener("abort", stop, { once: true });
  const running = sandbox.run(command, onOutput);
  // Nobody hears of its failure after the wait was given up.
  running.catch(() => {});
  try {
    return await Promise.race([running, givenUp]);
  } finally {
    signal.removeEventListener("abort", stop);
    clearTimeout(timer);
  }
}

/** Returns the id of a search's command. One that was cut off is run anew, and the sandbox runs no id twice. */
export function searchId({ callId, interrupted }: ToolContext): string {
  return interrupted ? `${callId}.1` : callId;
}
