import { type Conversation, readConversation, sumOfConversations } from "./conversations";
import { byPosition } from "./cursor";
import type { IndexDatabase } from "./databases";
import {
  type ListQuery,
  listPage,
  listSessions,
  type Page,
  type SessionList,
  skippedBy,
  withCursor,
} from "./list";
import { listOwners, type OwnerRow, type OwnersQuery } from "./owners";
import { Placements } from "./placements";
import type { SessionRow } from "./schema";
import {
  liveSessions,
  type Newest,
  newestBySessionId,
  newestOfConversation,
  type OwnerFacts,
  type Owners,
  putSession,
  removeSession,
  setLimited,
  setWebhooks,
} from "./sessions";
import { positionOf } from "./sources";
import { cellsOf, type Summary, type SummaryQuery, summary } from "./stats";
import { mergeUsage, type UsageQuery, type UsageRow, usageOf } from "./usage";
import { type WaitingQuery, type WaitingSession, waitingSessions } from "./waiting";

/**
 * The index in one or several databases. An owner's sessions are in one of them. What is asked over all owners is asked
 * of every database, without the owners whose sessions another database shows, and merged.
 */
export class SessionIndex {
  readonly databases: readonly IndexDatabase[];
  readonly #placements: Placements;
  /** The database, if it is the only one. */
  readonly #only: IndexDatabase | undefined;

  constructor(databases: readonly IndexDatabase[]) {
    this.databases = databases;
    this.#placements = new Placements(databases);
    this.#only = databases.length === 1 ? databases[0] : undefined;
  }

  /** Returns the database that has the sessions of an owner. */
  async locate(owner: string): Promise<IndexDatabase> {
    return this.#only ?? this.#placements.locate(owner);
  }

  /** Writes a session's row. Returns what concerns the owner's sessions. */
  async put(row: SessionRow): Promise<OwnerFacts> {
    return putSession((await this.locate(row.owner)).d1, row);
  }

  /** Records whether an owner has limits that concern sessions, in every database. */
  async setLimited(owner: string, isLimited: boolean): Promise<void> {
    await Promise.all(this.databases.map(({ d1 }) => setLimited(d1, owner, isLimited)));
  }

  /** Records the version of an owner's list of webhooks, in every database. */
  async setWebhooks(owner: string, version: number): Promise<void> {
    await Promise.all(this.databases.map(({ d1 }) => setWebhooks(d1, owner, version)));
  }

  /** Removes a session. Returns what concerns the owner's sessions. */
  async remove(row: SessionRow, now: number): Promise<OwnerFacts> {
    return removeSession((await this.locate(row.owner)).d1, row, now);
  }

  async list(query: ListQuery): Promise<SessionList> {
    const { sort } = query;
    const [only, ...others] = await this.#parts(query);
    if (!only) throw new Error("the index has no database");
    if (others.length === 0) return listSessions(only.d1, { ...query, ...only.of });
    const skipped = skippedBy(query);
    const wanted = { ...query, page: 1, pageSize: skipped + query.pageSize };
    const pages = await Promise.all(
      [only, ...others].map(({ d1, of }) => listPage(d1, { ...wanted, ...of })),
    );
    return withCursor(sort, merged(pages, query));
  }

  async summarize(query: SummaryQuery): Promise<Summary> {
    const parts = await this.#parts(query);
    const cells = parts.map(({ d1, of }) => cellsOf(d1, { ...query, ...of }));
    return summary((await Promise.all(cells)).flat(), query.groupBy);
  }

  async usage(query: UsageQuery): Promise<UsageRow[]> {
    const parts = await this.#parts(query);
    const rows = parts.map(({ d1, of }) => usageOf(d1, { ...query, ...of }));
    return mergeUsage(await Promise.all(rows), query.groupBy);
  }

  /** Returns the next owners that have had sessions, in their order. */
  async owners(query: OwnersQuery): Promise<OwnerRow[]> {
    const parts = await this.#parts({ owner: null });
    const found = parts.map(({ d1, of }) => listOwners(d1, { ...query, ...of }));
    const all = (await Promise.all(found)).flat().sort((a, b) => (a.owner < b.owner ? -1 : 1));
    return all.slice(0, query.limit);
  }

  /** Returns the next sessions with tool calls that wait for somebody: of an owner, or of all. */
  async waitingSessions(query: WaitingQuery): Promise<WaitingSession[]> {
    const parts = await this.#parts(query);
    const found = await Promise.all(
      parts.map(({ d1, of }) => waitingSessions(d1, { ...query, ...of })),
    );
    const byPlace = (a: WaitingSession, b: WaitingSession) =>
      a.owner === b.owner ? (a.id < b.id ? -1 : 1) : a.owner < b.owner ? -1 : 1;
    return found.flat().sort(byPlace).slice(0, query.limit);
  }

  /** Returns the ids of an owner's sessions that have not ended: active ones first, and of these the newest first. */
  async liveSessions(owner: string, limit: number): Promise<string[]> {
    return liveSessions((await this.locate(owner)).d1, owner, limit);
  }

  async conversation(owner: string | null, id: number): Promise<Conversation | null> {
    const parts = await this.#parts({ owner });
    const found = parts.map(({ d1, of }) => readConversation(d1, owner, id, of.except));
    return sumOfConversations((await Promise.all(found)).filter((one) => one !== null));
  }

  newestBySessionId(owner: string | null, sessionId: string): Promise<Newest | null> {
    return this.#newest(owner, (d1, owners) => newestBySessionId(d1, owners, sessionId));
  }

  newestOfConversation(owner: string | null, conversationId: number): Promise<Newest | null> {
    return this.#newest(owner, (d1, owners) => newestOfConversation(d1, owners, conversationId));
  }

  async #newest(
    owner: string | null,
    find: (d1: D1Database, owners: Owners) => Promise<Newest | null>,
  ): Promise<Newest | null> {
    const parts = await this.#parts({ owner });
    const found = await Promise.all(parts.map(({ d1, of }) => find(d1, { owner, ...of })));
    const isBetter = (a: Newest, b: Newest) =>
      Number(a.isResumable) - Number(b.isResumable) ||
      a.createdAt - b.createdAt ||
      (a.id < b.id ? -1 : 1);
    return (
      found
        .filter((one) => one !== null)
        .sort(isBetter)
        .at(-1) ?? null
    );
  }

  /** Returns the databases that answer for an owner, or for all, each with the owners that it must leave out. */
  async #parts({ owner }: { owner: string | null }) {
    const part = ({ d1 }: IndexDatabase, except: string[] = []) => ({
      d1,
      of: except.length === 0 ? {} : { except },
    });
    if (this.#only) return [part(this.#only)];
    if (owner !== null) return [part(await this.locate(owner))];
    const hidden = await this.#placements.hidden();
    return this.databases.map((one) => part(one, hidden.get(one.name)));
  }
}

/** Merges pages of the same list from several databases. */
function merged(pages: readonly Page[], query: ListQuery): Page {
  const { sort, pageSize } = query;
  const compare = byPosition(sort);
  // A page that the list goes on after says nothing about what is behind that position.
  const [end = null] = pages
    .map(({ next }) => next)
    .filter((next) => next !== null)
    .sort(compare);
  const skipped = skippedBy(query);
  const rows = pages
    .flatMap((page) => page.rows)
    .map((row) => ({ row, position: positionOf(sort, row) }))
    .filter(({ position }) => end === null || compare(position, end) <= 0)
    .sort((a, b) => compare(a.position, b.position))
    .slice(skipped);
  const last = rows[pageSize - 1];
  const { total, totalIsExact } = query.cursor ?? {
    total: pages.reduce((sum, page) => sum + page.total, 0),
    totalIsExact: pages.every((page) => page.totalIsExact),
  };
  const next = last && rows.length > pageSize ? last.position : end;
  return { rows: rows.slice(0, pageSize).map(({ row }) => row), next, total, totalIsExact };
}
