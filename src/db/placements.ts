import { eq, isNotNull, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { homeOf, type IndexDatabase } from "./databases";
import { ownerPlacements, type Placement, sessionTotals } from "./schema";

/** How long it may be assumed that no owner is moved, in ms. A copy begins later than that after its announcement. */
const QUIET_MS = 60_000;
const REMEMBERED_AT_MOST = 10_000;

/**
 * Finds the database that has an owner's sessions: at every moment exactly one. A move ends when the record of the
 * owner's home changes from `copying` to `here`, so that one write decides it.
 */
export class Placements {
  readonly #databases: readonly IndexDatabase[];
  /** Owners who are at home, which does not change with this setting. */
  readonly #settled = new Set<string>();
  #quietUntil = 0;

  constructor(databases: readonly IndexDatabase[]) {
    this.#databases = databases;
  }

  /** Returns the database that has the sessions of an owner; those of a new owner will be at its home. */
  async locate(owner: string): Promise<IndexDatabase> {
    const home = homeOf(owner, this.#databases);
    if (this.#settled.has(owner)) return home;
    const record = await placementOf(home, owner);
    const located = record?.stage === "here" ? home : await this.#search(owner, home, record);
    if (located === home) {
      if (this.#settled.size >= REMEMBERED_AT_MOST) this.#settled.clear();
      this.#settled.add(owner);
    }
    return located;
  }

  /** Returns the owners whose sessions a database has and does not show, because another database shows them. */
  async hidden(): Promise<Map<string, string[]>> {
    const hidden = new Map<string, string[]>();
    if (Date.now() < this.#quietUntil) return hidden;
    const asked = Date.now();
    const moving = await Promise.all(this.#databases.map(movesTo));
    for (const [i, { name }] of this.#databases.entries()) {
      for (const { owner, stage, source } of moving[i] ?? []) {
        const at = stage === "copying" ? name : (source ?? "");
        hidden.set(at, [...(hidden.get(at) ?? []), owner]);
      }
    }
    if (hidden.size === 0) this.#quietUntil = asked + QUIET_MS;
    return hidden;
  }

  /** Returns a database by its name. */
  named(name: string): IndexDatabase {
    const found = this.#databases.find((one) => one.name === name);
    if (!found) throw new Error(`INDEX_DATABASES must name ${name}: it still has sessions`);
    return found;
  }

  async #search(
    owner: string,
    home: IndexDatabase,
    record: Placement | undefined,
  ): Promise<IndexDatabase> {
    if (record?.stage === "copying") return this.named(record.source ?? "");
    const others = this.#databases.filter((one) => one !== home);
    const records = await Promise.all(others.map((one) => placementOf(one, owner)));
    const settled = others.find((_, i) => records[i]?.stage === "here");
    if (settled) return settled;
    // The copy may be for a database that the setting no longer makes the home.
    const copying = records.find((one) => one?.stage === "copying");
    if (copying) return this.named(copying.source ?? "");
    return this.#settle(owner, home, others);
  }

  /**
   * Lets an owner who is nowhere yet be where its sessions are: from before there were several databases, or from now on
   * at home. An object that runs a version with another setting can then write to no other database. If this is cut
   * off, the next one does the same.
   */
  async #settle(
    owner: string,
    home: IndexDatabase,
    others: readonly IndexDatabase[],
  ): Promise<IndexDatabase> {
    const since = Date.now();
    for (const { d1 } of others) {
      const sealed = { owner, stage: "sealed", since } as const;
      await drizzle(d1).insert(ownerPlacements).values(sealed).onConflictDoNothing();
    }
    const had = await Promise.all(others.map((one) => hasSessions(one, owner)));
    const place = others.find((_, i) => had[i]) ?? home;
    const here = { owner, stage: "here", since } as const;
    await drizzle(place.d1)
      .insert(ownerPlacements)
      .values(here)
      .onConflictDoUpdate({ target: ownerPlacements.owner, set: here });
    return place;
  }
}

/** Returns a database's record of an owner. */
export async function placementOf(
  { d1 }: IndexDatabase,
  owner: string,
): Promise<Placement | undefined> {
  const [record] = await drizzle(d1)
    .select()
    .from(ownerPlacements)
    .where(eq(ownerPlacements.owner, owner));
  return record;
}

/** Returns the records of owners who come to a database, those who began first first. */
export const movesTo = ({ d1 }: IndexDatabase): Promise<Placement[]> =>
  drizzle(d1)
    .select()
    .from(ownerPlacements)
    .where(isNotNull(ownerPlacements.source))
    .orderBy(ownerPlacements.since);

async function hasSessions({ d1 }: IndexDatabase, owner: string): Promise<boolean> {
  const [some] = await drizzle(d1)
    .select({ owner: sessionTotals.owner })
    .from(sessionTotals)
    .where(sql`${sessionTotals.userId} = '' and ${sessionTotals.owner} = ${owner}`)
    .limit(1);
  return some !== undefined;
}
