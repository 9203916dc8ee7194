import { duration } from "../shared/readable.ts";
import { now } from "./api.ts";
import { exact, oneLine, shortHash } from "./format.ts";
import type { SetupItem, Step } from "./set-up.ts";
import { type Shown, Status } from "./ui.tsx";

/** The set-up of a session, with what its steps say. */
export const SetupView = ({ of: setup }: Shown<SetupItem>) => {
  const done = setup.steps.filter(({ status }) => status === "completed").length;
  return (
    <section class="message" aria-label="Set-up">
      <div class="prompt">
        <p class="by">
          <span>
            Set-up: {done} of {setup.count} {setup.count === 1 ? "step" : "steps"} done
          </span>
          <time dateTime={setup.at}>{exact(setup.at)}</time>
        </p>
      </div>
      <div class="lane">
        {setup.steps.map((step, at) => (
          <StepView step={step} rev={setup.rev} key={at} />
        ))}
      </div>
    </section>
  );
};

/** A step. It is open while it says something, and if it has failed. */
function StepView({ step }: { step: Step; rev: number }) {
  const { kind, name, commit, path, status, output, exitCode } = step;
  const isRunning = status === "running";
  const ms = isRunning ? now.value - Date.parse(step.startedAt) : step.durationMs;
  return (
    <details
      class={status === "failed" ? "tool bad" : "tool"}
      open={status === "failed" || (isRunning && output !== "")}
    >
      <summary>
        <span class="tool-name">{kind === "repository" ? "Clone" : "Run"}</span>
        <code>{oneLine(name, 100)}</code>
        <span class="tool-state">
          {ms !== null && <span>{duration(Math.max(0, ms))}</span>} <Status of={status} />
        </span>
      </summary>
      {kind === "command" && <pre>{name}</pre>}
      {commit !== null && (
        <p class="task">
          Commit <code>{shortHash(commit)}</code> in <code>{path}</code>
        </p>
      )}
      {exitCode !== null && exitCode !== 0 && <p class="task">Exit code {exitCode}</p>}
      {output !== "" && (
        <>
          <p class="by">{isRunning ? "Output so far" : "Output"}</p>
          <pre>{output}</pre>
        </>
      )}
      {output === "" && <p class="task">It has said nothing.</p>}
    </details>
  );
}
