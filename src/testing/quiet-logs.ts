import { afterEach, beforeEach } from "vitest";

/** The most lines that are shown of a test that failed. */
const MAX_LINES = 1_000;

/**
 * Keeps what the Worker logs from the terminal, and shows it where a test fails. Vitest's own filter is behind its
 * transport, which takes a tenth of the time of all tests.
 */
export function showLogsOfFailures(): void {
  const write = console.log;
  let lines: unknown[][] = [];
  console.log = (...line) => {
    if (lines.length < MAX_LINES) lines.push(line);
  };
  beforeEach(() => {
    lines = [];
  });
  afterEach(({ task }) => {
    if (task.result?.state !== "fail") return;
    for (const line of lines) write(...line);
  });
}
