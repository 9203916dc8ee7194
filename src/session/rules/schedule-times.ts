import { Cron } from "croner";

/**
 * When a schedule runs: by a cron expression in a time zone, at an interval counted from a time, or once. Times are in
 * ms since 1970.
 */
export type When =
  | { kind: "cron"; cron: string; timeZone: string }
  | { kind: "every"; everyMs: number; from: number }
  /** `delayMs` is the delay that the schedule was created with; null if it was created with a time. */
  | { kind: "once"; at: number; delayMs: number | null };

/** Returns the time of the first run after a time; null if there is none. */
export function nextRun(when: When, after: number): number | null {
  switch (when.kind) {
    case "cron":
      try {
        return cronRun(when.cron, when.timeZone, after);
      } catch {
        // The expression was valid when it was created, but a time zone may have been removed since.
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

/** Adapts a schedule after the clock was set back: a delay starts again. Other schedules follow the clock unchanged. */
export function withNewStart(when: When, now: number): When {
  if (when.kind !== "once" || when.delayMs === null) return when;
  return { ...when, at: Math.min(when.at, now + when.delayMs) };
}

/** Returns what is wrong with a cron expression or its time zone; undefined if both are valid. */
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
  // The library also accepts a date, for a single run.
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
 * Returns the next run of a cron expression after a time; null if there is none. Throws if the expression or the time
 * zone is invalid. When clocks go forward, a run at a fixed hour within the gap runs right after it. When clocks go
 * back, it runs once. Runs by the hour or by the minute continue at their interval in both cases.
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
