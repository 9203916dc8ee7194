import { useState } from "preact/hooks";
import type { SessionHandle } from "../client/rigger.ts";
import { owns } from "./api.ts";
import { Action } from "./ui.tsx";

interface ToolAnswerProps {
  session: SessionHandle;
  toolUseId: string;
  /** What the call is named by, which tells it from the others on the page. */
  call: string;
  /** Called when the result is given. */
  done?(): void;
}

/** The form that gives the result of a call. There is none for those who may not give it. */
export function ToolAnswer({ session, toolUseId, call, done }: ToolAnswerProps) {
  const [content, setContent] = useState("");
  const [isError, setError] = useState(false);
  // The result is shown when it has come back as an event.
  const [isGiven, setGiven] = useState(false);
  if (!owns()) return null;
  const give = async () => {
    setGiven(true);
    try {
      await session.answerTools([{ toolUseId, content, isError }]);
    } catch (error) {
      setGiven(false);
      throw error;
    }
    done?.();
  };
  return (
    <div class="tool-answer">
      <textarea
        rows={3}
        class="code"
        aria-label={`Result of ${call}`}
        placeholder="The result: text or JSON, which the model reads as it is"
        value={content}
        onInput={({ currentTarget }) => setContent(currentTarget.value)}
      />
      <div class="actions">
        <Action kind="main" aria-label={`Give the result of ${call}`} disabled={isGiven} run={give}>
          Give the result
        </Action>
        <label>
          <input
            type="checkbox"
            checked={isError}
            onChange={({ currentTarget }) => setError(currentTarget.checked)}
          />{" "}
          The call has failed
        </label>
      </div>
    </div>
  );
}
