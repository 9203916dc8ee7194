import { useEffect, useRef, useState } from "preact/hooks";
import type { SessionHandle } from "../client/rigger.ts";
import { duration, money, relative, summaryOf } from "../shared/readable.ts";
import { may, now } from "./api.ts";
import { Decision } from "./decision.tsx";
import { exact, oneLine, pretty, short, size } from "./format.ts";
import { SetupView } from "./set-up-view.tsx";
import type { Item, Lane, MessageItem, NoteItem, Row, Timeline } from "./timeline.ts";
import { ToolAnswer } from "./tool-answer.tsx";
import { Empty, Loading, Once, type Shown, Status } from "./ui.tsx";

/** How much is shown at first, and how much more at each step: what is not shown costs nothing. */
const ITEMS = 10;
const ROWS = 60;

interface Props {
  timeline: Timeline;
  rev: number;
  session: SessionHandle;
  isLoaded: boolean;
}

/** What happened in a session, the newest last. It stays at its end while the reader is there. */
export function TimelineView({ timeline, rev, session, isLoaded }: Props) {
  const [shown, setShown] = useState(ITEMS);
  const end = useStayAtEnd(rev);
  const items = timeline.items.slice(-shown);
  const hidden = timeline.items.length - items.length;
  if (timeline.items.length === 0 && !isLoaded) return <Loading what="what happened" />;
  const isEmpty = timeline.items.every(({ kind }) => kind === "note") && !timeline.hasEnded;
  return (
    <>
      {hidden > 0 && (
        <button type="button" class="more" onClick={() => setShown((n) => n + ITEMS)}>
          Show {Math.min(hidden, ITEMS)} earlier of {hidden}
        </button>
      )}
      {!isLoaded && (
        <p class="note" role="status">
          Loading {timeline.events.length.toLocaleString("en")} events…
        </p>
      )}
      <ol class="timeline">
        {items.map((item) => (
          <li key={keyOf(item)}>
            <Once of={item} rev={item.rev} view={viewOf(session)} />
          </li>
        ))}
      </ol>
      {isEmpty && isLoaded && (
        <Empty title="No message yet.">
          {may("sessions:write") && <p>Send the first one below.</p>}
        </Empty>
      )}
      <div class="end" ref={end} />
      <Announcer of={timeline} rev={rev} />
    </>
  );
}

function keyOf(item: Item): string {
  if (item.kind === "message") return item.id;
  return `${item.at} ${item.kind === "note" ? item.text : item.kind}`;
}

type View<T> = (props: Shown<T>) => preact.JSX.Element;

/** Returns what makes a view for a session: always the same one, so that nothing is shown anew. */
function oncePerSession<T>(make: (session: SessionHandle) => View<T>) {
  const known = new WeakMap<SessionHandle, View<T>>();
  return (session: SessionHandle): View<T> => {
    const view = known.get(session) ?? make(session);
    known.set(session, view);
    return view;
  };
}

const viewOf = oncePerSession<Item>(
  (session) =>
    ({ of, rev }) =>
      of.kind === "note" ? (
        <Note of={of} />
      ) : of.kind === "setup" ? (
        <SetupView of={of} rev={rev} />
      ) : (
        <Message of={of} rev={rev} session={session} />
      ),
);

const rowOf = oncePerSession<Row>((session) => ({ of, rev }) => (
  <RowView of={of} rev={rev} session={session} />
));

const Note = ({ of: { at, tone, text } }: { of: NoteItem }) => (
  <p class={`note ${tone}`}>
    {text} <time dateTime={at}>{exact(at)}</time>
  </p>
);

function Message({ of: message, rev, session }: Shown<MessageItem> & { session: SessionHandle }) {
  const hasAgents = message.lanes.length > 1;
  return (
    <article class="message" aria-label={`Message: ${oneLine(message.prompt, 60)}`}>
      <Prompt
        by={message.scheduleId === null ? "Prompt" : "Prompt of a schedule"}
        at={message.receivedAt}
        text={message.prompt}
      />
      <div class={hasAgents ? "lanes" : "lane-only"}>
        {message.lanes.map((lane) => (
          <LaneView
            of={lane}
            rev={lane.rev}
            session={session}
            hasAgents={hasAgents}
            key={lane.agent}
          />
        ))}
      </div>
      <End of={message} rev={rev} />
    </article>
  );
}

const Prompt = ({ by, at, text }: { by: string; at: string; text: string }) => (
  <div class="prompt">
    <p class="by">
      {by}
      <time dateTime={at}>{exact(at)}</time>
    </p>
    <pre>{text}</pre>
  </div>
);

function End({ of: message }: Shown<MessageItem>) {
  const { status, startedAt, endedAt, cost, turns, stopReason, error, waitingFor, output } =
    message;
  const isJoining = status === "queued" && message.joins !== null;
  const time =
    startedAt === null
      ? null
      : duration((endedAt === null ? now.value : Date.parse(endedAt)) - Date.parse(startedAt));
  return (
    <>
      {error && <p class="problem">{error.message}</p>}
      {output !== undefined && output !== null && (
        <details class="tool" open>
          <summary>Structured result</summary>
          <pre>{pretty(output)}</pre>
        </details>
      )}
      <p class="message-end">
        <Status of={status} />
        {status === "waiting" && waitingFor && <span>{waits(waitingFor)}</span>}
        {isJoining && <span>joins the running message at its next turn</span>}
        {stopReason !== null && stopReason !== "end_turn" && (
          <span>stopped: {stopReason.replaceAll("_", " ")}</span>
        )}
        {time !== null && <span>{time}</span>}
        {turns > 0 && (
          <span>
            {turns} {turns === 1 ? "turn" : "turns"}
          </span>
        )}
        {cost > 0 && <span>{money(cost)}</span>}
      </p>
    </>
  );
}

function waits(waitingFor: NonNullable<MessageItem["waitingFor"]>): string {
  if (waitingFor.type === "approval") return "waits for approval";
  if (waitingFor.type === "toolResult") return "waits for the results of its calls";
  return waitingFor.limit === "owner_running_messages"
    ? "waits until another message of its owner ends"
    : `waits until its ${waitingFor.limit} limit is raised`;
}

interface LaneProps extends Shown<Lane> {
  session: SessionHandle;
  hasAgents: boolean;
}

function LaneView({ of: lane, session, hasAgents }: LaneProps) {
  const [shown, setShown] = useState(ROWS);
  const rows = lane.rows.slice(-shown);
  const hidden = lane.rows.length - rows.length;
  return (
    <section class="lane" aria-label={hasAgents ? `Agent ${lane.agent}` : "Agent"}>
      {hasAgents && (
        <h2 class="lane-title">
          {lane.agent}
          {lane.task !== null && !lane.isDone && <Status of="running" />}
        </h2>
      )}
      {lane.task !== null && <p class="task">{oneLine(lane.task, 200)}</p>}
      {hidden > 0 && (
        <button type="button" class="more" onClick={() => setShown((n) => n + ROWS)}>
          Show {Math.min(hidden, ROWS)} earlier of {hidden}
        </button>
      )}
      {rows.map((row, at) => (
        <Once of={row} rev={row.rev} view={rowOf(session)} key={hidden + at} />
      ))}
    </section>
  );
}

function RowView({ of: row, rev, session }: Shown<Row> & { session: SessionHandle }) {
  switch (row.kind) {
    case "text":
      return <Text text={row.text} isLive={row.isLive} />;
    case "thinking":
      return (
        <details class="thinking">
          <summary>{row.isLive ? "Thinking…" : "Thought"}</summary>
          <pre>{row.text}</pre>
        </details>
      );
    case "tool":
      return row.request === null ? (
        <Tool of={row} rev={rev} />
      ) : (
        <Requested of={row} rev={rev} session={session} />
      );
    case "approval":
      return <ApprovalRow of={row} rev={rev} session={session} />;
    case "turn":
      return <TurnRow row={row} />;
    case "artifact":
      return (
        <p class="note">
          Published <a href={`#/sessions/${session.id}?tab=files`}>{oneLine(row.path)}</a>,{" "}
          {size(row.sizeBytes)}
        </p>
      );
    case "notice":
      return <p class={`note ${row.tone}`}>{row.text}</p>;
    case "prompt":
      return <Prompt by="Prompt that joined" at={row.at} text={row.text} />;
  }
}

/** Text of an agent. Blocks between fences are shown as code; nothing else in it is more than text. */
const Text = ({ text, isLive }: { text: string; isLive: boolean }) => (
  <div class={isLive ? "text live" : "text"}>
    {text.split(/^```.*$/m).map((part, at) =>
      at % 2 === 1 ? (
        <pre class="code" key={at}>
          {part.replace(/^\n|\n$/g, "")}
        </pre>
      ) : (
        part.trim() !== "" && <p key={at}>{part.replace(/^\n+|\n+$/g, "")}</p>
      ),
    )}
  </div>
);

type Of<K extends Row["kind"]> = Extract<Row, { kind: K }>;

function Tool({ of: row }: Shown<Of<"tool">>) {
  const isRunning = row.content === null;
  return (
    <details class={row.isError ? "tool bad" : "tool"} open={isRunning && row.output !== ""}>
      <summary>
        <span class="tool-name">{row.name}</span>
        <code>{oneLine(summaryOf(row.input), 100)}</code>
        <span class="tool-state">
          {isRunning
            ? "runs…"
            : row.isError
              ? "failed"
              : row.durationMs === null
                ? "stopped"
                : "done"}
          {row.durationMs !== null && `, ${duration(row.durationMs)}`}
        </span>
      </summary>
      <p class="by">Input</p>
      <pre>{pretty(row.input)}</pre>
      {(row.content ?? row.output) !== "" && (
        <>
          <p class="by">{isRunning ? "Output so far" : "Result"}</p>
          <pre>{row.content === null ? row.output : row.content}</pre>
        </>
      )}
    </details>
  );
}

/** A call whose result the caller gives. */
function Requested({ of: row, session }: Shown<Of<"tool">> & { session: SessionHandle }) {
  const expiresAt = row.request?.expiresAt ?? null;
  return (
    <div class="approval pending">
      <p class="approval-title">
        <Status of="requested" />
        <span>
          <strong>{row.name}</strong> waits for its result
        </span>
        {expiresAt !== null && <span>expires {relative(expiresAt, now.value)}</span>}
      </p>
      <pre>{pretty(row.input)}</pre>
      <ToolAnswer
        session={session}
        toolUseId={row.toolUseId}
        call={oneLine(`${row.name} ${summaryOf(row.input)}`, 80)}
      />
    </div>
  );
}

function ApprovalRow({ of: row, session }: Shown<Of<"approval">> & { session: SessionHandle }) {
  return (
    <div class={`approval ${row.status}`}>
      <p class="approval-title">
        <Status of={row.status} />
        <span>
          <strong>{row.name}</strong> {row.status === "pending" ? "asks for approval" : ""}
          {row.by !== null && `by ${row.by}`}
        </span>
        {row.status === "pending" && row.expiresAt !== null && (
          <span>expires {relative(row.expiresAt, now.value)}</span>
        )}
      </p>
      {row.status === "pending" && <pre>{pretty(row.input)}</pre>}
      {row.note !== null && <p class="task">{row.note}</p>}
      {row.status === "pending" && (
        <Decision
          session={session}
          approvalId={row.approvalId}
          call={oneLine(`${row.name} ${summaryOf(row.input)}`, 80)}
        />
      )}
    </div>
  );
}

/** What a turn has used. One that was refused has used nothing, and its reason is shown elsewhere. */
const TurnRow = ({ row }: { row: Of<"turn"> }) =>
  row.input + row.output === 0 ? null : (
    <p class="turn">
      {row.turn === "reply" ? "Turn" : row.turn.replaceAll("_", " ")}: {row.model},{" "}
      {short(row.input)} in
      {row.input > 0 && ` (${Math.round((100 * row.cached) / row.input)} % from cache)`},{" "}
      {short(row.output)} out, {money(row.cost)}
    </p>
  );

/** Tells those who listen when a message ends or waits, and nothing between. */
function Announcer({ of: timeline }: Shown<Timeline>) {
  const message = timeline.items.findLast((item) => item.kind === "message");
  const text =
    message?.kind !== "message" || message.status === "running" || message.status === "queued"
      ? ""
      : `The message is ${message.status}.`;
  return (
    <p class="hidden" role="status">
      {text}
    </p>
  );
}

/** Keeps the end of what grows in sight while it is in sight. */
function useStayAtEnd(rev: number) {
  const ref = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    const end = ref.current;
    if (!end) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        isAtEnd.current = entry?.isIntersecting ?? false;
      },
      { rootMargin: "0px 0px 240px 0px" },
    );
    observer.observe(end);
    return () => observer.disconnect();
  }, [ref.current]);
  useEffect(() => {
    if (isAtEnd.current) ref.current?.scrollIntoView({ block: "end" });
  }, [rev]);
  return ref;
}
