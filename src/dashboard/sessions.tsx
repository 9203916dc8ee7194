import { useEffect, useRef, useState } from "preact/hooks";
import type { Session } from "../client/rigger.ts";
import { money } from "../shared/readable.ts";
import { may, now, rigger } from "./api.ts";
import { ending, USED_UP } from "./format.ts";
import { change, parameters } from "./route.ts";
import { Empty, Loading, Problem, Status, Title, When } from "./ui.tsx";

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
  const { list: sessions, more, ...state } = useSessions(query);
  return (
    <>
      <div class="title">
        <Title>Sessions</Title>
        {state.total !== null && (
          <p class="count" role="status">
            {state.total.toLocaleString("en")}
            {state.isExact ? "" : "+"} {state.total === 1 ? "session" : "sessions"}
          </p>
        )}
        {may("sessions:write") && (
          <a class="button main" href="#/new">
            New session
          </a>
        )}
      </div>
      <Filters />
      {state.error !== undefined && <Problem error={state.error} retry={more} />}
      {sessions.length > 0 && <List sessions={sessions} />}
      {sessions.length === 0 && state.isLoading && <Loading what="sessions" />}
      {sessions.length === 0 && !state.isLoading && state.error === undefined && (
        <NoSessions isFiltered={filters.size > 0} />
      )}
      {state.cursor && state.error === undefined && <More load={more} />}
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
      {may("sessions:write") && (
        <a class="button main" href="#/new">
          Create the first one
        </a>
      )}
    </Empty>
  );

function Filters() {
  const filters = parameters.value;
  const searched = filters.get("search") ?? "";
  const [search, setSearch] = useState(searched);
  // The address can change otherwise: by a link, or a step back.
  useEffect(() => setSearch(searched), [searched]);
  useEffect(() => {
    if (search.trim() === searched) return;
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
        key={filters.get(name)}
        defaultValue={filters.get(name) ?? ""}
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
      {session.pendingToolRequests > 0 && <span class="badge">waits for results</span>}
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
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const observer = new IntersectionObserver(
      ([entry]) => entry?.isIntersecting && latest.current(),
    );
    if (ref.current) observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return (
    <button type="button" class="more" ref={ref} onClick={load}>
      Load more
    </button>
  );
}

type Query = NonNullable<Parameters<typeof rigger.get<"/api/sessions">>[1]>["query"];
type Sort = NonNullable<NonNullable<Query>["sort"]>;

/** Returns the query of the list that filters ask for. */
function queryOf(filters: URLSearchParams): string {
  const names = ["search", "status", "pattern", "tags", "userId", "sort"];
  return JSON.stringify(
    Object.fromEntries(
      names.flatMap((name) => (filters.get(name) ? [[name, filters.get(name)]] : [])),
    ),
  );
}

interface Loaded {
  list: Session[];
  isLoading: boolean;
  error?: unknown;
  /** Where the list goes on; undefined before its first page, null at its end. */
  cursor: string | null | undefined;
  total: number | null;
  isExact: boolean;
}

const NOTHING: Loaded = {
  ...{ list: [], isLoading: true, cursor: undefined, total: null, isExact: true },
};

/** Loads the pages of a list, and its first page again and again. */
function useSessions(key: string) {
  const [state, setState] = useState(NOTHING);
  const more = useRef(() => {});
  useEffect(() => {
    const query = JSON.parse(key) as Query;
    const controller = new AbortController();
    const { signal } = controller;
    let own = NOTHING;
    let isBusy = false;
    const show = (next: Loaded) => {
      own = next;
      setState(next);
    };
    const load = async (isFirst: boolean) => {
      if (isBusy) return;
      isBusy = true;
      try {
        const from = isFirst || !own.cursor ? {} : { cursor: own.cursor };
        const page = await rigger.get("/api/sessions", {
          query: { ...query, ...from, pageSize: PAGE },
          signal,
        });
        const list = isFirst
          ? withFirst(own.list, page.sessions, query?.sort)
          : withNext(own.list, page.sessions);
        const isOnlyPage = own.list.length <= PAGE;
        const cursor =
          isFirst && own.cursor !== undefined && !isOnlyPage ? own.cursor : page.nextCursor;
        show({ list, cursor, isLoading: false, total: page.total, isExact: page.totalIsExact });
      } catch (error) {
        if (!signal.aborted) show({ ...own, isLoading: false, error });
      } finally {
        isBusy = false;
      }
    };
    more.current = () => void load(false);
    show(NOTHING);
    void load(true);
    const timer = setInterval(() => {
      if (!document.hidden) void load(true);
    }, EVERY_MS);
    return () => {
      controller.abort();
      clearInterval(timer);
    };
  }, [key]);
  return { ...state, more: () => more.current() };
}

/** Returns a list with its next page. */
const withNext = (list: Session[], page: Session[]): Session[] => {
  const found = new Set(page.map(({ id }) => id));
  return [...list.filter(({ id }) => !found.has(id)), ...page];
};

/**
 * Returns a list with its first page as it is now. What was before the end of that page and is no longer there is gone; what
 * comes after it stays.
 */
function withFirst(list: Session[], page: Session[], sort: Sort = "-createdAt"): Session[] {
  const last = page.at(-1);
  if (page.length < PAGE || !last) return page;
  const found = new Set(page.map(({ id }) => id));
  const field = sort.replace("-", "") as "createdAt" | "lastActivityAt" | "totalCost";
  const isAfter = (session: Session) =>
    sort.startsWith("-") ? session[field] < last[field] : session[field] > last[field];
  return [...page, ...list.filter((session) => !found.has(session.id) && isAfter(session))];
}
