import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { theme } from "./api.ts";
import { Scrollable } from "./scrollable.tsx";

// Bars by day, on a canvas, and the same numbers as a table.

interface Series {
  name: string;
  /** A name of a colour: a custom property of the style sheet. */
  color: string;
  /** One for each day; null where there is none. */
  values: (number | null)[];
}

interface ChartProps {
  title: string;
  /** UTC dates, YYYY-MM-DD. */
  days: string[];
  /** They are stacked on each other, the first at the bottom. */
  series: Series[];
  format(value: number): string;
  /** The distances that lines of the scale may have. */
  steps: number[];
  /** Whether the colours are explained. */
  hasLegend?: boolean;
}

const HEIGHT = 180;

/** A chart. Its numbers can be read as a table too. */
export function Chart({ title, days, series, format, steps, hasLegend = false }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const key = JSON.stringify([days, series]);
  const isDark = useDarkness();
  useEffect(() => {
    if (!box.current) return;
    const chart = draw(box.current, { days, series, format, steps }, setAt);
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width > 0 && width !== chart.width) chart.setSize({ width, height: HEIGHT });
    });
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [key, isDark]);
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <p class="chart-at hint" aria-hidden="true">
        {at === null || days[at] === undefined
          ? summaryOf(days, series, format)
          : readingOf(at, days, series, format)}
      </p>
      {hasLegend && (
        <p class="legend" aria-hidden="true">
          {series.map(({ name, color }) => (
            <span key={name}>
              <Swatch color={color} />
              {name}
            </span>
          ))}
        </p>
      )}
      <div
        ref={box}
        class="chart-box"
        role="img"
        aria-label={`${title}. ${summaryOf(days, series, format)}`}
      />
      <details>
        <summary>
          As a table<span class="hidden">: {title}</span>
        </summary>
        <Scrollable name={title} kind="table-box">
          <table>
            <thead>
              <tr>
                <th scope="col">Day (UTC)</th>
                {series.map(({ name }) => (
                  <th scope="col" class="number" key={name}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {days.map((day, i) => (
                <tr key={day}>
                  <th scope="row">{shortDay(day)}</th>
                  {series.map(({ name, values }) => (
                    <td class="number" key={name}>
                      {formatted(values[i], format)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scrollable>
      </details>
    </figure>
  );
}

/** What tells which colour is whose. */
export const Swatch = ({ color }: { color: string }) => (
  <i class="swatch" style={{ background: `var(${color})` }} />
);

const formatted = (value: number | null | undefined, format: (value: number) => string): string =>
  value === null || value === undefined ? "–" : format(value);

function readingOf(
  at: number,
  days: string[],
  series: Series[],
  format: (value: number) => string,
): string {
  const read = series
    .filter(({ values }) => series.length === 1 || values[at])
    .map(({ name, values }) => `${name} ${formatted(values[at], format)}`);
  return `${shortDay(days[at] ?? "")}: ${read.join(" · ") || "nothing"}`;
}

/** Returns what a chart shows in a sentence. */
function summaryOf(days: string[], series: Series[], format: (value: number) => string): string {
  const sums = days.map((_, i) => sumAt(series, i));
  const most = sums.reduce<number>((best, sum, i) => (sum > (sums[best] ?? 0) ? i : best), 0);
  const day = days[most];
  if (day === undefined || !sums[most]) return `Nothing in ${days.length} days.`;
  return `The most in ${days.length} days: ${format(sums[most])} on ${shortDay(day)}.`;
}

const sumAt = (series: Series[], i: number): number =>
  series.reduce((sum, { values }) => sum + (values[i] ?? 0), 0);

const shortDay = (day: string): string =>
  new Date(day).toLocaleDateString("en", { month: "short", day: "numeric", timeZone: "UTC" });

function draw(
  box: HTMLElement,
  { days, series, format, steps }: Omit<ChartProps, "title" | "hasLegend">,
  show: (at: number | null) => void,
): uPlot {
  const colorOf = resolver(box);
  const muted = colorOf("--muted");
  const grid = { stroke: colorOf("--border"), width: 1 };
  const font = `12px ${getComputedStyle(box).fontFamily}`;
  // Bars of the whole stack are drawn first, those of its lower parts over them.
  const stack = series.map((one, n) => ({
    ...one,
    values: days.map((_, i) => (one.values[i] === null ? null : sumAt(series.slice(0, n + 1), i))),
  }));
  const bars = [...stack].reverse();
  const most = Math.max(...days.map((_, i) => sumAt(series, i)));
  const options: uPlot.Options = {
    width: Math.max(120, box.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: false, range: [-0.6, days.length - 0.4] },
      y: { range: [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      {
        ...{ stroke: muted, font, size: 28, grid: { show: false }, ticks: { show: false } },
        splits: (chart) => ticksOf(days.length, chart.width),
        values: (_, at) => at.map((i) => shortDay(days[i] ?? "")),
      },
      {
        ...{ stroke: muted, font, grid, ticks: { show: false }, incrs: steps, space: 32 },
        // As wide as its longest label.
        size: (_, labels) => 16 + 7 * Math.max(0, ...(labels ?? []).map(({ length }) => length)),
        values: (_, at) => at.map(format),
      },
    ],
    series: [
      {},
      ...bars.map(({ name, color }) => ({
        label: name,
        ...{ fill: colorOf(color), stroke: colorOf(color), width: 0 },
        paths: uPlot.paths.bars?.({ size: [0.7, 40], radius: series.length === 1 ? 0.15 : 0 }),
        points: { show: false },
      })),
    ] as uPlot.Series[],
    hooks: { setCursor: [(chart) => show(chart.cursor.idx ?? null)] },
  };
  return new uPlot(
    options,
    [days.map((_, i) => i), ...bars.map(({ values }) => values)] as uPlot.AlignedData,
    box,
  );
}

/** Returns the days that have a label: as many as there is room for, the last one among them. */
function ticksOf(count: number, width: number): number[] {
  const step = Math.max(1, Math.ceil(count / Math.max(2, Math.floor(width / 80))));
  const ticks: number[] = [];
  for (let i = count - 1; i >= 0; i -= step) ticks.unshift(i);
  return ticks;
}

/** Returns a function that tells the colour that a custom property is in this theme. A canvas can't read the property itself. */
function resolver(box: HTMLElement): (name: string) => string {
  const style = getComputedStyle(box);
  return (name) => {
    box.style.color = `var(${name})`;
    const { color } = style;
    box.style.color = "";
    return color;
  };
}

/** Whether the theme is dark. A canvas has to be drawn again when it changes. */
function useDarkness(): boolean {
  const [isDark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const change = () => setDark(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return theme.value === "system" ? isDark : theme.value === "dark";
}
