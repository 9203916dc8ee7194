import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { RiggerError } from "../../client/rigger.ts";
import { Scrollable } from "../scrollable.tsx";
import { Loading, Problem } from "../ui.tsx";

// What the cards of the overview share.

export const DAY_MS = 86_400_000;
/** How many users and owners are shown: those that have spent the most. */
export const MOST = 10;

// How often cards are loaded again. What somebody waits for is asked for more often.
export const SOON_MS = 10_000;
export const LATER_MS = 60_000;

interface CardProps<T> {
  title: string;
  /** What is loaded, in a sentence. */
  what: string;
  isWide?: boolean;
  loaded: { value?: T | undefined; error?: unknown; again(): void };
  children(value: T): ComponentChildren;
}

/** A card with what it loads. If that fails, the card says so, and shows what it had. */
export function Card<T>({ title, what, isWide = false, loaded, children }: CardProps<T>) {
  const { value, error, again } = loaded;
  const last = useRef(value);
  if (value !== undefined) last.current = value;
  // Of another range, the card shows what it had until the answer is there.
  const isStale = value === undefined && error === undefined && last.current !== undefined;
  const shown = isStale ? last.current : value;
  const id = `card-${what.replaceAll(" ", "-")}`;
  return (
    <section class={isWide ? "card wide" : "card"} aria-labelledby={id} aria-busy={isStale}>
      <h2 id={id} tabIndex={-1}>
        {title}
      </h2>
      {error !== undefined && <Problem error={error} retry={again} />}
      {shown === undefined && error === undefined && <Loading what={what} />}
      {shown !== undefined && children(shown)}
    </section>
  );
}

// The client repeats requests for up to a minute. A card tells sooner that nothing comes.
const PATIENCE_MS = 15_000;

/** Reads from the API. Rejects if there is no answer in time. */
export async function read<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await ask(signal);
  } catch (error) {
    throw signal.aborted ? new RiggerError("The server does not answer.") : error;
  }
}

export const today = (): string => dayOf(Date.now());
const dayOf = (instant: number): string => new Date(instant).toISOString().slice(0, 10);

/** Returns the last UTC dates, today among them, oldest first. */
export const lastDays = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => dayOf(Date.now() - (count - 1 - i) * DAY_MS));

interface TableProps {
  /** What the table is, for those who do not see it. */
  name: string;
  /** The first one names rows. The others have numbers. */
  columns: string[];
  rows: { key: string; cells: ComponentChildren[] }[];
}

export const Table = ({ name, columns, rows }: TableProps) => (
  <Scrollable name={name} kind="table-box">
    <table>
      <thead>
        <tr>
          {columns.map((column, i) => (
            <th scope="col" class={i > 0 ? "number" : undefined} key={column}>
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, cells: [first, ...others] }) => (
          <tr key={key}>
            <th scope="row">{first}</th>
            {others.map((cell, i) => (
              <td class="number" key={columns[i + 1]}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  </Scrollable>
);
