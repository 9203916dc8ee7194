import { type OutputEvent, promptLine } from "../../agent/claude-code/protocol";

/** Tells a process that knows its prompt from before it died to go on. */
const GO_ON =
  "You were interrupted before you were done. Go on where you were. Look at what is there first: a command may have run in part, and files may be missing.";

/** Tells a process to go on that has given up on a model which is to be asked again. */
const ASK_AGAIN = "The model could not be reached for a moment. Go on where you were.";

/** What is known of the message when a line of output arrives. */
export interface Facts {
  /** The UUID of the message's prompt. */
  promptUuid: string;
  /** Whether the process has begun to work on that prompt. */
  promptStarted: boolean;
  /** The newest try for a reply that the process has given up on, and that another may follow. */
  openTry: { id: string; attempt: number } | undefined;
  /** The try after which the process was last told to ask again. */
  askedAfter: string | null;
}

/** What a line of output changes. */
export type Change = Extract<OutputEvent, { type: "agent" | "results" | "compacted" | "ended" }>;

/** What a line of output leads to. What is absent does not happen. */
export interface Reaction {
  /** Output that is no line of the protocol: the reason to give should the process die. */
  noise?: string;
  /** Whether the message's prompt has been started. */
  promptStarted?: true;
  change?: Change;
  /** A line of input to send. */
  input?: string;
  /** The try that the process is told to make again. */
  askAgain?: { id: string; attempt: number };
}

/** Decides what a line of Claude Code's output leads to; undefined for nothing. A new line of input has the UUID given. */
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
      return event.uuid === facts.promptUuid ? { promptStarted: true } : undefined;
    case "done":
      if (event.uuid !== facts.promptUuid || facts.promptStarted) return undefined;
      // The transcript has the prompt from before the process died, so it gets no other answer.
      return { promptStarted: true, input: promptLine(newUuid, GO_ON) };
    case "ended": {
      const { openTry, askedAfter } = facts;
      // A process that made no further try when it was told to would make none now.
      if (!openTry || openTry.id === askedAfter) return { change: event };
      return { askAgain: openTry, input: promptLine(newUuid, ASK_AGAIN) };
    }
    default:
      return { change: event };
  }
}

/** Returns the tool calls that must be stored before a change is made: the process makes calls while it still reads. */
export function callsOf(change: Change): string[] {
  if (change.type === "agent") return [change.toolUseId];
  return change.type === "results" ? change.results.map(({ toolUseId }) => toolUseId) : [];
}
