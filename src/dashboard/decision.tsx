import { useState } from "preact/hooks";
import type { SessionHandle } from "../client/rigger.ts";
import { may } from "./api.ts";
import { Action } from "./ui.tsx";

interface DecisionProps {
  session: SessionHandle;
  approvalId: string;
  /** What the call is named by, which tells it from the others on the page. */
  call: string;
  /** Called with what was decided: `allowed` or `denied`. */
  done?(decision: string): void;
}

/** The form that decides on a call which waits for approval. There is none for those who may not decide. */
export function Decision({ session, approvalId, call, done }: DecisionProps) {
  const [note, setNote] = useState("");
  // One decision at a time. After it, the call is shown elsewhere or otherwise.
  const [isDecided, setDecided] = useState(false);
  if (!may("approvals:write")) return null;
  const given = note.trim() === "" ? {} : { note: note.trim() };
  const decide = (decision: string, send: () => Promise<unknown>) => async () => {
    setDecided(true);
    try {
      await send();
    } catch (error) {
      setDecided(false);
      throw error;
    }
    done?.(decision);
  };
  return (
    <div class="actions decision">
      <input
        type="text"
        aria-label={`Note for the agent on ${call}, optional`}
        placeholder="Note for the agent (optional)"
        maxLength={10_000}
        value={note}
        onInput={({ currentTarget }) => setNote(currentTarget.value)}
      />
      <Action
        kind="main"
        aria-label={`Allow ${call}`}
        disabled={isDecided}
        run={decide("allowed", () => session.allow(approvalId, given))}
      >
        Allow
      </Action>
      <Action
        aria-label={`Always allow this call of ${call}`}
        disabled={isDecided}
        run={decide("allowed", () => session.allow(approvalId, { ...given, remember: "session" }))}
      >
        Always allow this call
      </Action>
      <Action
        kind="danger"
        aria-label={`Deny ${call}`}
        disabled={isDecided}
        run={decide("denied", () => session.deny(approvalId, given))}
      >
        Deny
      </Action>
    </div>
  );
}
