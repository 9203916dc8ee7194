import {
  type BillLine,
  billOf,
  containerAmounts,
  idleAmounts,
  messageAmounts,
  monthAmounts,
  monthDollars,
} from "./bill.ts";
import type { Day } from "./day.ts";
import { keptOf } from "./kept.ts";
import { type Load, MESSAGES_KEPT } from "./load.ts";
import { PLAN_DOLLARS, PRICES } from "./platform.ts";
import type { Spread } from "./series.ts";
import { firstToBind, ratesOf, usagesOf } from "./usage.ts";

/** Returns a table in Markdown. */
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const percent = (part: number): string => `${amount(part * 100)} %`;

/** Returns a number with three digits. */
function amount(value: number): string {
  if (value === 0) return "0";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return value.toPrecision(3).replace(/\.?0+(?=e|$)/, "");
}

/** Returns dollars: with cents, and smaller amounts with three digits. */
export const dollars = (value: number): string =>
  value >= 0.1
    ? `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
    : `$${Number(value.toPrecision(3)).toFixed(Math.max(2, 2 - Math.floor(Math.log10(value || 1))))}`;

const spread = ({ p50, p95, hour, max }: Spread, show: (value: number) => string): string[] =>
  [p50, p95, hour, max].map(show);

/** Returns the tables of a simulated day. */
export function dayReport(day: Day): string {
  const usages = usagesOf(day);
  const unset = usages.filter(({ isSetting }) => !isSetting);
  const used = table(
    [
      "resource",
      "limit",
      "p50",
      "p95",
      "busiest hour",
      "max",
      "at worst",
      "full at, live sessions",
    ],
    usages.map(({ resource, limit, used, queue }) => [
      resource,
      limit,
      ...spread(used, percent),
      queue,
      amount(day.load.sessions / used.hour),
    ]),
  );
  const rates = table(
    ["not limited", "p50", "p95", "busiest hour", "max"],
    ratesOf(day).map(([name, of]) => [name, ...spread(of, amount)]),
  );
  const binds = (name: string, all: typeof usages) => {
    const { resource, used } = firstToBind(all);
    return `${name}: ${resource}, ${percent(used.hour)} in its busiest hour.`;
  };
  const first = binds("Binds first", usages);
  const next = binds("Binds first among the limits of the platform", unset);
  return [used, rates, `${first}\n${next}`].join("\n\n");
}

/** Returns the table of a month's bill. */
export function monthReport(day: Day): string {
  const amounts = monthAmounts(day.load, day.totals, MESSAGES_KEPT);
  const rows = billOf(amounts, { included: true }).lines.map(billRow);
  const all = ["all, with the plan", "", "", dollars(monthDollars(amounts))];
  return table(
    ["item", "amount a month", "unit", "dollars"],
    [...rows, ["plan", "", "", dollars(PLAN_DOLLARS)], all],
  );
}

const billRow = ({ item, amount: of, dollars: price }: BillLine): string[] => [
  NAMES[item],
  amount(of),
  PRICES[item].unit,
  dollars(price),
];

/** Returns the tables of what a message, an idle session and a container hour cost, without included amounts. */
export function unitReport(load: Load): string {
  const of = (what: string, amounts: Parameters<typeof billOf>[0]) => {
    const { lines, dollars: sum } = billOf(amounts, { included: false });
    return table(
      [what, "amount", "unit", "dollars"],
      [...lines.map(billRow), ["all", "", "", dollars(sum)]],
    );
  };
  return [
    of(`a message with ${load.turns} turns`, messageAmounts(load)),
    of(
      `an idle session for a month, after ${MESSAGES_KEPT} messages`,
      idleAmounts(load, MESSAGES_KEPT),
    ),
    of(
      `an hour of a container, ${percent(load.containerCpu)} of its vCPU in use`,
      containerAmounts(load),
    ),
  ].join("\n\n");
}

/** Returns the table of what kept sessions need. */
export function keptReport(load: Load): string {
  const counts = [10_000, 1_000_000, 100_000_000, 1_000_000_000];
  const all = counts.map((sessions) => keptOf(load, sessions, MESSAGES_KEPT));
  const row = (name: string, show: (kept: (typeof all)[number]) => string) => [
    name,
    ...all.map(show),
  ];
  return table(
    ["kept sessions", ...counts.map((count) => count.toLocaleString("en"))],
    [
      row("databases", ({ databases }) => amount(databases)),
      row("index, GB", ({ indexBytes }) => amount(indexBytes / 1e9)),
      row("of the account's 1 TB", ({ ofAccount }) => percent(ofAccount)),
      row("objects, GB", ({ objectBytes }) => amount(objectBytes / 1e9)),
      row("storage, dollars a month", ({ dollarsAMonth }) => dollars(dollarsAMonth)),
      row("a round of the reconciler, days", ({ reconcileDays }) => amount(reconcileDays)),
      row("deletion without alarms, days", ({ expireDays }) => amount(expireDays)),
    ],
  );
}

const NAMES: Record<keyof typeof PRICES, string> = {
  requests: "Workers, requests",
  cpuMs: "Workers, CPU",
  objectRequests: "objects, requests",
  objectGBs: "objects, duration",
  objectRows: "objects, rows written",
  objectGBMonths: "objects, storage",
  objectRowsRead: "objects, rows read",
  indexRows: "D1, rows written",
  indexRowsRead: "D1, rows read",
  logs: "Workers Logs",
  indexGBMonths: "D1, storage",
  r2A: "R2, class A",
  r2B: "R2, class B",
  r2GBMonths: "R2, storage",
  vcpuS: "containers, vCPU",
  memoryGiBs: "containers, memory",
  diskGBs: "containers, disk",
};
