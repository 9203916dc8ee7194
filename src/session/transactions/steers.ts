import { type Block, promptBlocks } from "../../agent/messages";
import { MAIN } from "../storage/agents";
import type { Run } from "../storage/runs";
import type { SessionStore } from "../storage/store";
import { type RunChange, scopeOf } from "./state";

// Prompts that join the running message (`onBusy: "steer"`). Each is a queued message until a call of the model begins whose
// conversation has it. If the message that it is to join ends first, it stays in the queue and runs like any other message.
// Call functions that change something within a transaction.

/** Maximum size of the prompts that join a conversation with one call, in bytes. The others join with the next one. */
const MAX_JOINING_BYTES = 2 << 20;

/** Returns the ids of the prompts that are to join a run's conversation with its next call, oldest first. */
export function steersFor({ messages }: SessionStore, { messageId, agent }: Run): string[] {
  const ids = messages.queuedSteersOf(messageId).filter((one) => (one.agent ?? MAIN) === agent);
  let bytes = 0;
  const fitting = ids.findIndex(({ id }, index) => {
    bytes += messages.promptBytes(id);
    return index > 0 && bytes > MAX_JOINING_BYTES;
  });
  return ids.slice(0, fitting === -1 ? ids.length : fitting).map(({ id }) => id);
}

/** Returns the content with which prompts join a conversation. */
export const steerBlocks = ({ messages }: SessionStore, ids: readonly string[]): Block[] =>
  ids.flatMap((id) => promptBlocks(messages.prompt(id)));

/** Adds prompts to the conversation of a run, and ends their messages. Leaves out those that have joined it already. */
export function joinSteers({ store, run, now }: RunChange, ids: readonly string[]): void {
  const { agent, messageId } = run;
  for (const id of ids) {
    if (store.messages.get(id)?.status !== "queued") continue;
    const prompt = store.messages.prompt(id);
    store.history.addPrompt({ agent, runId: run.id, prompt });
    store.messages.join(id, now);
    store.log.append({ type: "message.steered", steerId: id, prompt }, scopeOf(run), now);
    const joined = { type: "message.joined", joinedMessageId: messageId } as const;
    store.log.append(joined, { messageId: id }, now);
  }
}
