import type { StreamedEvent } from "../client/rigger.ts";

/** A step of a set-up: a repository that is cloned, or a command. */
export interface Step {
  kind: "repository" | "command";
  name: string;
  /** Of a repository: the commit that is cloned, and where. */
  commit: string | null;
  path: string | null;
  status: "running" | "completed" | "failed" | "stopped";
  startedAt: string;
  durationMs: number | null;
  exitCode: number | null;
  /** What it has said: the last of it. */
  output: string;
}

/** The set-up of a container. If the container is lost, another set-up follows. */
export interface SetupItem {
  kind: "setup";
  rev: number;
  at: string;
  /** How many steps there will be. */
  count: number;
  steps: Step[];
}

/** An event of a step. */
export type SetupEvent = Extract<
  StreamedEvent,
  { type: "setup.started" | "setup.output" | "setup.completed" | "setup.failed" }
>;

export const isOfSetup = (event: StreamedEvent): event is SetupEvent =>
  /^setup\.(started|output|completed|failed)$/.test(event.type);

/** How many characters of a step's output are shown. */
const MAX_OUTPUT = 20_000;

/**
 * Adds an event to the set-up that it belongs to, which is changed in place, and returns that set-up: a new one if the first
 * step begins; undefined if the beginning was not seen.
 */
export function withSetup(last: SetupItem | undefined, event: SetupEvent): SetupItem | undefined {
  if (event.type === "setup.started") return withStep(last, event);
  const step = last?.steps[event.step - 1];
  if (!last || !step) return last;
  last.rev++;
  if (event.type === "setup.output") {
    step.output = (step.output + event.text).slice(-MAX_OUTPUT);
    return last;
  }
  const { durationMs, exitCode, output } = event;
  const status = event.type === "setup.failed" ? "failed" : "completed";
  Object.assign(step, { status, durationMs, exitCode, output });
  return last;
}

function withStep(
  last: SetupItem | undefined,
  event: Extract<SetupEvent, { type: "setup.started" }>,
): SetupItem {
  const { step, steps: count, kind, name, commit = null, path = null, at: startedAt } = event;
  if (last && step === 1) stopSetup(last);
  const setup =
    last && step > 1
      ? last
      : ({ kind: "setup", rev: 0, at: startedAt, count, steps: [] } satisfies SetupItem);
  setup.rev++;
  setup.steps[step - 1] = {
    ...{ kind, name, commit, path, status: "running", startedAt },
    ...{ durationMs: null, exitCode: null, output: "" },
  };
  return setup;
}

/** Marks the step that runs as stopped: its container is lost, or its session has ended. */
export function stopSetup(setup: SetupItem): void {
  for (const step of setup.steps) {
    if (step.status !== "running") continue;
    step.status = "stopped";
    setup.rev++;
  }
}
