import type { Sides } from "./measure.ts";
import { judge, type Row, show, type Table } from "./table.ts";

// Draws a table as an SVG: a bar for each measure, as long as Rigger's value is a multiple of the baseline's.

const LABEL_WIDTH = 420;
const BAR_WIDTH = 330;
const VALUES_WIDTH = 220;
const ROW_HEIGHT = 22;
const TOP = 52;

/** Returns an SVG of a table. Rows without a baseline are left out. */
export function plot({ title, names, rows }: Table): string {
  const drawn = rows.flatMap((row) => {
    const ratio = ratioOf(row);
    return ratio === null ? [] : [{ row, ratio }];
  });
  const longest = Math.max(2, ...drawn.map(({ ratio }) => ratio));
  const x = (ratio: number) => LABEL_WIDTH + (ratio / longest) * BAR_WIDTH;
  const height = TOP + drawn.length * ROW_HEIGHT + 16;
  const width = LABEL_WIDTH + BAR_WIDTH + VALUES_WIDTH;
  const lines = drawn.map(({ row, ratio }, n) => bar(row, { ratio, x, y: TOP + n * ROW_HEIGHT }));
  const one = `<line class="one" x1="${x(1)}" x2="${x(1)}" y1="${TOP - 8}" y2="${height - 12}"/>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}</style>`,
    `<text class="title" x="8" y="20">${escaped(title)}</text>`,
    `<text x="8" y="38">${escaped(legend(names))}</text>`,
    ...lines,
    one,
    "</svg>",
    "",
  ].join("\n");
}

function bar(
  row: Row,
  { ratio, x, y }: { ratio: number; x: (ratio: number) => number; y: number },
): string {
  const { measure, unit, values, aim } = row;
  const limit = aim && ("atMost" in aim ? aim.atMost : "atLeast" in aim ? aim.atLeast : null);
  const isMissed = judge(row).missed;
  const text = `${show(values.base)} → ${show(values.rigger)}, ×${ratio.toFixed(2)}`;
  return [
    `<text x="8" y="${y + 12}">${escaped(`${measure}, ${unit}`)}</text>`,
    `<rect class="${isMissed ? "missed" : "bar"}" x="${LABEL_WIDTH}" y="${y + 2}" width="${(x(ratio) - LABEL_WIDTH).toFixed(1)}" height="12"/>`,
    limit ? `<line class="aim" x1="${x(limit)}" x2="${x(limit)}" y1="${y}" y2="${y + 16}"/>` : "",
    `<text x="${LABEL_WIDTH + BAR_WIDTH + 10}" y="${y + 12}">${escaped(text)}</text>`,
  ].join("");
}

function ratioOf({ values: { base, rigger } }: Row): number | null {
  const ratio = base && rigger ? rigger.p50 / base.p50 : Number.NaN;
  return Number.isFinite(ratio) && ratio > 0 ? ratio : null;
}

const legend = (names: Sides<string>): string =>
  `A bar is ${names.rigger} as a multiple of the ${names.base}, which is the broken line. A short line is the aim.`;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #333 }
  .title { font-weight: 600; font-size: 14px }
  .bar { fill: #4b7bec } .missed { fill: #e08e45 }
  .one { stroke: #888; stroke-dasharray: 3 3 } .aim { stroke: #222; stroke-width: 2 }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } .aim { stroke: #eee } }`;
