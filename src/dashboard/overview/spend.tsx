import type { components } from "../../client/api.ts";
import { duration, money } from "../../shared/readable.ts";
import { may, rigger } from "../api.ts";
import { Chart, Swatch } from "../chart.tsx";
import { short } from "../format.ts";
import { Empty, useLoaded } from "../ui.tsx";
import { Card, DAY_MS, LATER_MS, lastDays, read, Table } from "./card.tsx";

type UsageRow = components["schemas"]["UsageReport"]["rows"][number];

/** Colours of the most expensive models. All others share the last one. */
const COLORS = ["--series-1", "--series-2", "--series-3", "--series-4"];
const COLOR_OF_OTHERS = "--series-5";

export function Spend({ days }: { days: number }) {
  const range = lastDays(days);
  const loaded = useLoaded(
    () =>
      read((signal) =>
        rigger.get("/api/usage", {
          query: { from: range[0] ?? "", to: range.at(-1) ?? "", groupBy: ["day", "model"] },
          signal,
        }),
      ).then(({ rows }) => ({ rows, range })),
    `spend ${range[0]} ${days}`,
    LATER_MS,
  );
  return (
    <Card title="Spend" what="what was spent" loaded={loaded}>
      {({ rows, range }) =>
        rows.length === 0 ? <Nothing days={range.length} /> : <SpendOf rows={rows} days={range} />
      }
    </Card>
  );
}

const Nothing = ({ days }: { days: number }) => (
  <Empty title={`Nothing in ${days} days.`}>
    {may("sessions:write") && <a href="#/new">Create a session</a>}
  </Empty>
);

/** Returns 1, 2, 5, 10, 20, 50 and so on, from 10 to the power of `from`. */
const stepsFrom = (from: number): number[] =>
  Array.from({ length: 16 - from }, (_, i) => 10 ** (from + i)).flatMap((ten) => [
    ten,
    2 * ten,
    5 * ten,
  ]);

const DOLLARS = stepsFrom(-6);
const COUNTS = stepsFrom(0);
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DURATIONS = [
  ...stepsFrom(0).filter((ms) => ms < SECOND_MS),
  ...[SECOND_MS, 5 * SECOND_MS, 10 * SECOND_MS, 30 * SECOND_MS],
  ...[MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS, 20 * MINUTE_MS, 30 * MINUTE_MS],
  ...[HOUR_MS, 2 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS],
  ...stepsFrom(0).map((days) => days * DAY_MS),
];

function SpendOf({ rows, days }: { rows: UsageRow[]; days: string[] }) {
  const models = groupsOf(rows, (row) => row.model ?? "");
  const shown = models.slice(0, COLORS.length);
  const others = models.slice(COLORS.length);
  const byDay = (some: UsageRow[]) =>
    days.map((day) =>
      sumOf(
        some.filter((row) => row.day === day),
        "cost",
      ),
    );
  const tokensByDay = (isCached: boolean) =>
    days.map((day) => {
      const some = rows.filter((row) => row.day === day);
      const cached = sumOf(some, "cacheReadTokens");
      return isCached ? cached : sumOf(some, "tokens") - cached;
    });
  const series = [
    ...shown.map(({ name, rows }, i) => ({ name, color: COLORS[i] ?? "", values: byDay(rows) })),
    ...(others.length > 0
      ? [
          {
            name: "Others",
            color: COLOR_OF_OTHERS,
            values: byDay(others.flatMap(({ rows }) => rows)),
          },
        ]
      : []),
  ];
  return (
    <>
      <p class="sum">
        <span class="big">{money(sumOf(rows, "cost"))}</span> in {days.length} days
      </p>
      <Chart title="Spend per day" days={days} series={series} format={money} steps={DOLLARS} />
      <Chart
        title="Tokens per day"
        days={days}
        series={[
          { name: "From the cache", color: COLOR_OF_OTHERS, values: tokensByDay(true) },
          { name: "Others", color: "--series-1", values: tokensByDay(false) },
        ]}
        format={short}
        steps={COUNTS}
        hasLegend
      />
      <Table
        name="Spend by model"
        columns={["Model", "Cost", "Tokens", "From cache"]}
        rows={models.map(({ name, rows }, i) => {
          const cached = sumOf(rows, "cacheReadTokens");
          const read = cached + sumOf(rows, "inputTokens") + sumOf(rows, "cacheWriteTokens");
          return {
            key: name,
            cells: [
              <>
                <Swatch color={COLORS[i] ?? COLOR_OF_OTHERS} />
                {name}
              </>,
              money(sumOf(rows, "cost")),
              short(sumOf(rows, "tokens")),
              read === 0 ? "–" : `${Math.round((cached / read) * 100)} %`,
            ],
          };
        })}
      />
    </>
  );
}

/** Returns rows by a name, those first that cost the most. */
function groupsOf(
  rows: UsageRow[],
  nameOf: (row: UsageRow) => string,
): { name: string; rows: UsageRow[] }[] {
  const groups = new Map<string, UsageRow[]>();
  for (const row of rows) {
    const name = nameOf(row);
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  return [...groups]
    .map(([name, rows]) => ({ name, rows }))
    .sort((a, b) => sumOf(b.rows, "cost") - sumOf(a.rows, "cost"));
}

const sumOf = (
  rows: UsageRow[],
  field: "cost" | "tokens" | "inputTokens" | "cacheReadTokens" | "cacheWriteTokens",
) => rows.reduce((sum, row) => sum + row[field], 0);

export function SessionsByDay({ days }: { days: number }) {
  const range = lastDays(days);
  const loaded = useLoaded(
    () =>
      read((signal) =>
        rigger.get("/api/sessions/stats/summary", {
          query: { from: range[0] ?? "", to: range.at(-1) ?? "", groupBy: "day" },
          signal,
        }),
      ).then((summary) => ({ summary, range })),
    `sessions ${range[0]} ${days}`,
    LATER_MS,
  );
  return (
    <Card title="Sessions" what="sessions by day" loaded={loaded}>
      {({ summary, range }) =>
        summary.totalSessions === 0 ? (
          <Nothing days={range.length} />
        ) : (
          <Summary summary={summary} days={range} />
        )
      }
    </Card>
  );
}

function Summary({ summary, days }: { summary: components["schemas"]["Summary"]; days: string[] }) {
  const found = new Map(summary.byDay?.map((row) => [row.day, row]));
  const rows = days.map((day) => found.get(day));
  const patterns = Object.entries(summary.byPattern).filter(([, { count }]) => count > 0);
  return (
    <>
      <p class="sum">
        <span class="big">{summary.totalSessions.toLocaleString("en")}</span> created in{" "}
        {days.length} days,{" "}
        {summary.errorSessions === 0
          ? "none failed"
          : `${summary.errorSessions.toLocaleString("en")} failed`}
        , with {summary.totalMessages.toLocaleString("en")}{" "}
        {summary.totalMessages === 1 ? "message" : "messages"}
      </p>
      <Chart
        title="Sessions created per day"
        days={days}
        series={[
          { name: "Failed", color: "--bad", values: rows.map((row) => row?.failed ?? 0) },
          {
            name: "Others",
            color: "--series-1",
            values: rows.map((row) => (row ? row.sessions - row.failed : 0)),
          },
        ]}
        format={short}
        steps={COUNTS}
        hasLegend
      />
      <Chart
        title="Messages of sessions, by day of creation"
        days={days}
        series={[
          {
            name: "Messages",
            color: "--series-3",
            values: rows.map((row) => row?.messages ?? 0),
          },
        ]}
        format={short}
        steps={COUNTS}
      />
      <Chart
        title="Average time to the end, by day of creation"
        days={days}
        series={[
          {
            name: "Average",
            color: "--series-2",
            values: rows.map((row) => (row && row.avgDuration > 0 ? row.avgDuration : null)),
          },
        ]}
        format={(ms) => (ms === 0 ? "0" : duration(ms))}
        steps={DURATIONS}
      />
      <Table
        name="Sessions by pattern"
        columns={[
          "Pattern",
          "Sessions",
          "Failed",
          "Messages each",
          "Cost each",
          "Tokens each",
          "Time",
        ]}
        rows={patterns.map(
          ([name, { count, failed, avgMessages, avgCost, avgTokens, avgDuration }]) => ({
            key: name,
            cells: [
              name,
              count.toLocaleString("en"),
              failed.toLocaleString("en"),
              Number(avgMessages.toFixed(1)).toLocaleString("en"),
              money(avgCost),
              short(Math.round(avgTokens)),
              avgDuration === 0 ? "–" : duration(avgDuration),
            ],
          }),
        )}
      />
    </>
  );
}
