import { useRef, useState } from "preact/hooks";
import type { Session } from "../client/rigger.ts";
import { messageOf, rigger } from "./api.ts";
import { Action } from "./ui.tsx";

/** Sends messages. What was not sent stays in the field. */
export function Composer({ session, isRunning }: { session: Session; isRunning: boolean }) {
  const [prompt, setPrompt] = useState("");
  const [agent, setAgent] = useState("");
  const [state, setState] = useState<{ isBusy: boolean; error?: unknown }>({ isBusy: false });
  // The same for each try to send one prompt.
  const key = useRef(crypto.randomUUID());
  const agents = Object.keys(session.config.customAgents ?? {});
  const send = async () => {
    if (prompt.trim() === "" || state.isBusy) return;
    setState({ isBusy: true });
    try {
      await rigger.post("/api/sessions/{id}/message", {
        path: { id: session.id },
        body: { prompt, background: true, ...(agent !== "" && { agent }) },
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
  // It has one message.
  const isFull = session.pattern === "ephemeral" && (isRunning || session.numMessages > 0);
  if (isFull) {
    return isRunning ? (
      <div class="composer">
        <div class="actions">
          <Action run={() => rigger.session(session.id).interrupt()}>Interrupt</Action>
        </div>
      </div>
    ) : null;
  }
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
        placeholder={
          isRunning ? "Send another message. It waits until this one has ended." : "Send a message"
        }
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
        {isRunning && <Action run={() => rigger.session(session.id).interrupt()}>Interrupt</Action>}
        <button type="submit" class="main" disabled={state.isBusy || prompt.trim() === ""}>
          Send
        </button>
      </div>
    </form>
  );
}
