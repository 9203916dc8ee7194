import type { Sample, Sides } from "./measure.ts";

/** The aim for Rigger's value: at most or at least a multiple of the baseline's, or at most an amount more. */
export type Aim = { atMost: number } | { atLeast: number } | { more: number };

/** One line of the result. */
export interface Row {
  measure: string;
  unit: string;
  values: Sides<Sample | null>;
  aim?: Aim | undefined;
}

/** One line of the result. */
export function row(measure: string, unit: string, values: Sides<Sample | null>, aim?: Aim): Row {
  return { measure, unit, values, aim };
}

/** Rows below a heading; `names` are those of the compared servers. */
export interface Table {
  title: string;
  names: Sides<string>;
  rows: readonly Row[];
}

/** The tables that were printed. */
export const printed: Table[] = [];

/** Prints rows below a heading and marks missed aims. Returns the number of missed aims. */
export function printTable(title: string, names: Sides<string>, rows: readonly Row[]): number {
  printed.push({ title, names, rows });
  const columns = Object.keys(names) as (keyof Sides<string>)[];
  const judged = rows.map((row) => ({ row, verdict: judge(row) }));
  const lines = judged.map(({ row, verdict }) => [
    `${row.measure}, ${row.unit}`,
    ...columns.map((name) => show(row.values[name])),
    verdict.compared,
    verdict.aim,
    verdict.missed ? "MISSED" : "",
  ]);
  const heading = ["", ...columns.map((name) => names[name] ?? ""), "ratio", "aim", ""];
  const widths = heading.map((name, column) =>
    Math.max(...[name, ...lines.map((line) => line[column] ?? "")].map((cell) => cell.length)),
  );
  console.log(`\n${title}\n`);
  for (const line of [heading, ...lines]) {
    const cells = line.map((cell, column) => pad(cell, widths[column] ?? 0, column));
    console.log(cells.join("  ").trimEnd());
  }
  return judged.filter(({ verdict }) => verdict.missed).length;
}

/** Compares the values of a row with its aim. */
export function judge({ values, aim }: Row): { compared: string; aim: string; missed: boolean } {
  const { base, rigger } = values;
  if (!base || !rigger) return { compared: "", aim: "", missed: false };
  const ratio = rigger.p50 / base.p50;
  const compared = `×${ratio.toFixed(2)}`;
  if (!aim) return { compared, aim: "", missed: false };
  if ("atMost" in aim) return { compared, aim: `≤ ×${aim.atMost}`, missed: !(ratio <= aim.atMost) };
  if ("atLeast" in aim) {
    return { compared, aim: `≥ ×${aim.atLeast}`, missed: !(ratio >= aim.atLeast) };
  }
  const more = rigger.p50 - base.p50;
  return {
    compared: `${more < 0 ? "" : "+"}${round(more)}`,
    aim: `≤ +${aim.more}`,
    missed: !(more <= aim.more),
  };
}

/** Returns a sample as text: the median, and the 95th percentile where there is one. */
export function show(sample: Sample | null | undefined): string {
  if (!sample) return "n/a";
  return sample.p95 === undefined
    ? round(sample.p50)
    : `${round(sample.p50)} (${round(sample.p95)})`;
}

const round = (value: number): string => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);

const pad = (cell: string, width: number, column: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width);
