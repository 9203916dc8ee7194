import { Hono } from "hono";
import { accountOf } from "../account/address";
import type { AccountUse } from "../account/rpc";
import { MAX_USAGE_ROWS, type UsageGroup, type UsageRow } from "../db/usage";
import { indexOf } from "../session/deployment";
import { dayOf, monthAround, nextDayAt, nextMonthAt } from "../shared/days";
import { callAccount } from "./call";
import type { AppContext, AppEnv } from "./context";
import { invalid } from "./errors";
import { fromIndex, ownerSeenBy, requireOwner } from "./lists";
import { readQuery } from "./parse";
import { ReadUsage } from "./queries";
import { nowView, type Spent, usageRowView } from "./views";

/** The route of what was used: now, and by day, owner, user, model, pattern or tag. */
export const usage = new Hono<AppEnv>().get("/", async (c) => {
  const { owner: wanted, groupBy, ...range } = readQuery(c, ReadUsage);
  const { caller } = c.var;
  requireOwner(caller, wanted, "read the usage of other owners");
  const owner = wanted ?? ownerSeenBy(caller);
  const found = await fromIndex(indexOf(c.env).usage({ owner, ...range, groupBy }));
  if (found.length > MAX_USAGE_ROWS) {
    const message = `The answer has more than ${MAX_USAGE_ROWS} rows: ask for fewer days or groups.`;
    throw invalid([{ path: "groupBy", message }]);
  }
  const rows = found.map((row) => usageRowView(row, groupBy));
  if (c.req.header("Accept")?.includes("text/csv")) {
    const headers = {
      "Content-Type": "text/csv; charset=utf-8",
      "Content-Disposition": 'attachment; filename="usage.csv"',
    };
    return c.body(csvOf(rows, groupBy), 200, headers);
  }
  return c.json({ now: await nowOf(c, owner), rows });
});

/** Returns what is used now: as the account of an owner with limits knows it, else as the index does. */
async function nowOf(c: AppContext, owner: string | null) {
  const now = Date.now();
  const use =
    owner === null
      ? null
      : await callAccount(c.env, await accountOf(owner), (account) => account.use());
  const resets = { dayAt: nextDayAt(now), monthAt: nextMonthAt(now) };
  return nowView(use?.used ?? (await usedByIndex(c, owner, now)), use?.limits ?? null, resets);
}

async function usedByIndex(
  c: AppContext,
  owner: string | null,
  now: number,
): Promise<NonNullable<AccountUse["used"]>> {
  const index = indexOf(c.env);
  const day = dayOf(now);
  const [summary, days] = await fromIndex(
    Promise.all([
      index.summarize({ owner }),
      index.usage({ owner, ...monthAround(day), groupBy: ["day"] }),
    ]),
  );
  const { initializing, active, idle } = summary.byStatus;
  const spent = (some: readonly UsageRow[]): Spent => ({
    spentNanos: some.reduce((sum, row) => sum + row.costNanos, 0),
    heldNanos: 0,
  });
  return {
    activeSessions: initializing + active + idle,
    runningMessages: null,
    day: spent(days.filter((row) => row.day === day)),
    month: spent(days),
  };
}

/** Returns rows as CSV (RFC 4180). */
function csvOf(rows: readonly Record<string, unknown>[], groupBy: readonly UsageGroup[]): string {
  const names = Object.keys(rows[0] ?? usageRowView(NOTHING, groupBy));
  const lines = rows.map((row) => names.map((name) => cell(row[name])).join(","));
  return [names.join(","), ...lines].map((line) => `${line}\r\n`).join("");
}

function cell(value: unknown): string {
  // A spreadsheet would run a text that begins like a formula.
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : `${value}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const NOTHING: UsageRow = {
  ...{ costNanos: 0, inputTokens: 0, outputTokens: 0 },
  ...{ cacheReadTokens: 0, cacheWriteTokens: 0, webSearchRequests: 0 },
};
