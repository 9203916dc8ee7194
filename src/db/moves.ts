import { and, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import {
  copyIsLimited,
  copyMissed,
  copyRemovals,
  copyRemovedSums,
  copySessions,
  copyUsage,
  eraseSessions,
} from "./copies";
import { homeOf, type IndexDatabase } from "./databases";
import { movesTo, Placements, placementOf } from "./placements";
import { ownerPlacements, type Placement, rounds } from "./schema";

/**
 * A copy begins so long after its announcement, in ms. By then no object runs a version with another setting, and nobody
 * remembers that there are no moves.
 */
const ANNOUNCED_MS = 10 * 60_000;
/** What has left is erased so long after the move, in ms: by then every list that was read from it is answered. */
const LEFT_MS = 2 * 60_000;
/** Clocks of objects may differ by so much, in ms. */
const CLOCKS_MS = 10 * 60_000;
/** Owners that are compared with their homes in one run. */
const OWNERS_AT_ONCE = 1_000;
const ROUND = "placements";

/** A move that has ended. */
export interface Moved {
  owner: string;
  from: string;
  to: string;
}

/** Moves owners between the databases of the index, each to its home. A run goes on where the last one ended. */
export class Moves {
  readonly #databases: readonly IndexDatabase[];
  readonly #placements: Placements;

  constructor(databases: readonly IndexDatabase[]) {
    this.#databases = databases;
    this.#placements = new Placements(databases);
  }

  /** Moves owners until there is nothing to do, or `isOver`. Returns those whose move has ended. */
  async run(now: number, isOver: () => boolean): Promise<Moved[]> {
    const moved: Moved[] = [];
    for (const database of this.#databases) await this.#announce(database, now);
    for (const database of this.#databases) {
      for (const record of await movesTo(database)) {
        if (isOver()) return moved;
        const from = this.#placements.named(record.source ?? "");
        if (record.stage === "here") await this.#erase(database, record, from, now, isOver);
        else if (homeOf(record.owner, this.#databases) !== database) {
          await this.#cancel(database, record, from, isOver);
        } else if (await this.#copy(database, record, from, now, isOver)) {
          moved.push({ owner: record.owner, from: from.name, to: database.name });
        }
      }
    }
    return moved;
  }

  /** Records the moves of owners whose sessions are in a database that is not their home. */
  async #announce(database: IndexDatabase, now: number): Promise<void> {
    for (const owner of await nextOwners(database)) {
      const home = homeOf(owner, this.#databases);
      if (home === database || (await this.#placements.locate(owner)) !== database) continue;
      const leaves = (await placementOf(database, owner))?.source;
      // What it left behind the last time must be erased first, or its way back would begin with it.
      if (leaves) continue;
      const copying = {
        stage: "copying",
        source: database.name,
        since: now,
        position: null,
      } as const;
      await drizzle(home.d1)
        .insert(ownerPlacements)
        .values({ owner, ...copying })
        .onConflictDoUpdate({
          target: ownerPlacements.owner,
          set: copying,
          setWhere: eq(ownerPlacements.stage, "sealed"),
        });
    }
  }

  /** Copies an owner's sessions to its home, and lets them be there. Returns whether that is done. */
  async #copy(
    home: IndexDatabase,
    { owner, since, position }: Placement,
    from: IndexDatabase,
    now: number,
    isOver: () => boolean,
  ): Promise<boolean> {
    if (now < since + ANNOUNCED_MS) return false;
    const [source, target] = [from.d1, home.d1];
    // A position beyond the last session means that all were copied.
    let at = position;
    for (let isCopied = at?.[0] === COPIED[0]; !isCopied; ) {
      if (isOver()) return false;
      at = await copySessions(source, target, owner, at);
      isCopied = at === null;
      await update(home, owner, { position: at ?? COPIED });
    }
    // From here on the source does not change. What has changed while it was copied is copied again.
    await seal(from, owner, now);
    for (at = null; ; ) {
      at = await copyMissed(source, target, owner, at);
      if (at === null) break;
    }
    await copyRemovals(source, target, owner, since - CLOCKS_MS);
    await copyRemovedSums(source, target, owner);
    await copyUsage(source, target, owner);
    await copyIsLimited(source, target, owner);
    await update(home, owner, { stage: "here", since: now, position: null });
    return true;
  }

  /** Erases what an owner has left behind. */
  async #erase(
    home: IndexDatabase,
    { owner, since }: Placement,
    from: IndexDatabase,
    now: number,
    isOver: () => boolean,
  ): Promise<void> {
    if (now < since + LEFT_MS) return;
    while (!(await eraseSessions(from.d1, owner))) if (isOver()) return;
    await update(home, owner, { source: null });
  }

  /** Erases a copy in a database that is no longer the owner's home. */
  async #cancel(
    database: IndexDatabase,
    { owner }: Placement,
    from: IndexDatabase,
    isOver: () => boolean,
  ): Promise<void> {
    while (!(await eraseSessions(database.d1, owner))) if (isOver()) return;
    const others = this.#databases.filter((one) => one !== database);
    const records = await Promise.all(others.map((one) => placementOf(one, owner)));
    // Another database may copy the same sessions meanwhile, and have sealed them itself.
    if (!records.some((record) => record?.stage === "copying")) await unseal(from, owner);
    await drizzle(database.d1).delete(ownerPlacements).where(eq(ownerPlacements.owner, owner));
  }
}

const COPIED = [Number.MAX_SAFE_INTEGER, 0, ""] as const satisfies Placement["position"];

async function update(
  { d1 }: IndexDatabase,
  owner: string,
  change: Partial<Placement>,
): Promise<void> {
  await drizzle(d1).update(ownerPlacements).set(change).where(eq(ownerPlacements.owner, owner));
}

async function seal({ d1 }: IndexDatabase, owner: string, now: number): Promise<void> {
  const sealed = { stage: "sealed", source: null, since: now, position: null } as const;
  await drizzle(d1)
    .insert(ownerPlacements)
    .values({ owner, ...sealed })
    .onConflictDoUpdate({ target: ownerPlacements.owner, set: sealed });
}

async function unseal({ d1 }: IndexDatabase, owner: string): Promise<void> {
  const isSealed = and(eq(ownerPlacements.owner, owner), eq(ownerPlacements.stage, "sealed"));
  await drizzle(d1).update(ownerPlacements).set({ stage: "here" }).where(isSealed);
}

/** Returns the next owners of a database, and advances the stored position. */
async function nextOwners({ d1 }: IndexDatabase): Promise<string[]> {
  const db = drizzle(d1);
  const [round] = await db.select().from(rounds).where(eq(rounds.name, ROUND));
  // Looks up the next owner again and again, because an owner has many rows of sums.
  const found = await db.values<[string]>(sql`
    with recursive owners (owner) as (
      select min(owner) from session_totals where user_id = '' and owner > ${round?.after ?? ""}
      union all
      select (select min(owner) from session_totals where user_id = '' and owner > owners.owner)
      from owners where owners.owner is not null
    )
    select owner from owners where owner is not null limit ${OWNERS_AT_ONCE}`);
  const owners = found.map(([owner]) => owner);
  const after = owners.length < OWNERS_AT_ONCE ? "" : (owners.at(-1) ?? "");
  await db
    .insert(rounds)
    .values({ name: ROUND, after })
    .onConflictDoUpdate({ target: rounds.name, set: { after } });
  return owners;
}
