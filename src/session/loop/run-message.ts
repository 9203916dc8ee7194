import type { Ending } from "../../agent/agent-deps";
import type { AgentMessaging, FileGuard, ToolResult } from "../../agent/tool";
import { sha256, toBase64 } from "../../shared/bytes";
import { notifier } from "../../shared/notifier";
import type { Run } from "../storage/runs";
import {
  type Assignment,
  finishRun,
  hasAgents,
  type Next,
  openTask,
  resultOf,
  sendAgentMessage,
} from "../transactions/agents";
import { recoverRun } from "../transactions/turns";
import { type RunContext, runAgentForSession } from "./run-agent";

/** Agents that call their models at once, besides the message's own; the others wait. */
const MAX_AT_WORK = 16;

/** What work on a message works with. */
export type MessageContext = Omit<RunContext, "messaging" | "files" | "settled">;

/**
 * Works on a message with all its agents, those that were lost with the object too, until it has come to
 * its end. Null when it was stopped from outside. Never rejects.
 */
export async function runMessage(
  messageId: string,
  context: MessageContext,
): Promise<Ending | null> {
  const { store, commit, signal } = context;
  const work = new Map<string, Promise<Ending | null>>();
  const settled = notifier(signal);
  const posted = notifier(signal);
  const slots = limiter(MAX_AT_WORK);
  const locks = new Map<string, Promise<unknown>>();

  const open = store.runs.openOf(messageId);
  for (const run of open) {
    if (store.calls.hasAny(run.id)) commit((now) => recoverRun({ store, run, now }));
  }
  for (const run of open) if (run.id !== messageId) void start(run);
  const own = store.runs.get(messageId);
  if (!own) throw new Error(`the message ${messageId} has no run`);
  return follow(own);

  /** Has a run be worked on, if it is not yet. */
  function start(run: Run): Promise<Ending | null> {
    const begun = work.get(run.id) ?? (run.open ? slots(() => follow(run)) : Promise.resolve(null));
    work.set(run.id, begun);
    return begun;
  }

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
      if (next === "waits") await Promise.race([posted.wait(), ...others(run)]);
      if (signal.aborted) return null;
    }
  }

  /** Returns the work of the agents that a message waits for. */
  function others(run: Run): Promise<unknown>[] {
    const rest = store.runs.openOf(messageId).filter(({ id }) => id !== run.id);
    return rest.map(start);
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
        else posted.notify();
        return result;
      },
    };
  }

  function filesOf({ agent }: Run): FileGuard {
    return {
      async lock(path, act) {
        const mine = (locks.get(path) ?? Promise.resolve()).then(act, act);
        locks.set(path, mine);
        return mine;
      },
      async isCurrent(path, bytes) {
        return store.agents.seenFile(agent, path) === (await hashOf(bytes));
      },
      async record(path, bytes) {
        const hash = await hashOf(bytes);
        if (!signal.aborted) commit(() => store.agents.saveSeenFile(agent, path, hash));
      },
    };
  }
}

const hashOf = async (bytes: Uint8Array): Promise<string> => toBase64(await sha256(bytes));

/** Lets so many be at work at once; the others wait in their order. */
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
