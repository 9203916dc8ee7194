import type { Ending } from "../../agent/agent-deps";
import type { AgentMessaging, FileGuard, ToolResult } from "../../agent/tool";
import { notifier } from "../../shared/notifier";
import type { Run } from "../storage/runs";
import {
  type Assignment,
  finishRun,
  hasAgents,
  MAX_AT_WORK,
  type Next,
  openTask,
  resultOf,
  sendAgentMessage,
} from "../transactions/agents";
import { withdrawOpenCalls } from "../transactions/turns";
import { type RunContext, runAgentForSession } from "./run-agent";

/** The context for running a message. */
export type MessageContext = Omit<RunContext, "messaging" | "files" | "settled">;

/**
 * Runs a message with all its agents until it ends. Resumes open runs after a loss of the object. Returns how the
 * message ended; null if the signal was aborted. Rejects only on a fault, such as a missing run.
 */
export async function runMessage(
  messageId: string,
  context: MessageContext,
): Promise<Ending | null> {
  const { store, commit, signal, decisions } = context;
  const work = new Map<string, Promise<Ending | null>>();
  const settled = notifier(signal);
  const inboxAdded = notifier(signal);
  const slots = limiter(MAX_AT_WORK);
  const locks = new Map<string, Promise<unknown>>();

  const open = store.runs.openOf(messageId);
  for (const run of open) {
    if (store.calls.openOf(run.id).length > 0)
      commit((now) => withdrawOpenCalls({ store, run, now }));
  }
  for (const run of open) if (run.id !== messageId) void start(run);
  // The message's own run needs no slot: it could wait for agents that wait for the slot.
  const own = store.runs.get(messageId);
  if (!own) throw new Error(`the message ${messageId} has no run`);
  return follow(own);

  /** Starts work on another agent's run if it has not started, and returns its result. At most `MAX_AT_WORK` at once. */
  function start(run: Run): Promise<Ending | null> {
    const started =
      work.get(run.id) ?? (run.open ? slots(() => follow(run)) : Promise.resolve(null));
    work.set(run.id, started);
    return started;
  }

  /**
   * Runs an agent until its run has ended. An agent whose inbox has messages continues. The message's own run waits while
   * other agents work, or until a prompt is to join it.
   */
  async function follow(run: Run): Promise<Ending | null> {
    const shared = hasAgents(store);
    for (;;) {
      const ending = await runAgentForSession(run, {
        ...context,
        settled,
        messaging: shared ? messagingOf(run) : undefined,
        files: shared ? filesOf(run) : undefined,
      });
      if (ending === null || signal.aborted) return null;
      if (!shared) return ending;
      const next: Next = commit((now) => finishRun({ store, run, now }, ending));
      if (next === "ended") return ending;
      if (next === "waits") {
        await Promise.race([inboxAdded.wait(), decisions.wait(), ...others(run)]);
      }
      if (signal.aborted) return null;
    }
  }

  /** Starts the other open runs of the message if they have not started, and returns their work. */
  function others(run: Run): Promise<unknown>[] {
    const otherRuns = store.runs.openOf(messageId).filter(({ id }) => id !== run.id);
    return otherRuns.map(start);
  }

  function messagingOf(run: Run): AgentMessaging {
    const at = (now: number) => ({ store, run, now });
    return {
      async task(task: Assignment): Promise<ToolResult> {
        const opened = commit((now) => openTask(at(now), task));
        if (!("messageId" in opened)) return opened;
        const done = start(opened);
        if (task.background) {
          return {
            content: `"${opened.agent}" works in the background. You will be told of its end.`,
          };
        }
        await done;
        return resultOf(store, opened);
      },
      send(message) {
        const { result, opened } = commit((now) => sendAgentMessage(at(now), message));
        if (opened) void start(opened);
        else inboxAdded.notify();
        return result;
      },
    };
  }

  function filesOf({ agent }: Run): FileGuard {
    return {
      async lock(path, act) {
        // Runs also after a holder that failed.
        const locked = (locks.get(path) ?? Promise.resolve()).then(act, act);
        locks.set(path, locked);
        return locked;
      },
      seen: (path) => store.agents.seenFile(agent, path) ?? null,
      record(path, hash) {
        if (!signal.aborted) commit(() => store.agents.saveSeenFile(agent, path, hash));
      },
    };
  }
}

/** Returns a function that runs at most `max` actions concurrently. Others wait in the order of their calls. */
function limiter(max: number) {
  let free = max;
  const waiting: (() => void)[] = [];
  return async <T>(act: () => Promise<T>): Promise<T> => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
