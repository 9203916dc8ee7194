import { randomHex } from "../../shared/bytes";
import {
  ok,
  type Refusal,
  type Result,
  refuse,
  refuseReusedKey,
  type ScheduleRequest,
  type ScheduleRow,
  type WhenRequest,
} from "../rpc";
import { isEnded } from "../rules/lifecycle";
import { nextRun, setAnew, type When } from "../rules/schedule-times";
import { MAIN } from "../storage/agents";
import type { StoredSchedule } from "../storage/schedules";
import type { SessionStore } from "../storage/store";
import { acceptMessage, refuseEnded } from "./messages";
import { change } from "./state";
import type { Drafts } from "./turns";

/** Schedules that a session may have, its agent's wake-ups among them. */
export const MAX_SCHEDULES = 20;

/** Messages of schedules that wait in the queue at once; what is due beyond that waits to be sent. */
const MAX_WAITING_RUNS = 1;

/** A clock that is this much behind what it was has been set back; less is what clocks differ by. */
const SET_BACK_MS = 60_000;

/** When a run that found the queue full is tried again, if it was the schedule's last. */
const TRY_AGAIN_MS = 60_000;

/** The bounds of a wake-up. */
const MIN_WAIT_MS = 1_000;
const MAX_WAIT_MS = 366 * 86_400_000;

/** Returns the schedules as clients see them. What has ended runs no more. */
export function scheduleRows(store: SessionStore): ScheduleRow[] {
  const ended = isEnded(store.state.lifecycle);
  return store.schedules.all().map((schedule) => rowOf(schedule, ended));
}

/** Returns when the next run of any schedule is due; null when there is none to come. */
export function nextRunAt(store: SessionStore): number | null {
  if (isEnded(store.state.lifecycle)) return null;
  const times = store.schedules.all().flatMap(({ nextRunAt }) => nextRunAt ?? []);
  return times.length === 0 ? null : Math.min(...times);
}

/**
 * Makes a schedule whose messages are for an agent, or says why not. A repeat answers with the first one.
 */
export function addSchedule(
  store: SessionStore,
  request: ScheduleRequest,
  now: number,
  agent: string = MAIN,
): Result<ScheduleRow> {
  const { id, requestHash, prompt } = request;
  const known = store.schedules.get(id);
  if (known && known.requestHash !== requestHash) {
    return refuseReusedKey({ scheduleId: id });
  }
  if (known) return ok(rowOf(known, isEnded(store.state.lifecycle)));
  if (store.identity.pattern === "ephemeral") {
    return refuse("invalid_request", "An ephemeral session takes one message and no schedules.");
  }
  if (isEnded(store.state.lifecycle)) return refuseEnded(store);
  if (store.schedules.all().length >= MAX_SCHEDULES) {
    const message = `The session has ${MAX_SCHEDULES} schedules already: delete one first.`;
    return refuse("too_many_schedules", message);
  }
  const when = whenOf(request.when, now);
  const schedule: StoredSchedule = {
    id,
    requestHash,
    when,
    prompt,
    paused: false,
    plannedAt: now,
    nextRunAt: nextRun(when, now),
    lastRunAt: null,
    lastMessageId: null,
    createdAt: now,
    // The messages of the main agent's schedules name no agent, as most of a client's do.
    agent: agent === MAIN ? null : agent,
  };
  store.schedules.add(schedule);
  noteChange(store, now);
  return ok(rowOf(schedule, false));
}

/** Pauses a schedule or lets it go on from now: what it missed meanwhile is not made up for. */
export function updateSchedule(
  store: SessionStore,
  id: string,
  { paused }: { paused: boolean },
  now: number,
): Result<ScheduleRow> {
  const schedule = changeable(store, id);
  if ("ok" in schedule) return schedule;
  if (schedule.paused === paused) return ok(rowOf(schedule, false));
  // A single run whose time has passed is not lost for having been paused.
  const resumed = nextRun(schedule.when, now) ?? now;
  const after = { ...schedule, paused, plannedAt: now, nextRunAt: paused ? null : resumed };
  store.schedules.save(after);
  noteChange(store, now);
  return ok(rowOf(after, false));
}

/** Pauses the schedules that `isMeant` names and that are not paused, each with an event. */
export function pauseSchedules(
  store: SessionStore,
  isMeant: (id: string) => boolean,
  now: number,
): void {
  for (const schedule of store.schedules.all()) {
    const { id: scheduleId, paused } = schedule;
    if (paused || !isMeant(scheduleId)) continue;
    store.schedules.save({ ...schedule, paused: true, plannedAt: now, nextRunAt: null });
    change(store, { lastActivityAt: now }, now);
    store.log.append({ type: "schedule.paused", scheduleId, reason: "crash_loop" }, {}, now);
  }
}

/** Removes a schedule. A message that it has sent already stays. */
export function removeSchedule(store: SessionStore, id: string, now: number): Result<null> {
  const schedule = changeable(store, id);
  if ("ok" in schedule) return schedule;
  store.schedules.remove(id);
  noteChange(store, now);
  return ok(null);
}

/** A wake-up that the agent sets for itself. */
export interface WakeUp {
  id: string;
  agent: string;
  when: { delayMs: number } | { at: number };
  prompt: string;
}

/** Sets a wake-up. The same one is set only once, also when it has come already. */
export function setWakeUp(
  store: SessionStore,
  { id, agent, when, prompt }: WakeUp,
  now: number,
): { ok: true; at: number } | { ok: false; message: string } {
  const sent = store.messages.get(messageOfWakeUp(id));
  if (sent) return { ok: true, at: sent.createdAt };
  const waitMs = "at" in when ? when.at - now : when.delayMs;
  if (!store.schedules.get(id) && (waitMs < MIN_WAIT_MS || waitMs > MAX_WAIT_MS)) {
    const message = `a wake-up is between one second and one year away, and it is ${new Date(now).toISOString()} now`;
    return { ok: false, message };
  }
  const added = addSchedule(store, { id, when, prompt, requestHash: "wake" }, now, agent);
  if (!added.ok) return { ok: false, message: added.failure.message };
  return { ok: true, at: added.value.nextRunAt ?? now };
}

/** Returns whether a schedule is to be run, or was planned by a clock that has been set back since. */
export const hasDueSchedule = (store: SessionStore, now: number): boolean =>
  !isEnded(store.state.lifecycle) &&
  store.schedules.all().some((schedule) => isDue(schedule, now) || isAhead(schedule, now));

/**
 * Sends the messages of schedules that are due, the one that is due longest first, and moves each on. However
 * many runs were missed, it is one; and one that finds the last one still waiting is the same. Those for
 * which there is no room in the queue stay due.
 */
export function runDueSchedules(store: SessionStore, now: number): void {
  if (isEnded(store.state.lifecycle)) return;
  for (const schedule of store.schedules.all()) {
    if (isAhead(schedule, now)) planAnew(store, schedule, now);
  }
  const due = store.schedules.all().filter((schedule) => isDue(schedule, now));
  const waiting = store.messages.queuedSchedules();
  let room = MAX_WAITING_RUNS - waiting.size;
  for (const schedule of due.toSorted(byNextRun)) {
    if (waiting.has(schedule.id)) moveOn(store, schedule, now);
    else if (room > 0 && run(store, schedule, now)) room--;
  }
}

const byNextRun = (one: StoredSchedule, other: StoredSchedule): number =>
  (one.nextRunAt ?? 0) - (other.nextRunAt ?? 0);

/** Returns whether the queue has no room for the message of another schedule. */
export const schedulesWait = (store: SessionStore): boolean =>
  store.state.running !== null &&
  store.schedules.all().length > 0 &&
  store.messages.queuedSchedules().size >= MAX_WAITING_RUNS;

const isDue = ({ nextRunAt }: StoredSchedule, now: number): boolean =>
  nextRunAt !== null && nextRunAt <= now;

const isAhead = ({ nextRunAt, plannedAt }: StoredSchedule, now: number): boolean =>
  nextRunAt !== null && plannedAt > now + SET_BACK_MS;

/** Sends a schedule's message and moves it on. Returns false where the run was skipped. */
function run(store: SessionStore, schedule: StoredSchedule, now: number): boolean {
  const sent = send(store, schedule, now);
  if (sent.ok) {
    moveOn(store, { ...schedule, lastRunAt: now, lastMessageId: sent.value.id }, now);
    return true;
  }
  const reason = sent.failure.code;
  store.log.append({ type: "schedule.skipped", scheduleId: schedule.id, reason }, {}, now);
  moveOn(store, schedule, now, now + TRY_AGAIN_MS);
  return false;
}

/** Plans a schedule's next run; one without another, at `otherwise`, or it is removed. */
function moveOn(
  store: SessionStore,
  schedule: StoredSchedule,
  now: number,
  otherwise: number | null = null,
): void {
  const next = nextRun(schedule.when, now) ?? otherwise;
  if (next !== null) {
    store.schedules.save({ ...schedule, plannedAt: now, nextRunAt: next });
    return;
  }
  store.schedules.remove(schedule.id);
  change(store, {}, now);
}

/** A schedule's message interrupts none, so none is open that could have a draft. */
const NO_DRAFTS: Drafts = new Map();

function send(store: SessionStore, { id, when, prompt, agent }: StoredSchedule, now: number) {
  const random = () => `msg_${randomHex()}`;
  const request = {
    id: when.kind === "once" ? messageOfWakeUp(id) : random(),
    prompt,
    agent,
    background: false,
    maxTurns: null,
    maxBudgetNanos: null,
    onBusy: "queue",
    requestHash: id,
  } as const;
  return acceptMessage(store, request, NO_DRAFTS, now, id);
}

function planAnew(store: SessionStore, schedule: StoredSchedule, now: number): void {
  const when = setAnew(schedule.when, now);
  const next = nextRun(when, now) ?? schedule.nextRunAt;
  store.schedules.save({ ...schedule, when, plannedAt: now, nextRunAt: next });
}

/** A wake-up's message is known by its id, so that a wake-up that has come is not set again. */
const messageOfWakeUp = (id: string): string => id.replace(/^sched_/, "msg_");

/** Logs that the schedules were changed, which counts as activity: idle time begins anew. */
function noteChange(store: SessionStore, now: number): void {
  change(store, { lastActivityAt: now }, now);
  store.log.append({ type: "session.updated", changed: ["schedules"] }, {}, now);
}

/** Returns a schedule that may be changed, or why it may not. */
function changeable(store: SessionStore, id: string): StoredSchedule | Refusal {
  const schedule = store.schedules.get(id);
  if (!schedule) return refuse("not_found", `There is no schedule ${id} in this session.`);
  return isEnded(store.state.lifecycle) ? refuseEnded(store) : schedule;
}

function rowOf(schedule: StoredSchedule, ended: boolean): ScheduleRow {
  const { requestHash: _, plannedAt: __, agent: ___, ...row } = schedule;
  return ended ? { ...row, nextRunAt: null } : row;
}

function whenOf(request: WhenRequest, now: number): When {
  if ("cron" in request) return { kind: "cron", ...request };
  if ("everyMs" in request) return { kind: "every", ...request, from: now };
  if ("at" in request) return { kind: "once", ...request, delayMs: null };
  return { kind: "once", at: now + request.delayMs, ...request };
}
