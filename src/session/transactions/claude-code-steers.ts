import { promptLine } from "../../agent/claude-code/protocol";
import { endingOf } from "../../agent/loop";
import type { Prompt } from "../../events/event";
import type { SessionStore } from "../storage/store";
import { joinSteers } from "./steers";
import { hasTurnLeft, isSteered } from "./turns";

// Prompts that join the message that Claude Code works on. The process is told each as a line of input, and reports when it
// has added it to its conversation: after the results of its calls, or after its last reply. The prompt has joined the
// message when the call of the model begins that has it. Call functions that change something within a transaction.

/** Returns the UUID under which the process knows a message's prompt: the hex digits of the message's id. */
export function uuidIn(messageId: string): string {
  const hex = messageId.replace(/^msg_/, "");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * Returns the line that tells the process the oldest prompt that it does not have, and records it as told; null if there is
 * none, or the process can't take one. A prompt that has joined the message is told again to a process whose transcript
 * lacks it.
 */
export function takeSteer(store: SessionStore, messageId: string): string | null {
  const process = store.process.read();
  const run = store.runs.get(messageId);
  if (!run?.open || process?.messageId !== messageId) return null;
  if (!process.promptStarted || process.ending) return null;
  const next = store.messages.steersOf(messageId).find(({ id }) => !(id in process.steers));
  if (!next || !(next.isJoined || isSteered({ store, run }))) return null;
  store.process.saveSteer(next.id, false);
  return promptLine(uuidIn(next.id), store.messages.prompt(next.id));
}

/** Returns those of a message's prompts that are in a transcript of the process. */
export function steersIn(transcript: string, { messages }: SessionStore, messageId: string) {
  const ids = messages.steersOf(messageId).map(({ id }) => id);
  // As an entry of its own, or added to results of calls.
  return ids.filter((id) => new RegExp(`"(source_)?uuid":"${uuidIn(id)}"`).test(transcript));
}

/**
 * Returns the prompts that the process was told and has not started on, and those that it has started on and that have not
 * joined its message yet.
 */
export function openSteers({
  process,
  messages,
}: SessionStore): { id: string; started: boolean }[] {
  const { steers = {} } = process.read() ?? {};
  return Object.entries(steers)
    .filter(([id, started]) => !started || messages.get(id)?.status !== "joined")
    .map(([id, started]) => ({ id, started }));
}

/** Returns the prompts that join the message with the next call of its process. */
export const startedSteers = (store: SessionStore): string[] =>
  openSteers(store).flatMap(({ id, started }) => (started ? [id] : []));

/**
 * Returns whether the process, which has finished the message, goes on with prompts that are to join it. Those that were in
 * its conversation have joined it.
 */
export function goesOn(store: SessionStore, messageId: string, now: number): boolean {
  const run = store.runs.get(messageId);
  if (!run) return false;
  joinSteers({ store, run, now }, startedSteers(store));
  const { stopReason } = endingOf(run.lastStop) ?? { stopReason: "end_turn" };
  if (stopReason !== "end_turn" || !hasTurnLeft({ store, run })) return false;
  return isSteered({ store, run }) || openSteers(store).some(({ started }) => !started);
}

/** Returns whether a message had ended by itself before the call failed that was to answer prompts that were to join it. */
export function hasEndedByItself({ runs, messages }: SessionStore, messageId: string): boolean {
  const isEnd = runs.get(messageId)?.lastStop === "end_turn";
  return isEnd && messages.queuedSteersOf(messageId).length > 0;
}

/** Returns whether a text, which is part of JSON, contains the text of a prompt. */
export function containsPrompt(json: string, prompt: Prompt): boolean {
  const blocks = typeof prompt === "string" ? [{ type: "text" as const, text: prompt }] : prompt;
  const text = blocks.find((block) => block.type === "text")?.text ?? "";
  return text !== "" && json.includes(JSON.stringify(text).slice(1, -1));
}
