import { randomHex } from "../../shared/bytes";
import { ok, type Refusal, type Result, refuse, refuseReusedKey } from "../../shared/result";
import type { ScheduleRequest, ScheduleRow, WhenRequest } from "../rpc";
import { isEnded } from "../rules/lifecycle";
import { nextRun, type When, withNewStart } from "../rules/schedule-times";
import { MAIN } from "../storage/agents";
import type { StoredSchedule } from "../storage/schedules";
import type { SessionStore } from "../storage/store";
import { leasedNanos, usedUpLimit, waitsForWork } from "./leases";
import { acceptMessage, refuseEnded } from "./messages";
import { change } from "./state";
import type { Drafts } from "./turns";
import { currentMessage } from "./waiting";

/** Maximum number of schedules of a session, including wake-ups. */
export const MAX_SCHEDULES = 20;

/** Maximum number of queued messages that schedules sent. Further due runs are sent later. */
const MAX_WAITING_RUNS = 1;

/**
 * A clock that is this far behind an earlier reading, in ms, was set back. Smaller differences between clocks are
 * normal.
 */
const SET_BACK_MS = 60_000;

/** Delay, in ms, before a schedule's last run is retried if the queue was full. */
const TRY_AGAIN_MS = 60_000;

/** Minimum and maximum delay of a wake-up, in ms. */
const MIN_WAIT_MS = 1_000;
const MAX_WAIT_MS = 366 * 86_400_000;

/** Returns the schedules with the fields that clients see. In an ended session they have no next run. */
export function scheduleRows(store: SessionStore): ScheduleRow[] {
  const ended = isEnded(store.state.lifecycle);
  return store.schedules.all().map((schedule) => rowOf(schedule, ended));
}

/** Returns when the next run of any schedule is due, in ms since 1970; null if there is none. */
export function nextRunAt(store: SessionStore): number | null {
  if (isEnded(store.state.lifecycle)) return null;
  const times = store.schedules.all().flatMap(({ nextRunAt }) => nextRunAt ?? []);
  return times.length === 0 ? null : Math.min(...times);
}

/**
 * Creates a schedule whose messages go to `agent`. Returns a refusal if it can't. For a repeated id with the same hash,
 * returns the first schedule and changes nothing.
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
    // Messages for the main agent name no agent, like those of clients.
    agent: agent === MAIN ? null : agent,
  };
  store.schedules.add(schedule);
  noteChange(store, now);
  return ok(rowOf(schedule, false));
}

/** Pauses or resumes a schedule. Runs missed while it was paused are skipped. Does nothing if it is in that state. */
export function updateSchedule(
  store: SessionStore,
  id: string,
  { paused }: { paused: boolean },
  now: number,
): Result<ScheduleRow> {
  const schedule = changeable(store, id);
  if ("ok" in schedule) return schedule;
  if (schedule.paused === paused) return ok(rowOf(schedule, false));
  // A one-time run whose time passed during the pause is due now.
  const resumed = nextRun(schedule.when, now) ?? now;
  const after = { ...schedule, paused, plannedAt: now, nextRunAt: paused ? null : resumed };
  store.schedules.save(after);
  noteChange(store, now);
  return ok(rowOf(after, false));
}

/** Pauses each active schedule for which `isMeant` returns true, and appends an event for it. */
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

/** Removes a schedule. Messages that it has sent are kept. */
export function removeSchedule(store: SessionStore, id: string, now: number): Result<null> {
  const schedule = changeable(store, id);
  if ("ok" in schedule) return schedule;
  store.schedules.remove(id);
  noteChange(store, now);
  return ok(null);
}

/** A wake-up that an agent sets for itself: a one-time schedule. */
export interface WakeUp {
  id: string;
  agent: string;
  when: { delayMs: number } | { at: number };
  prompt: string;
}

/**
 * Sets a wake-up and returns its time in ms since 1970, or a message for the model if it can't be set. Idempotent by
 * id, even after the wake-up has run.
 */
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

/** Returns whether a schedule is due, or was planned by a clock that was set back since. */
export const hasDueSchedule = (store: SessionStore, now: number): boolean =>
  !isEnded(store.state.lifecycle) &&
  store.schedules.all().some((schedule) => isDue(schedule, now) || isAhead(schedule, now));

/**
 * Sends the messages of due schedules, the longest due first, and plans their next runs. Any number of missed runs
 * sends one message. A schedule whose previous message is still queued sends none. Schedules for which the queue has no
 * room stay due.
 */
export function runDueSchedules(store: SessionStore, now: number): void {
  if (isEnded(store.state.lifecycle)) return;
  for (const schedule of store.schedules.all()) {
    if (isAhead(schedule, now)) replan(store, schedule, now);
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

/** Returns whether the session's schedules must wait because the queue has no room for another of their messages. */
export const schedulesWait = (store: SessionStore): boolean =>
  (currentMessage(store.state) !== null ||
    waitsForWork(store) ||
    store.state.pausedBecause !== undefined) &&
  store.schedules.all().length > 0 &&
  store.messages.queuedSchedules().size >= MAX_WAITING_RUNS;

const isDue = ({ nextRunAt }: StoredSchedule, now: number): boolean =>
  nextRunAt !== null && nextRunAt <= now;

const isAhead = ({ nextRunAt, plannedAt }: StoredSchedule, now: number): boolean =>
  nextRunAt !== null && plannedAt > now + SET_BACK_MS;

/** Sends a schedule's message and plans its next run. Returns false if the message was refused and the run skipped. */
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

/** Plans a schedule's next run. If there is none, plans it at `otherwise`, or removes the schedule if that is null. */
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

/** A schedule's message never interrupts another, so no drafts are needed. */
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
  // A message that can't pay for a call would wake a container for nothing.
  const limit = leasedNanos(store, now) > 0 ? null : usedUpLimit(store, now);
  if (limit) return refuse("spend_limit", `The limit ${limit} is reached.`);
  return acceptMessage(store, request, NO_DRAFTS, now, id);
}

function replan(store: SessionStore, schedule: StoredSchedule, now: number): void {
  const when = withNewStart(schedule.when, now);
  const next = nextRun(when, now) ?? schedule.nextRunAt;
  store.schedules.save({ ...schedule, when, plannedAt: now, nextRunAt: next });
}

/**
 * Returns the id of a wake-up's message. It is derived from the wake-up's id, so that one that ran is not set again.
 */
const messageOfWakeUp = (id: string): string => id.replace(/^sched_/, "msg_");

/** Appends the event that the schedules changed. This counts as activity and restarts the idle time. */
function noteChange(store: SessionStore, now: number): void {
  change(store, { lastActivityAt: now }, now);
  store.log.append({ type: "session.updated", changed: ["schedules"] }, {}, now);
}

/** Returns a schedule that may be changed, or a refusal. */
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
