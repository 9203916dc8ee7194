import { useRef, useState } from "preact/hooks";
import type { Approval, ToolRequest } from "../../client/api.ts";
import { rigger } from "../api.ts";
import { Decision } from "../decision.tsx";
import { pretty } from "../format.ts";
import { Scrollable } from "../scrollable.tsx";
import { ToolAnswer } from "../tool-answer.tsx";
import { useLoaded, When } from "../ui.tsx";
import { Card, read, SOON_MS } from "./card.tsx";

type Call = Approval | ToolRequest;

const isApproval = (call: Call): call is Approval => "id" in call;
const keyOf = (call: Call): string =>
  isApproval(call) ? call.id : `${call.sessionId} ${call.toolUseId}`;

/** Loads the calls of all sessions that wait for somebody, the oldest first. */
async function waitingCalls(signal: AbortSignal) {
  const query = { limit: 20 };
  const [asking, requested] = await Promise.all([
    rigger.get("/api/approvals", { query, signal }),
    rigger.get("/api/tool-requests", { query, signal }),
  ]);
  const calls: Call[] = [...asking.approvals, ...requested.toolRequests];
  return {
    calls: calls.sort((a, b) => Date.parse(a.requestedAt) - Date.parse(b.requestedAt)),
    hasMore: asking.nextCursor !== null || requested.nextCursor !== null,
  };
}

/** The calls of all sessions that wait for a decision or for a result, each with the form that gives it. */
export function WaitingCalls() {
  const loaded = useLoaded(() => read(waitingCalls), "waiting calls", SOON_MS);
  const [settled, setSettled] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const done = (text: string) => {
    setSettled(text);
    loaded.again();
    // The button that had the focus goes away.
    box.current?.closest("section")?.querySelector("h2")?.focus();
  };
  return (
    <Card title="Waiting calls" what="waiting calls" isWide loaded={loaded}>
      {({ calls, hasMore }) => (
        <div ref={box}>
          <p class={settled ? "note good" : "hidden"} role="status">
            {settled}
          </p>
          {calls.length === 0 && (
            <p class="quiet-line">No tool call waits for a decision or for a result.</p>
          )}
          {calls.length > 0 && (
            <ul class="plain-list">
              {calls.map((call, i) => (
                <Waiting
                  call={call}
                  place={`${i + 1} of ${calls.length}`}
                  done={done}
                  key={keyOf(call)}
                />
              ))}
            </ul>
          )}
          {hasMore && <p class="hint">There are more: settle these first.</p>}
        </div>
      )}
    </Card>
  );
}

interface WaitingProps {
  call: Call;
  /** Tells calls of the same tool from each other. */
  place: string;
  done(text: string): void;
}

function Waiting({ call, place, done }: WaitingProps) {
  const { sessionId, name, agent, input, requestedAt, expiresAt } = call;
  const session = rigger.session(sessionId);
  const named = `${name}, ${place}`;
  return (
    <li class="pending">
      <p class="pending-title">
        <strong>{name}</strong>
        {agent !== "main" && <span class="tag">{agent}</span>}
        <a href={`#/sessions/${sessionId}`}>Open the session</a>
        <span class="hint">
          {isApproval(call) ? "asks for approval since " : "waits for its result since "}
          <When at={requestedAt} />
          {expiresAt !== null && (
            <>
              , expires <When at={expiresAt} />
            </>
          )}
        </span>
      </p>
      <Scrollable name={`Input of ${named}`} kind="pending-input">
        <pre>{pretty(input)}</pre>
      </Scrollable>
      {isApproval(call) ? (
        <Decision
          session={session}
          approvalId={call.id}
          call={named}
          done={(decision) => done(`${name} was ${decision}.`)}
        />
      ) : (
        <ToolAnswer
          session={session}
          toolUseId={call.toolUseId}
          call={named}
          done={() => done(`${name} has its result.`)}
        />
      )}
    </li>
  );
}
