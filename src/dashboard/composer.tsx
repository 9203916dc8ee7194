import { useRef, useState } from "preact/hooks";
import type { Session } from "../client/rigger.ts";
import { messageOf, rigger } from "./api.ts";
import { Action } from "./ui.tsx";

/** Sends messages. What was not sent stays in the field. */
export function Composer({ session, isRunning }: { session: Session; isRunning: boolean }) {
  const [prompt, setPrompt] = useState("");
  const [agent, setAgent] = useState("");
  const [onBusy, setOnBusy] = useState<"queue" | "steer">("queue");
  const [state, setState] = useState<{ isBusy: boolean; error?: unknown }>({ isBusy: false });
  // The same for each try to send one prompt.
  const key = useRef(crypto.randomUUID());
  // It has one message, which prompts can only join.
  const isEphemeral = session.pattern === "ephemeral";
  const how = isEphemeral ? "steer" : onBusy;
  const agents = Object.keys(session.config.customAgents ?? {});
  const send = async () => {
    if (prompt.trim() === "" || state.isBusy) return;
    setState({ isBusy: true });
    try {
      await rigger.post("/api/sessions/{id}/message", {
        path: { id: session.id },
        body: { prompt, background: true, onBusy: how, ...(agent !== "" && { agent }) },
        idempotencyKey: key.current,
      });
      key.current = crypto.randomUUID();
      // What was typed meanwhile stays.
      setPrompt((now) => (now === prompt ? "" : now));
      setState({ isBusy: false });
    } catch (error) {
      setState({ isBusy: false, error });
    }
  };
  if (isEphemeral && !isRunning && session.numMessages > 0) return null;
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      {state.error !== undefined && (
        <p class="problem" role="alert">
          {messageOf(state.error)}
        </p>
      )}
      <label class="hidden" for="prompt">
        Message
      </label>
      <textarea
        id="prompt"
        rows={2}
        placeholder={isRunning ? "Send another message" : "Send a message"}
        value={prompt}
        onInput={({ currentTarget }) => {
          key.current = crypto.randomUUID();
          setPrompt(currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void send();
        }}
      />
      <div class="actions">
        <p class="hint">Enter sends, Shift+Enter begins a line.</p>
        {agents.length > 0 && (
          <label>
            <span class="hidden">Agent</span>
            <select
              value={agent}
              onChange={({ currentTarget }) => {
                key.current = crypto.randomUUID();
                setAgent(currentTarget.value);
              }}
            >
              <option value="">main</option>
              {agents.map((name) => (
                <option value={name} key={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        {isRunning && (
          <label>
            <span class="hidden">When</span>
            <select
              value={how}
              disabled={isEphemeral}
              onChange={({ currentTarget }) => {
                key.current = crypto.randomUUID();
                setOnBusy(currentTarget.value === "steer" ? "steer" : "queue");
              }}
            >
              <option value="queue">after this message</option>
              <option value="steer">with its next turn</option>
            </select>
          </label>
        )}
        {isRunning && <Action run={() => rigger.session(session.id).interrupt()}>Interrupt</Action>}
        <button type="submit" class="main" disabled={state.isBusy || prompt.trim() === ""}>
          Send
        </button>
      </div>
    </form>
  );
}
