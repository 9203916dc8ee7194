import { type OutputEvent, promptLine } from "../../agent/claude-code/protocol";

/** The prompt for a restarted process that already has the message's prompt in its transcript. */
const GO_ON =
  "You were interrupted before you were done. Go on where you were. Look at what is there first: a command may have run in part, and files may be missing.";

const goOn = (unfinished: string): string =>
  unfinished === "" ? GO_ON : `${GO_ON}\n${unfinished}`;

/** The prompt for a process that stopped retrying a model call although another attempt is due. */
const ASK_AGAIN = "The model could not be reached for a moment. Go on where you were.";

/** The facts about a message that a decision on a line of output depends on. */
export interface Facts {
  /** The UUID of the message's prompt. */
  promptUuid: string;
  /** Whether the process has started to work on that prompt. */
  promptStarted: boolean;
  /** The prompts that it was told to add, by their UUIDs: the id of each, and whether it has started on it. */
  steers: ReadonlyMap<string, { id: string; started: boolean }>;
  /** The newest attempt of a reply that the process gave up on although another attempt may follow. */
  openTry: { id: string; attempt: number } | undefined;
  /** What a new process has to know of calls that the one before it has left unfinished; empty if there are none. */
  unfinished: string;
  /** The id of the attempt after which the process was last asked to call the model again. */
  askedAfter: string | null;
}

/** A change that a line of output causes. */
export type Change = Extract<
  OutputEvent,
  { type: "agent" | "results" | "compacted" | "ask" | "server" | "ended" }
>;

/** The reaction to a line of output. Absent fields require no action. */
export interface Reaction {
  /** Output that is not a line of the protocol. It is reported as the reason if the process exits. */
  noise?: string;
  /** Whether the process has started to work on the message's prompt. */
  promptStarted?: true;
  /** The prompt that the process has added to its conversation. */
  steerStarted?: string;
  change?: Change;
  /** An input line to send. */
  input?: string;
  /** The attempt that the process is asked to repeat. */
  askAgain?: { id: string; attempt: number };
  /** Why the process could not reach the session for so long that it gave up, and is to be started again. */
  unreached?: string;
}

/**
 * Returns the reaction to a line of Claude Code's output; undefined for none. An input line gets the UUID `newUuid`.
 */
export function decide(
  event: OutputEvent | null,
  facts: Facts,
  newUuid: string,
): Reaction | undefined {
  if (!event) return undefined;
  switch (event.type) {
    case "noise":
      return { noise: event.text };
    case "begun":
    case "done": {
      const started = startedBy(event.uuid, facts);
      if (!started || event.type === "begun") return started;
      // The process has the prompt in its transcript from before a restart, so it does not answer it again.
      return { ...started, input: promptLine(newUuid, goOn(facts.unfinished)) };
    }
    case "ended": {
      const { openTry, askedAfter } = facts;
      // If the process made no further attempt after it was asked to, asking again would not help.
      const canAsk = openTry && openTry.id !== askedAfter;
      if (canAsk) return { askAgain: openTry, input: promptLine(newUuid, ASK_AGAIN) };
      return event.unreached ? { unreached: event.failure ?? "" } : { change: event };
    }
    default:
      return { change: event };
  }
}

/** Returns that the process has started on the prompt with a UUID, if that was not known. */
function startedBy(uuid: string, facts: Facts): Reaction | undefined {
  if (uuid === facts.promptUuid) return facts.promptStarted ? undefined : { promptStarted: true };
  const steer = facts.steers.get(uuid);
  return steer && !steer.started ? { steerStarted: steer.id } : undefined;
}

/**
 * Returns the ids of the tool calls that must be stored before a change is committed. The process may start calls while
 * it still reads the reply.
 */
export function callsOf(change: Change): string[] {
  if (change.type === "agent" || change.type === "ask") return [change.toolUseId];
  if (change.type === "server") return change.request.toolUseId ? [change.request.toolUseId] : [];
  return change.type === "results" ? change.results.map(({ toolUseId }) => toolUseId) : [];
}
