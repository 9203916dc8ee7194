import { useEffect, useRef, useState } from "preact/hooks";
import type { Session } from "../client/rigger.ts";
import { me, now, rigger } from "./api.ts";
import { ending, money } from "./format.ts";
import { change, parameters } from "./route.ts";
import { Empty, Loading, Problem, Status, When } from "./ui.tsx";

const PAGE = 100;
const EVERY_MS = 3_000;

const STATUSES = {
  "": "All",
  "initializing,active,idle": "Not ended",
  active: "Active",
  idle: "Idle",
  completed: "Completed",
  error: "Failed",
  terminated: "Terminated",
};
const SORTS = {
  "": "Newest first",
  "-lastActivityAt": "Last active first",
  "-totalCost": "Most expensive first",
  createdAt: "Oldest first",
};

/** The list of sessions, kept up to date. */
export function Sessions() {
  const filters = parameters.value;
  const query = queryOf(filters);
  const { sessions, state, more } = useSessions(query);
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Sessions</h1>
        {state.total !== null && (
          <p class="count" role="status">
            {state.total.toLocaleString("en")}
            {state.isExact ? "" : "+"} {state.total === 1 ? "session" : "sessions"}
          </p>
        )}
        <a class="button main" href="#/new">
          New session
        </a>
      </div>
      <Filters />
      {state.error !== undefined && <Problem error={state.error} />}
      {sessions.length > 0 && <List sessions={sessions} />}
      {sessions.length === 0 && state.isLoading && <Loading what="sessions" />}
      {sessions.length === 0 && !state.isLoading && state.error === undefined && (
        <NoSessions isFiltered={filters.size > 0} />
      )}
      {state.hasMore && <More load={more} />}
    </>
  );
}

const NoSessions = ({ isFiltered }: { isFiltered: boolean }) =>
  isFiltered ? (
    <Empty title="No session fits the filters.">
      <a href="#/">Show all sessions</a>
    </Empty>
  ) : (
    <Empty title="There is no session yet.">
      <p>A session is an agent with its own conversation, files and limits.</p>
      <a class="button main" href="#/new">
        Create the first one
      </a>
    </Empty>
  );

function Filters() {
  const filters = parameters.value;
  const [search, setSearch] = useState(filters.get("search") ?? "");
  useEffect(() => {
    const timer = setTimeout(() => change({ search: search.trim() }), 300);
    return () => clearTimeout(timer);
  }, [search]);
  const select = (name: string, label: string, options: Record<string, string>) => (
    <label>
      <span>{label}</span>
      <select
        value={filters.get(name) ?? ""}
        onChange={({ currentTarget }) => change({ [name]: currentTarget.value })}
      >
        {Object.entries(options).map(([value, text]) => (
          <option value={value} key={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
  const text = (name: string, label: string) => (
    <label>
      <span>{label}</span>
      <input
        type="text"
        value={filters.get(name) ?? ""}
        onChange={({ currentTarget }) => change({ [name]: currentTarget.value.trim() })}
      />
    </label>
  );
  return (
    <search class="filters" aria-label="Filters">
      <label class="wide">
        <span>Description contains</span>
        <input
          type="search"
          value={search}
          onInput={({ currentTarget }) => setSearch(currentTarget.value)}
        />
      </label>
      {select("status", "Status", STATUSES)}
      {select("pattern", "Pattern", {
        "": "All",
        ephemeral: "Ephemeral",
        "long-running": "Long-running",
        hybrid: "Hybrid",
        "single-container": "Single container",
      })}
      {text("tags", "Tags")}
      {text("userId", "User")}
      {select("sort", "Order", SORTS)}
    </search>
  );
}

const List = ({ sessions }: { sessions: Session[] }) => (
  <div class="table-box">
    <table class="sessions">
      <thead>
        <tr>
          <th scope="col">Session</th>
          <th scope="col">Status</th>
          <th scope="col">Pattern</th>
          <th scope="col" class="number">
            Cost
          </th>
          <th scope="col" class="number">
            Turns
          </th>
          <th scope="col">Last active</th>
          <th scope="col">Next</th>
        </tr>
      </thead>
      <tbody>
        {sessions.map((session) => (
          <Line session={session} key={session.id} />
        ))}
      </tbody>
    </table>
  </div>
);

const Line = ({ session }: { session: Session }) => (
  <tr>
    <th scope="row">
      <a href={`#/sessions/${session.id}`}>
        {session.description ?? `${session.id.slice(0, 16)}…`}
      </a>
      <span class="tags">
        {session.userId !== null && <span class="tag">@{session.userId}</span>}
        {session.tags.map((tag) => (
          <a class="tag" href={`#/?tags=${encodeURIComponent(tag)}`} key={tag}>
            {tag}
          </a>
        ))}
      </span>
    </th>
    <td data-label="Status">
      <Status of={session.pausedBecause === null ? session.status : "paused"} />
      {session.pendingApprovals > 0 && <span class="badge">asks for approval</span>}
    </td>
    <td data-label="Pattern">{session.pattern}</td>
    <td data-label="Cost" class="number">
      {money(session.totalCost)}
      {session.maxBudgetUsd !== null && <span class="of"> of {money(session.maxBudgetUsd)}</span>}
    </td>
    <td data-label="Turns" class="number">
      {session.numTurns}
    </td>
    <td data-label="Last active">
      <When at={session.lastActivityAt} />
    </td>
    <td data-label="Next">{nextOf(session)}</td>
  </tr>
);

const USED_UP = {
  budget: "its budget is used up",
  turns: "its turns are used up",
  lifetime: "its lifetime is over",
};

/** Returns what happens to a session next, or why it has ended. */
function nextOf(session: Session): string {
  if (session.terminationReason !== null)
    return `ended: ${session.terminationReason.replaceAll("_", " ")}`;
  if (session.error !== null) return `failed: ${session.error.message}`;
  if (session.pausedBecause !== null) return `paused: ${USED_UP[session.pausedBecause]}`;
  return ending(session, now.value) ?? "–";
}

/** A button that is also pressed by scrolling to it. */
function More({ load }: { load(): void }) {
  const ref = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && load());
    if (ref.current) observer.observe(ref.current);
    return () => observer.disconnect();
  });
  return (
    <button type="button" class="more" ref={ref} onClick={load}>
      Load more
    </button>
  );
}

type Query = NonNullable<Parameters<typeof rigger.get<"/api/sessions">>[1]>["query"];

/** Returns the query of the list that filters ask for. */
function queryOf(filters: URLSearchParams): string {
  const names = ["search", "status", "pattern", "tags", "userId", "sort"];
  return JSON.stringify(
    Object.fromEntries(
      names.flatMap((name) => (filters.get(name) ? [[name, filters.get(name)]] : [])),
    ),
  );
}

/** Loads the pages of a list, and keeps those sessions up to date that change. */
function useSessions(key: string) {
  const query = JSON.parse(key) as Query;
  const [sessions, setSessions] = useState<{ key: string; list: Session[] }>({ key, list: [] });
  const [state, setState] = useState<{
    isLoading: boolean;
    error?: unknown;
    hasMore: boolean;
    total: number | null;
    isExact: boolean;
  }>({ isLoading: true, hasMore: false, total: null, isExact: true });
  const cursor = useRef<string | null>(null);
  const isBusy = useRef(false);

  const load = async (isFirst: boolean) => {
    if (isBusy.current) return;
    isBusy.current = true;
    try {
      const from = isFirst ? {} : { cursor: cursor.current ?? "" };
      const page = await rigger.get("/api/sessions", {
        query: { ...query, ...from, pageSize: PAGE },
      });
      setSessions((old) => merge(old.key === key ? old.list : [], page.sessions, isFirst));
      if (!isFirst || cursor.current === null) cursor.current = page.nextCursor;
      setState({
        ...{ isLoading: false, hasMore: cursor.current !== null },
        ...{ total: page.total, isExact: page.totalIsExact },
      });
    } catch (error) {
      setState((old) => ({ ...old, isLoading: false, error }));
    } finally {
      isBusy.current = false;
    }
  };
  const merge = (old: Session[], found: Session[], isFirst: boolean) => {
    const newer = new Map(found.map((session) => [session.id, session]));
    const rest = old.filter(({ id }) => !newer.has(id));
    // The first page is as it is now; of the others, each session is where it was found.
    const list = isFirst
      ? [...found, ...rest.slice(found.length < PAGE ? rest.length : 0)]
      : [...rest, ...found];
    return { key, list };
  };

  useEffect(() => {
    cursor.current = null;
    isBusy.current = false;
    setState((old) => ({ ...old, isLoading: true, hasMore: false }));
    void load(true);
    const timer = setInterval(() => {
      if (!document.hidden) void load(true);
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, [key, me.value]);

  return {
    sessions: sessions.key === key ? sessions.list : [],
    state,
    more: () => void load(false),
  };
}
