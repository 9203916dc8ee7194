import { isMessageEnd } from "../../events/event.ts";
import { must, type Origin } from "../client.ts";

/** The fields of a session, a message and an event that are checked. */
export interface SessionView {
  id: string;
  status: string;
  terminationReason: string | null;
  totalCost: number;
  totalTokens: number;
  numTurns: number;
  usage: Record<string, unknown>;
}
export interface MessageView {
  messageId: string;
  status: string;
  stopReason: string | null;
  cost: number;
  tokens: number;
}
export interface Event {
  seq: number;
  type: string;
  messageId?: string;
  toolUseId?: string;
  input?: { command?: unknown };
  content?: string;
  isError?: boolean;
  cost?: number;
  usage?: Record<string, unknown>;
}

/** Reads the complete log of a session, page by page. */
export async function readEvents(origin: Origin, path: string): Promise<Event[]> {
  const events: Event[] = [];
  for (let hasMore = true; hasMore; ) {
    type Page = { events: Event[]; hasMore: boolean };
    const after = events.at(-1)?.seq ?? 0;
    const page: Page = await must(origin, 200, { path: `${path}/events?after=${after}` });
    events.push(...page.events);
    hasMore = page.hasMore;
  }
  return events;
}

const nanos = (dollars: number): number => Math.round(dollars * 1e9);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
const isMoney = (value: unknown): boolean => Number.isFinite(value) && Number(value) >= 0;

/**
 * Returns the violated rules of a session at rest, whatever its upstream answered: rules of money, order and
 * progress.
 */
export function faultsOfSession(
  session: SessionView,
  messages: readonly MessageView[],
  events: readonly Event[],
  maxBudgetUsd: number,
): string[] {
  const faults: string[] = [];
  const { totalCost, totalTokens, numTurns, usage, status, terminationReason } = session;
  if (!isMoney(totalCost) || totalCost > maxBudgetUsd) {
    faults.push(`it cost ${JSON.stringify(totalCost)} of ${maxBudgetUsd} dollars`);
  }
  if (![totalTokens, numTurns].every(isCount))
    faults.push(`it has ${totalTokens} tokens, ${numTurns} turns`);
  const { byModel, ...counts } = usage;
  if (!Object.values(counts).every(isCount)) faults.push(`it used ${JSON.stringify(usage)}`);
  const isEnded = status === "terminated" || status === "error" || status === "completed";
  if (isEnded && terminationReason === null && status !== "error")
    faults.push(`${status}, for no reason`);

  const sum = (list: readonly { cost?: number }[]) =>
    list.reduce((total, { cost = 0 }) => total + nanos(cost), 0);
  if (sum(messages) !== nanos(totalCost) || sum(events) !== nanos(totalCost)) {
    faults.push(
      `it cost ${totalCost}, its messages ${sum(messages)}, its turns ${sum(events)} nanos`,
    );
  }
  for (const { messageId, status, cost, tokens } of messages) {
    if (!isMoney(cost) || !isCount(tokens))
      faults.push(`${messageId} cost ${cost}, ${tokens} tokens`);
    if (!["completed", "failed", "interrupted", "joined"].includes(status))
      faults.push(`a message is ${status}`);
  }
  const gap = events.findIndex(({ seq }, index) => seq !== index + 1);
  if (gap >= 0) faults.push(`event ${gap + 1} is ${events[gap]?.seq}`);
  for (const { seq, type, cost = 0, usage: used = {} } of events) {
    if (!isMoney(cost) || !Object.values(used).every(isCount)) {
      faults.push(`event ${seq}, ${type}: ${cost} dollars, ${JSON.stringify(used)}`);
    }
  }
  const ends = events.filter(({ type }) => isMessageEnd(type)).length;
  if (ends !== messages.length) faults.push(`${ends} ends of ${messages.length} messages`);
  return faults;
}
