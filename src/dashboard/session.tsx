import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { hasEnded, RiggerError, type Session } from "../client/rigger.ts";
import { money } from "../shared/readable.ts";
import { isOnline, may, now, owns, rigger } from "./api.ts";
import { Artifacts } from "./artifacts.tsx";
import { Composer } from "./composer.tsx";
import { save } from "./content.ts";
import { Files } from "./files.tsx";
import { ending, short } from "./format.ts";
import { change, go, parameters } from "./route.ts";
import { Details, likeThis, RaiseLimits, RawEvents, ShareDialog } from "./session-details.tsx";
import { Timeline } from "./timeline.ts";
import { TimelineView } from "./timeline-view.tsx";
import { Action, Gauge, Loading, Problem, Status, Title } from "./ui.tsx";

/** One session: what happens in it, live, and what can be done with it. */
export function SessionPage({ id }: { id: string }) {
  const handle = useMemo(() => rigger.session(id), [id]);
  const { session, error, refresh } = useSession(id);
  const live = useTimeline(id, refresh);
  const tab = parameters.value.get("tab") ?? "timeline";
  if (error !== undefined && !session) {
    return (
      <>
        <Title>Session</Title>
        <Problem error={error} retry={refresh} />
      </>
    );
  }
  if (!session) return <Loading what="the session" />;
  return (
    <article class="session">
      <Top session={session} refresh={refresh} />
      {error !== undefined && <Problem error={error} retry={refresh} />}
      <Tabs current={tab} />
      {tab === "timeline" && (
        <section aria-label="Timeline" class="timeline-box">
          {session.pausedBecause !== null && <Paused session={session} refresh={refresh} />}
          <TimelineView
            timeline={live.timeline}
            rev={live.rev}
            session={handle}
            isLoaded={live.isLoaded}
          />
          {live.error !== undefined && <Problem error={live.error} retry={live.again} />}
          {live.isLost && (
            <p class="note" role="status">
              The connection was lost. Connecting again…
            </p>
          )}
          {!hasEnded(session) && may("sessions:write") && (
            <Composer session={session} isRunning={live.isRunning} />
          )}
        </section>
      )}
      {tab === "files" && (
        <div class="files-tab">
          <Artifacts session={session} rev={live.filesRev} promptOf={live.timeline.promptOf} />
          <Files session={session} rev={live.filesRev} />
        </div>
      )}
      {tab === "events" && <RawEvents events={live.timeline.events} rev={live.rev} />}
      {tab === "details" && <Details session={session} refresh={refresh} />}
    </article>
  );
}

const TABS = { timeline: "Timeline", files: "Files", events: "Events", details: "Details" };

const Tabs = ({ current }: { current: string }) => (
  <nav class="tabs" aria-label="Parts of the session">
    {Object.entries(TABS).map(([name, title]) => (
      <button
        type="button"
        key={name}
        aria-current={current === name ? "page" : undefined}
        onClick={() => change({ tab: name === "timeline" ? "" : name, path: "" })}
      >
        {title}
      </button>
    ))}
  </nav>
);

function Top({ session, refresh }: { session: Session; refresh(): void }) {
  const [dialog, setDialog] = useState<"limits" | "share" | null>(null);
  const handle = rigger.session(session.id);
  const isOver = hasEnded(session);
  const end = ending(session, now.value);
  return (
    <header class="session-head">
      <div class="session-title">
        <Title>{session.description ?? session.id}</Title>
        <Status of={session.pausedBecause === null ? session.status : "paused"} />
        {owns() && (
          <div class="actions">
            {!isOver && (
              <>
                <button type="button" onClick={() => setDialog("limits")}>
                  Limits
                </button>
                <Action
                  kind="danger"
                  run={async () => {
                    if (!confirm("End this session? Its running message is stopped.")) return;
                    await handle.terminate();
                    refresh();
                  }}
                >
                  Terminate
                </Action>
              </>
            )}
            <button type="button" onClick={() => setDialog("share")}>
              Share
            </button>
            {session.pattern !== "ephemeral" && (
              <Action
                run={async () => {
                  const config = { resumeSessionId: session.id, forkSession: true };
                  const fork = await rigger.create({
                    ...likeThis(session),
                    config: { ...session.config, ...config },
                    description: `Fork of ${session.description ?? session.id}`,
                  });
                  go(`/sessions/${fork.id}`);
                }}
              >
                Fork
              </Action>
            )}
            <Action run={() => exportSession(session.id)}>Export</Action>
          </div>
        )}
      </div>
      <dl class="facts">
        <Fact name="Pattern">{session.pattern}</Fact>
        <Fact name="Cost">
          {money(session.totalCost)}
          {session.maxBudgetUsd !== null && ` of ${money(session.maxBudgetUsd)}`}
          <Gauge name="Budget" used={session.totalCost} max={session.maxBudgetUsd} />
        </Fact>
        <Fact name="Turns">
          {session.numTurns}
          {session.maxTurns !== null && ` of ${session.maxTurns}`}
        </Fact>
        <Fact name="Tokens">{short(session.totalTokens)}</Fact>
        <Fact name="Sandbox">
          {session.sandbox.provider}, {session.sandbox.state}
        </Fact>
        {session.userId !== null && <Fact name="User">{session.userId}</Fact>}
        <Fact name={isOver ? "Ended" : "Next"}>
          {isOver ? endOf(session) : (end ?? "no deadline")}
        </Fact>
      </dl>
      {session.tags.length > 0 && (
        <p class="tags">
          {session.tags.map((tag) => (
            <span class="tag" key={tag}>
              {tag}
            </span>
          ))}
        </p>
      )}
      {dialog === "limits" && (
        <RaiseLimits session={session} close={() => setDialog(null)} refresh={refresh} />
      )}
      {dialog === "share" && <ShareDialog id={session.id} close={() => setDialog(null)} />}
    </header>
  );
}

const Fact = ({ name, children }: { name: string; children: preact.ComponentChildren }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

function endOf(session: Session): string {
  if (session.error !== null) return session.error.message;
  const reason = session.terminationReason?.replaceAll("_", " ") ?? "completed";
  const end = ending(session, now.value);
  return end ? `${reason}; ${end}` : reason;
}

function Paused({ session, refresh }: { session: Session; refresh(): void }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <div class="paused" role="status">
      <p>
        The session is paused, because its {session.pausedBecause} is used up. The message goes on
        where it was when the limit is raised.
      </p>
      {owns() && (
        <button type="button" class="main" onClick={() => setOpen(true)}>
          Raise the limit
        </button>
      )}
      {isOpen && <RaiseLimits session={session} close={() => setOpen(false)} refresh={refresh} />}
    </div>
  );
}

async function exportSession(id: string): Promise<void> {
  const response = await rigger.fetch("get", `/api/sessions/${id}/export`);
  const text = await response.text();
  // Without its last line it is not complete.
  if (!/\{"type":"end",[^\n]*\}\n$/.test(text)) throw new Error("The export broke off. Try again.");
  save(new Blob([text]), `${id}.jsonl`);
}

/** Loads the session, and again whenever `refresh` is called, once for several calls. */
function useSession(id: string) {
  const [state, setState] = useState<{ session?: Session; error?: unknown }>({});
  const timer = useRef<number | undefined>(undefined);
  const asked = useRef(0);
  const load = async () => {
    const turn = ++asked.current;
    try {
      const session = await rigger.session(id).read();
      // An answer that was overtaken is old.
      if (turn === asked.current) setState({ session });
    } catch (error) {
      if (turn === asked.current) setState((old) => ({ ...old, error }));
    }
  };
  const refresh = () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      void load();
    }, 150) as unknown as number;
  };
  useEffect(() => {
    void load();
    return () => clearTimeout(timer.current);
  }, [id]);
  return { ...state, refresh };
}

/** Follows the events of a session. What they change is shown once a frame at most. */
function useTimeline(id: string, refresh: () => void) {
  const [timeline, setTimeline] = useState(() => new Timeline());
  const [rev, setRev] = useState(0);
  const [filesRev, setFilesRev] = useState(0);
  const [state, setState] = useState<{ isLoaded: boolean; isLost: boolean; error?: unknown }>({
    isLoaded: false,
    isLost: false,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    const own = new Timeline();
    setTimeline(own);
    let frame: number | undefined;
    const show = () => {
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        setRev(own.rev);
      });
    };
    let reload: ReturnType<typeof setTimeout> | undefined;
    const reloadFiles = () => {
      reload ??= setTimeout(() => {
        reload = undefined;
        setFilesRev(own.rev);
      }, FILES_MS);
    };
    const follow = async () => {
      const handle = rigger.session(id);
      for await (const event of handle.log()) {
        if (controller.signal.aborted) return;
        own.add(event);
        // Of a long past, not every piece is shown on the way.
        if (own.rev % SHOWN_AT_ONCE === 0) show();
      }
      show();
      setState({ isLoaded: true, isLost: false });
      if (own.hasEnded) return;
      let isOpen = false;
      const onConnection = (now: "connecting" | "open") => {
        if (now === "open") isOpen = true;
        setState({ isLoaded: true, isLost: isOpen && now === "connecting" });
      };
      const after = own.events.at(-1)?.seq ?? 0;
      for await (const event of handle.events({ after, signal: controller.signal, onConnection })) {
        own.add(event);
        show();
        if (CHANGES.test(event.type)) refresh();
        if (CHANGES_FILES.test(event.type)) reloadFiles();
      }
      refresh();
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    follow().catch((error) => {
      if (controller.signal.aborted) return;
      setState({ isLoaded: true, isLost: false, error });
      // A server that can't be reached comes back.
      const isAway = error instanceof RiggerError && error.type === "connection_error";
      if (isAway) timer = setTimeout(() => setTurn((n) => n + 1), AGAIN_MS);
    });
    return () => {
      controller.abort();
      clearTimeout(timer);
      clearTimeout(reload);
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  }, [id, turn, isOnline.value]);
  const isRunning = timeline.items.some(
    (item) => item.kind === "message" && item.endedAt === null && item.status !== "queued",
  );
  return { timeline, rev, filesRev, ...state, isRunning, again: () => setTurn((n) => n + 1) };
}

/** Events after which there may be other files. Between them, a reader reloads. */
const CHANGES_FILES =
  /^(file|artifact)\.|^message\.(completed|failed|interrupted)$|^sandbox\.lost$/;

/** How long the page waits for further changes of files before it reads them, in ms. */
const FILES_MS = 300;

/** After how many events of the past the page is drawn. */
const SHOWN_AT_ONCE = 3_000;

/** When a page that could not reach the server tries again, in ms. */
const AGAIN_MS = 5_000;

/** Events after which the session looks different. */
const CHANGES = /^(session|message|approval|sandbox|limit)\.|^turn\.(completed|retried)$/;
