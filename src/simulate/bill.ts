import type { Totals } from "./day.ts";
import type { Load } from "./load.ts";
import {
  CPU_MS,
  HEARTBEAT_S,
  INDEX_BYTES,
  INDEX_ROWS,
  LOGS,
  OBJECT_BYTES,
  OBJECT_ROWS,
  ROWS_READ,
  SANDBOX_BYTES,
} from "./measured.ts";
import { INSTANCE, OBJECT_GB, PLAN_DOLLARS, PRICES } from "./platform.ts";

/** Amounts of what is billed, in the units of the prices. */
export type Amounts = Partial<Record<keyof typeof PRICES, number>>;

const DAYS_A_MONTH = 30;

/** A line of a bill. */
export interface BillLine {
  item: keyof typeof PRICES;
  amount: number;
  dollars: number;
}

/** Returns the lines of a bill, and their sum. With `included`, what the plan includes a month is subtracted. */
export function billOf(
  amounts: Amounts,
  { included }: { included: boolean },
): { lines: BillLine[]; dollars: number } {
  const items = Object.keys(amounts) as (keyof typeof PRICES)[];
  const lines = items.map((item) => {
    const amount = amounts[item] ?? 0;
    const price = PRICES[item];
    const billed = included ? Math.max(0, amount - price.included) : amount;
    return { item, amount, dollars: billed * price.dollars };
  });
  return { lines, dollars: lines.reduce((sum, { dollars }) => sum + dollars, 0) };
}

const cpuMs = (turns: number): number => CPU_MS.message + (turns - 1) * CPU_MS.turn;
const messageRows = (turns: number): number => OBJECT_ROWS.message + (turns - 1) * OBJECT_ROWS.turn;

const messageRowsRead = (turns: number): number => ROWS_READ.message + (turns - 1) * ROWS_READ.turn;

/** Returns what a streamed message costs, its container apart. */
export const messageAmounts = ({ turns, messageS }: Load): Amounts => ({
  requests: 1,
  cpuMs: cpuMs(turns),
  // The call, the stream, and the heartbeat's alarms.
  objectRequests: 2 + Math.floor(messageS / HEARTBEAT_S),
  objectGBs: messageS * OBJECT_GB,
  objectRows: messageRows(turns),
  objectRowsRead: messageRowsRead(turns),
  indexRows: (turns + 1) * INDEX_ROWS.update,
  indexRowsRead: (turns + 1) * ROWS_READ.write,
  logs: LOGS.message,
});

/** Returns what a session costs in a month in which nothing happens, after a number of messages. */
export const idleAmounts = ({ messageBytes }: Load, messages: number): Amounts => ({
  objectGBMonths: (OBJECT_BYTES + SANDBOX_BYTES + messages * messageBytes) / 1e9,
  indexGBMonths: INDEX_BYTES / 1e9,
});

/** Returns what an hour of a container costs, with a part of its processor in use. */
export const containerAmounts = ({ containerCpu }: Load): Amounts => ({
  vcpuS: 3_600 * INSTANCE.vcpu * containerCpu,
  memoryGiBs: 3_600 * INSTANCE.memoryGiB,
  diskGBs: 3_600 * INSTANCE.diskGB,
  // The object that owns the container stays in memory.
  objectGBs: 3_600 * OBJECT_GB,
});

/** Returns what a month of days costs. */
export function monthAmounts(load: Load, totals: Totals, messagesASession: number): Amounts {
  const month = (amount: number) => amount * DAYS_A_MONTH;
  const containerS = month(totals.containerS);
  const { sessions, turns, inContainer, fileBytes } = load;
  const kept = idleAmounts(load, messagesASession);
  return {
    requests: month(totals.requests),
    cpuMs: month(totals.messages * cpuMs(turns)),
    objectRequests: month(totals.objectRequests),
    objectGBs: (month(totals.messageS) + containerS) * OBJECT_GB,
    objectRows: month(totals.objectRows),
    objectRowsRead: month(totals.messages * messageRowsRead(turns)),
    objectGBMonths: sessions * (kept.objectGBMonths ?? 0),
    indexRows: month(totals.indexRows),
    indexRowsRead: month(totals.indexRowsRead),
    logs: month(totals.messages * LOGS.message),
    indexGBMonths: sessions * (kept.indexGBMonths ?? 0),
    r2A: month(totals.r2A),
    r2B: month(totals.r2B),
    r2GBMonths: (sessions * inContainer * fileBytes) / 1e9,
    vcpuS: containerS * INSTANCE.vcpu * load.containerCpu,
    memoryGiBs: containerS * INSTANCE.memoryGiB,
    diskGBs: containerS * INSTANCE.diskGB,
  };
}

/** Returns the dollars of a month's bill: the plan, and what exceeds its included amounts. */
export const monthDollars = (amounts: Amounts): number =>
  PLAN_DOLLARS + billOf(amounts, { included: true }).dollars;
