import { runTool } from "../../agent/tools";
import { publishOfProgram } from "../../agent/tools/publish";
import type { SessionContext } from "../context";
import { workspace } from "../deployment";
import { setupOf } from "../transactions/agents";
import { withDecision } from "../transactions/approvals";
import { offersPublish, type Published, type PublishRequest } from "../transactions/artifacts";
import type { PublishCall } from "../transactions/claude-code-client-tools";
import { finishTool } from "../transactions/tool-calls";

/** Publishes a file of the workspace. A repeat for the same call and path publishes it once. */
export type PublishFile = (file: PublishRequest) => Promise<Published>;

/**
 * Makes a call of Publish by Claude Code, and journals its result. A repeat after a loss publishes nothing twice. Does nothing
 * more once the signal has aborted.
 */
export async function makePublishCall(
  { store, commit }: Pick<SessionContext, "store" | "commit">,
  { tool, run }: PublishCall,
  publishFile: PublishFile,
  signal: AbortSignal,
): Promise<void> {
  const { messageId, agent } = run;
  const by = { messageId, agent, toolUseId: tool.id };
  const publishes = offersPublish(store.identity.config, setupOf(store, agent).rules);
  const result = await runTool(publishOfProgram, tool.input, {
    signal,
    cwd: workspace,
    ...(publishes && {
      publishFile: (path: string, description: string | null) =>
        publishFile({ ...by, path, description }),
    }),
  });
  if (signal.aborted) return;
  commit((now) => finishTool({ store, run, now }, tool, withDecision(store, tool.callId, result)));
}
