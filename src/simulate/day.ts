import type { Random } from "../soak/random.ts";
import { exponential, geometric, logNormal, timeOfDay, zipf } from "./distributions.ts";
import type { Load } from "./load.ts";
import {
  HEARTBEAT_S,
  INDEX_ROWS,
  OBJECT_ROWS,
  R2_OPERATIONS,
  RECONCILED_A_DAY,
  ROWS_READ,
} from "./measured.ts";
import { add, addSpan, DAY_S, newSeries, newSpans, type Series, type Spans } from "./series.ts";

/** What the sessions of a deployment do in a day. */
export interface Day {
  load: Load;
  /** The time that each database works in a second, in s. */
  databaseWork: Series[];
  indexWrites: Series;
  alarms: Series;
  /** Requests of clients. */
  requests: Series;
  /** Objects in which a message runs, streams of clients, and containers. */
  awake: Spans;
  streams: Spans;
  containers: Spans;
  totals: Totals;
}

/** Sums over the day. */
export interface Totals {
  messages: number;
  requests: number;
  objectRequests: number;
  /** How long messages ran, and containers, in s. */
  messageS: number;
  containerS: number;
  indexRows: number;
  indexRowsRead: number;
  objectRows: number;
  r2A: number;
  r2B: number;
}

/** Simulates a day, message by message. */
export function simulateDay(load: Load, random: Random): Day {
  const day: Day = {
    load,
    databaseWork: Array.from({ length: load.databases }, newSeries),
    indexWrites: newSeries(),
    alarms: newSeries(),
    requests: newSeries(),
    awake: newSpans(),
    streams: newSpans(),
    containers: newSpans(),
    totals: {
      messages: 0,
      requests: 0,
      objectRequests: 0,
      messageS: 0,
      containerS: 0,
      indexRows: 0,
      indexRowsRead: 0,
      objectRows: 0,
      r2A: 0,
      r2B: 0,
    },
  };
  const database = databases(load, random);
  const actor = new Actor(load, day, random);

  const visits = Math.round(load.sessions * load.visitsADay);
  for (let n = 0; n < visits; n++) actor.visit(timeOfDay(random, load.swing), database());

  const runs = Math.round(load.sessions * load.scheduled) * 24;
  for (let n = 0; n < runs; n++) actor.scheduledRun(n % 24, database());

  const ended = Math.round(load.sessions * load.turnover);
  for (let n = 0; n < ended; n++) actor.turnOver(database());

  // The maintenance visits objects.
  day.totals.objectRequests += Math.min(load.sessions, RECONCILED_A_DAY);
  return day;
}

/**
 * Returns a sampler of the database of a session. A few owners have most sessions, and all sessions of an owner are in one
 * database.
 */
function databases({ owners, databases: count }: Load, random: Random): () => number {
  const homes = Array.from({ length: owners }, () => random.int(0, count - 1));
  const owner = zipf(random, owners);
  return () => homes[owner()] ?? 0;
}

/** Adds to a day what a session does. Times are in s from the begin of the day. */
class Actor {
  readonly #load: Load;
  readonly #day: Day;
  readonly #random: Random;

  constructor(load: Load, day: Day, random: Random) {
    this.#load = load;
    this.#day = day;
    this.#random = random;
  }

  /** A user reads lists and sends messages. The session falls asleep after its idle timeout. */
  visit(begin: number, database: number): void {
    const { listsAVisit, messagesAVisit, pauseS } = this.#load;
    const inContainer = this.#random.chance(this.#load.inContainer);
    for (let n = 0; n < listsAVisit; n++) this.#list(begin, database);
    let at = begin + 1;
    const messages = geometric(this.#random, messagesAVisit);
    for (let n = 0; n < messages; n++) {
      if (n > 0) at += exponential(this.#random, pauseS);
      add(this.#day.requests, at);
      this.#day.totals.requests += 1;
      at = this.#message(at, database, inContainer);
    }
    addSpan(this.#day.streams, begin, Math.min(at, begin + DAY_S - 1));
    this.#sleep(begin, at, database, inContainer);
  }

  /** A schedule runs at a full hour: within the second that follows. */
  scheduledRun(hour: number, database: number): void {
    const begin = hour * 3_600 + this.#random.unit();
    const inContainer = this.#random.chance(this.#load.inContainer);
    this.#alarm(begin);
    this.#sleep(begin, this.#message(begin, database, inContainer), database, inContainer);
  }

  /** A session begins, another ends, and a third is deleted. */
  turnOver(database: number): void {
    const { totals } = this.#day;
    const times = [0, 0, 0].map(() => timeOfDay(this.#random, this.#load.swing));
    const [began = 0, ended = 0, deleted = 0] = times;
    this.#write(began, database, INDEX_ROWS.create);
    this.#write(ended, database, INDEX_ROWS.status);
    this.#write(deleted, database, INDEX_ROWS.remove);
    this.#alarm(deleted);
    for (const at of [began, ended]) add(this.#day.requests, at);
    totals.requests += 2;
    totals.objectRequests += 2;
    totals.objectRows += OBJECT_ROWS.create + OBJECT_ROWS.status;
  }

  /** Runs a message. Returns when it ended. */
  #message(begin: number, database: number, inContainer: boolean): number {
    const { messageS, messageSpread, turns } = this.#load;
    const { totals } = this.#day;
    const ranS = Math.min(logNormal(this.#random, messageS, messageSpread), 3_600);
    // The start, and the end of each turn, at most once a second.
    let last = begin;
    this.#write(begin, database, INDEX_ROWS.update);
    for (let turn = 1; turn <= turns; turn++) {
      const at = begin + (ranS * turn) / turns;
      if (at - last < 1 && turn < turns) continue;
      this.#write(at, database, INDEX_ROWS.update);
      last = at;
    }
    for (let at = HEARTBEAT_S; at < ranS; at += HEARTBEAT_S) this.#alarm(begin + at);
    addSpan(this.#day.awake, begin, begin + ranS);
    totals.messages += 1;
    totals.messageS += ranS;
    // The call, and the stream of its events.
    totals.objectRequests += 2;
    totals.objectRows += OBJECT_ROWS.message + (turns - 1) * OBJECT_ROWS.turn;
    if (inContainer) {
      // Each tool call is a request to the container's object.
      totals.objectRequests += turns - 1;
      totals.r2A += R2_OPERATIONS.save.a;
      totals.r2B += R2_OPERATIONS.save.b;
    }
    return begin + ranS;
  }

  /** The session falls asleep after its last message, and its container stops. */
  #sleep(begin: number, lastEnd: number, database: number, inContainer: boolean): void {
    const { totals } = this.#day;
    const at = lastEnd + this.#load.idleTimeoutS;
    this.#alarm(at);
    this.#write(at, database, INDEX_ROWS.status);
    totals.objectRows += OBJECT_ROWS.status;
    if (!inContainer) return;
    const end = Math.min(at, begin + DAY_S - 1);
    addSpan(this.#day.containers, begin, end);
    totals.containerS += end - begin;
    totals.r2A += R2_OPERATIONS.save.a + R2_OPERATIONS.wake.a;
    totals.r2B += R2_OPERATIONS.save.b + R2_OPERATIONS.wake.b;
  }

  #write(at: number, database: number, rows: number): void {
    add(this.#day.indexWrites, at);
    this.#work(at, database, this.#load.writeMs);
    this.#day.totals.indexRows += rows;
    this.#day.totals.indexRowsRead += ROWS_READ.write;
  }

  #list(at: number, database: number): void {
    add(this.#day.requests, at);
    this.#work(at, database, this.#load.listMs);
    this.#day.totals.indexRowsRead += ROWS_READ.list;
    this.#day.totals.requests += 1;
  }

  #work(at: number, database: number, ms: number): void {
    const series = this.#day.databaseWork[database];
    if (series) add(series, at, ms / 1_000);
  }

  #alarm(at: number): void {
    add(this.#day.alarms, at);
    this.#day.totals.objectRequests += 1;
  }
}
