import { Cron } from "croner";

/** When a schedule runs: by the clocks of a time zone, at an interval from an instant on, or once. */
export type When =
  | { kind: "cron"; cron: string; timeZone: string }
  | { kind: "every"; everyMs: number; from: number }
  /** With the delay it was set by, if it was set by one. */
  | { kind: "once"; at: number; delayMs: number | null };

/** Returns the first run after an instant; null when there is none. */
export function nextRun(when: When, after: number): number | null {
  switch (when.kind) {
    case "cron":
      try {
        return cronRun(when.cron, when.timeZone, after);
      } catch {
        // It was right when it was made: a zone may be given up since.
        return null;
      }
    case "every": {
      const { everyMs, from } = when;
      return from + (Math.floor((after - from) / everyMs) + 1) * everyMs;
    }
    case "once":
      return when.at > after ? when.at : null;
  }
}

/** Returns the same schedule by a clock that was set back: a delay begins anew, the rest follows the clock. */
export function setAnew(when: When, now: number): When {
  if (when.kind !== "once" || when.delayMs === null) return when;
  return { ...when, at: Math.min(when.at, now + when.delayMs) };
}

/** Returns what is wrong with a cron expression or its time zone; undefined when nothing is. */
export function cronProblem(
  cron: string,
  timeZone: string,
  now: number,
): { path: "cron" | "timeZone"; message: string } | undefined {
  if (!isTimeZone(timeZone)) {
    return {
      path: "timeZone",
      message: `"${timeZone}" is no time zone: write one as Europe/Berlin`,
    };
  }
  // The library takes a date as well, for a single run.
  if (cron.includes(":")) return { path: "cron", message: "is no cron expression" };
  try {
    if (cronRun(cron, timeZone, now) !== null) return undefined;
    return { path: "cron", message: "names a time that never comes" };
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^Cron\w+: /, "") : String(error);
    return { path: "cron", message: `is no cron expression: ${why}` };
  }
}

/**
 * Returns where clocks go forward, what has fixed hours and falls into the gap runs right after it; where they go
 * back, it runs once. What runs by the hour or the minute goes on at its pace through both.
 */
function cronRun(cron: string, timezone: string, after: number): number | null {
  const job = new Cron(cron, { timezone, mode: "5-or-6-parts", fixedTimeRule: "no-wildcard" });
  return job.nextRun(new Date(after))?.getTime() ?? null;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return name !== "";
  } catch {
    return false;
  }
}
