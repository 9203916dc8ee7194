import fc from "fast-check";
import { describe, expect, it } from "vitest";
import scale from "../../docs/scale.md?raw";
import { randomFrom } from "../soak/random.ts";
import { billOf, messageAmounts } from "./bill.ts";
import { simulateDay } from "./day.ts";
import { liveLoad } from "./load.ts";
import { INDEX_ROWS, OBJECT_ROWS } from "./measured.ts";
import { dayReport, dollars, keptReport, monthReport, unitReport } from "./report.ts";
import {
  addSpan,
  backlog,
  DAY_S,
  levels,
  newSeries,
  newSpans,
  type Series,
  spreadOf,
  sumOf,
} from "./series.ts";
import { firstToBind, usagesOf } from "./usage.ts";

const seriesOf = (values: Record<number, number>): Series => {
  const series = newSeries();
  for (const [second, value] of Object.entries(values)) series[Number(second)] = value;
  return series;
};

describe("a series of a day", () => {
  it("queues what one worker can't do in its second, and works it off afterwards", () => {
    const waiting = backlog(seriesOf({ 10: 3, 11: 0.5 }));
    expect([...waiting.slice(9, 14)]).toEqual([0, 2, 1.5, 0.5, 0]);
  });

  it("continues a queue over midnight", () => {
    expect([...backlog(seriesOf({ [DAY_S - 1]: 3 })).slice(0, 3)]).toEqual([1, 0, 0]);
  });

  it("counts what lasts in every second, over midnight too", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(DAY_S - 1), fc.nat(DAY_S - 1)), { maxLength: 20 }),
        fc.nat(DAY_S - 1),
        (times, second) => {
          const spans = newSpans();
          for (const [from, lasts] of times) addSpan(spans, from, from + lasts);
          const lasting = times.filter(
            ([from, lasts]) => (second - from + DAY_S) % DAY_S < lasts,
          ).length;
          expect(levels(spans)[second]).toBe(lasting);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("has a median, a 95th percentile, a maximum and a busiest hour", () => {
    const series = newSeries().map((_, second) => second);
    expect(spreadOf(series)).toEqual({ p50: 43_200, p95: 82_080, max: 86_399, hour: 84_599.5 });
  });
});

describe("a simulated day", () => {
  const load = liveLoad(2_000, 1);
  const day = simulateDay(load, randomFrom(7));

  it("is the same for the same seed", () => {
    expect(simulateDay(load, randomFrom(7)).totals).toEqual(day.totals);
    expect(simulateDay(load, randomFrom(8)).totals).not.toEqual(day.totals);
  });

  it("has as many messages, and as much time in containers, as its load says", () => {
    const expected = load.sessions * (load.visitsADay * load.messagesAVisit + 24 * load.scheduled);
    expect(day.totals.messages / expected).toBeCloseTo(1, 1);
    expect(day.totals.messageS / day.totals.messages / load.messageS).toBeCloseTo(1, 1);
    const inContainers = sumOf(levels(day.containers));
    expect(inContainers / day.totals.containerS).toBeCloseTo(1, 3);
  });

  it("does the same work with one database and with many, of which the busiest has less", () => {
    const many = simulateDay({ ...load, databases: 8 }, randomFrom(7));
    const works = many.databaseWork.map(sumOf);
    const all = works.reduce((sum, work) => sum + work, 0);
    expect(all / sumOf(day.databaseWork[0] ?? newSeries())).toBeCloseTo(1, 1);
    expect(Math.max(...works)).toBeLessThan(all * 0.8);
  });

  it("binds where the most of a limit is used over an hour", () => {
    const usages = usagesOf(day);
    const { used } = firstToBind(usages);
    expect(Math.max(...usages.map((usage) => usage.used.hour))).toBe(used.hour);
  });
});

describe("a bill", () => {
  it("is the amounts times their prices, without what the plan includes", () => {
    const amounts = { requests: 15e6, indexRows: 50e6 };
    expect(billOf(amounts, { included: true }).dollars).toBeCloseTo(1.5);
    expect(billOf(amounts, { included: false }).dollars).toBeCloseTo(54.5);
  });

  it("of a message has the rows of each of its turns", () => {
    const { objectRows, indexRows } = messageAmounts({ ...liveLoad(1, 1), turns: 2 });
    expect(objectRows).toBe(OBJECT_ROWS.message + OBJECT_ROWS.turn);
    expect(indexRows).toBe(3 * INDEX_ROWS.update);
  });

  it("is shown in dollars with the digits that matter", () => {
    const shown = [0, 0.0000003, 0.07, 12, 5_191.714].map(dollars);
    expect(shown).toEqual(["$0.00", "$0.000000300", "$0.0700", "$12.00", "$5,191.71"]);
  });
});

it("docs/scale.md has the tables that the simulation prints", () => {
  const load = liveLoad(10_000, 1);
  const day = simulateDay(load, randomFrom(1));
  const reports = [dayReport(day), monthReport(day), unitReport(load), keptReport(load)];
  const rows = reports.flatMap((report) => report.split("\n")).filter((line) => line !== "");
  const tidy = (line: string) => line.replaceAll(/\s+/g, " ").trim();
  const page = new Set(scale.split("\n").map(tidy));
  expect(rows.filter((row) => !row.startsWith("|---") && !page.has(tidy(row)))).toEqual([]);
});
