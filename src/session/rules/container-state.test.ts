import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ContainerState,
  failSave,
  giveUp,
  isPending,
  isWanted,
  markContinued,
  markDirty,
  markLost,
  markReleased,
  markSaved,
  markStarted,
  neededOf,
  newContainerState,
  type Pending,
  requestRelease,
  requestStart,
  retryAtOf,
  SAVE_PATIENCE_MS,
  sandboxView,
  startAttempt,
} from "./container-state";

const before = { key: "workspaces/a/1", at: 1 };
const after = { key: "workspaces/a/2", at: 2 };
const known = { saved: before, saves: 1, clean: false, lost: false };

const none: ContainerState = { ...known, phase: "none" };
const starting: ContainerState = { ...known, phase: "starting", attempts: 2 };
const unused: ContainerState = { ...known, phase: "ready", name: "m", used: false };
const ready: ContainerState = { ...unused, used: true, unsaved: true };
const saving: ContainerState = {
  ...known,
  saves: 2,
  phase: "saving",
  name: "m",
  attempts: 2,
  again: false,
};
const releasing: ContainerState = { ...known, phase: "releasing", attempts: 2, again: false };
const wanted = { again: true };
const sleep = { keep: true, suspend: true };
const asleep: ContainerState = { ...none, suspended: "m" };

const toSuspend: Pending = {
  ...known,
  phase: "releasing",
  attempts: 0,
  again: false,
  suspends: "m",
};
const waking: ContainerState = { ...known, phase: "starting", attempts: 0, suspended: "m" };

describe("every transition of a container", () => {
  it.each<[string, ContainerState, ContainerState]>([
    [
      "a new container starts",
      newContainerState(null),
      { saved: null, saves: 0, clean: true, lost: false, phase: "starting", attempts: 0 },
    ],
    [
      "a missing container starts when it is requested",
      requestStart(none),
      { ...starting, attempts: 0 },
    ],
    ["one that goes is noted to be wanted: saving", requestStart(saving), { ...saving, ...wanted }],
    ["one that goes is noted to be wanted", requestStart(releasing), { ...releasing, ...wanted }],
    ["a start ends in an unused container", markStarted(starting, "m"), unused],
    ["a start that comes late changes nothing", markStarted(releasing, "m"), releasing],
    ["what changes its files is noted", markDirty(unused), ready],
    [
      "one that was used is saved",
      requestRelease(ready, { keep: true }),
      { ...saving, attempts: 0 },
    ],
    [
      "one that was not is given back",
      requestRelease(unused, { keep: true }),
      { ...releasing, attempts: 0 },
    ],
    [
      "a container without files to keep is released",
      requestRelease(ready, { keep: false }),
      { ...releasing, attempts: 0 },
    ],
    [
      "a starting container is released",
      requestRelease(starting, { keep: true }),
      { ...releasing, attempts: 0 },
    ],
    [
      "a release cancels a requested restart",
      requestRelease({ ...saving, ...wanted }, { keep: true }),
      saving,
    ],
    [
      "the next container starts with the saved workspace",
      markSaved(saving, after),
      {
        ...releasing,
        saved: after,
        saves: 2,
        attempts: 0,
      },
    ],
    ["one that was given back is gone", markReleased(releasing), { ...none, clean: true }],
    [
      "a released container starts again if that was requested",
      markReleased({ ...releasing, ...wanted }),
      { ...starting, clean: true, attempts: 0 },
    ],
    [
      "a lost container is released",
      markLost(ready, "m"),
      { ...releasing, lost: true, attempts: 0 },
    ],
    [
      "no files are lost with an unused container",
      markLost(unused, "m"),
      { ...releasing, attempts: 0 },
    ],
    ["another one's loss changes nothing", markLost(ready, "other"), ready],
    ["one that can't start is given back", giveUp(starting), { ...releasing, attempts: 0 }],
    [
      "a container that can't be saved counts as lost",
      giveUp(saving),
      {
        ...releasing,
        saves: 2,
        lost: true,
        attempts: 0,
      },
    ],
    [
      "a container that can't be saved is kept if it was requested again",
      giveUp({ ...saving, ...wanted }),
      { ...ready, saves: 2 },
    ],
    ["one that can't be given back is left", giveUp(releasing), none],
    [
      "one that can be suspended is saved first",
      requestRelease(ready, sleep),
      { ...saving, attempts: 0, suspends: "m" },
    ],
    [
      "one that was saved is suspended",
      markSaved({ ...saving, suspends: "m" }, after),
      { ...releasing, attempts: 0, saved: after, saves: 2, suspends: "m" },
    ],
    ["one without changes is suspended", requestRelease(unused, sleep), toSuspend],
    ["it is kept if it can't continue now", giveUp(waking as Pending), asleep],
    [
      "another that can't be restored in its place is destroyed",
      giveUp({ ...(waking as Pending), restoring: "n" } as Pending),
      { ...releasing, attempts: 0 },
    ],
    ["it is known once it is", markReleased(toSuspend, true), asleep],
    [
      "it is forgotten if it was destroyed after all",
      markReleased(toSuspend),
      { ...none, clean: true },
    ],
    ["it is destroyed if it can't be suspended", giveUp(toSuspend), none],
    ["it starts from where it was", requestStart(asleep), waking],
    [
      "it continues, and its programs may change files at once",
      markContinued(waking),
      { ...unused, used: true },
    ],
    [
      "it may be gone, and another takes its place",
      markStarted(waking, "n"),
      { ...unused, name: "n" },
    ],
    [
      "it is suspended again if it is not needed after all",
      requestRelease(waking, sleep),
      toSuspend,
    ],
    [
      "it is destroyed when its session ends",
      requestRelease(asleep, { keep: true }),
      { ...releasing, attempts: 0 },
    ],
    [
      "it is destroyed if its session ends while it is saved",
      requestRelease({ ...saving, suspends: "m" }, { keep: true }),
      saving,
    ],
    [
      "it is destroyed if its session ends while it is suspended",
      requestRelease(toSuspend, { keep: true }),
      { ...releasing, attempts: 0 },
    ],
    [
      "it continues if it was requested meanwhile",
      markReleased({ ...toSuspend, ...wanted }, true),
      waking,
    ],
  ])("%s", (_, container, expected) => expect(container).toEqual(expected));
});

/** The transitions of a container, in any order. */
const happening = fc.constantFrom<(container: ContainerState) => ContainerState>(
  requestStart,
  (container) => requestRelease(container, { keep: true }),
  (container) => requestRelease(container, { keep: false }),
  (container) => requestRelease(container, sleep),
  (container) => (isPending(container) ? startAttempt(container) : container),
  (container) => (isPending(container) ? giveUp(container) : container),
  (container) => failSave(container, { now: 0, delayMs: 1, message: "why" }),
  (container) => markStarted(container, "m"),
  markDirty,
  (container) => markSaved(container, after),
  (container) => markLost(container, "m"),
  (container) => markReleased(container, false),
  (container) => markReleased(container, "suspends" in container),
  markContinued,
);

describe("after any sequence of transitions of a container", () => {
  it("a saved workspace is never forgotten, and each save has its own key", () => {
    fc.assert(
      fc.property(fc.array(happening), (happenings) => {
        let container = newContainerState(before);
        const saves: number[] = [];
        for (const happens of happenings) {
          const wasSaving = isSaving(container);
          container = happens(container);
          expect(container.saved).not.toBeNull();
          if (isSaving(container) && !wasSaving) saves.push(container.saves);
        }
        expect(new Set(saves).size).toBe(saves.length);
      }),
    );
  });

  it("changed files disappear only by a save, a recorded loss, or a release without keeping them", () => {
    fc.assert(
      fc.property(fc.array(happening), (happenings) => {
        let container = newContainerState(null);
        for (const happens of happenings) {
          const was = container;
          container = happens(was);
          const held = was.phase === "saving" || (was.phase === "ready" && was.used);
          const holds =
            container.phase === "saving" || (container.phase === "ready" && container.used);
          if (!held || holds) continue;
          const unwanted = sameAs(container, requestRelease(was, { keep: false }));
          expect(container.saved === after || container.lost || unwanted).toBe(true);
        }
      }),
    );
  });

  it("a suspended container is known until it continues or is destroyed", () => {
    fc.assert(
      fc.property(fc.array(happening), (happenings) => {
        let container = newContainerState(null);
        for (const happens of happenings) {
          const was = container;
          container = happens(was);
          const wasSuspended = was.phase === "none" && was.suspended !== undefined;
          if (!wasSuspended || sameAs(was, container)) continue;
          // What is being released is destroyed.
          const isWaking = container.phase === "starting" && container.suspended === was.suspended;
          expect(isWaking || container.phase === "releasing").toBe(true);
        }
      }),
    );
  });

  it("the machine of a session that sleeps is needed as it is, and no other", () => {
    expect(neededOf(none)).toBeUndefined();
    expect(neededOf(releasing)).toBeUndefined();
    expect(neededOf(starting)).toEqual({ name: null, suspended: false });
    for (const one of [ready, unused, saving]) {
      expect(neededOf(one)).toEqual({ name: "m", suspended: false });
    }
    const awaited = { ...toSuspend, again: true };
    expect(neededOf(awaited)).toEqual({ name: "m", suspended: false });
    for (const one of [asleep, toSuspend]) {
      expect(neededOf(one)).toEqual({ name: "m", suspended: true });
      expect(sandboxView({ ...one, saved: null }).state).toBe("suspended");
    }
  });

  it("a repeated call changes nothing", () => {
    fc.assert(
      fc.property(fc.array(happening), fc.boolean(), (happenings, keep) => {
        const container = happenings.reduce(
          (now, happens) => happens(now),
          newContainerState(null),
        );
        const calls: ((container: ContainerState) => ContainerState)[] = [
          requestStart,
          markDirty,
          markReleased,
          markContinued,
          (given) => requestRelease(given, { keep }),
          (given) => requestRelease(given, sleep),
          (given) => markStarted(given, "m"),
          (given) => markSaved(given, after),
          (given) => markLost(given, "m"),
        ];
        for (const call of calls) {
          const once = call(container);
          expect(call(once)).toBe(once);
        }
      }),
    );
  });

  it("it is shown as ready only if it is, and wanted only if it should exist", () => {
    for (const container of [none, starting, ready, unused, saving, releasing]) {
      expect(sandboxView(container).state === "ready").toBe(container.phase === "ready");
      expect(isWanted(container)).toBe(
        container.phase !== "none" && container.phase !== "releasing",
      );
    }
    expect(sandboxView({ ...none, saved: null }).state).toBe("none");
    expect(sandboxView(none).state).toBe("suspended");
    expect(sandboxView({ ...releasing, lost: true }).state).toBe("lost");
  });

  it("keeps a container that can't be saved for an hour, and then counts it as lost", () => {
    const failed = (now: number, from: ContainerState = saving) =>
      failSave(from, { now, delayMs: 1_000, message: "why" });
    const first = failed(10);
    expect(first).toMatchObject({ failure: { since: 10, retryAt: 1_010, message: "why" } });
    expect(retryAtOf(first)).toBe(1_010);
    expect(sandboxView(first)).toEqual({
      state: "saving",
      saveFailed: { since: new Date(10).toISOString(), message: "why" },
    });
    const tried = startAttempt(first as Pending);
    expect(retryAtOf(tried)).toBeNull();
    expect(failed(10 + SAVE_PATIENCE_MS - 1, tried)).toMatchObject({ failure: { since: 10 } });
    expect(failed(10 + SAVE_PATIENCE_MS, tried)).toMatchObject({ phase: "releasing", lost: true });
  });

  it("gives a container that waits for another attempt to save it back to a session that needs it", () => {
    const waiting = failSave(saving, { now: 10, delayMs: 1_000, message: "why" });
    expect(requestStart(waiting)).toMatchObject({ phase: "ready", name: "m", used: true });
    const tried = startAttempt(waiting as Pending);
    const again = requestStart(tried);
    expect(again).toMatchObject({ phase: "saving", again: true });
    expect(failSave(again, { now: 20, delayMs: 1_000, message: "why" })).toMatchObject({
      phase: "ready",
      used: true,
    });
  });
});

const isSaving = ({ phase }: ContainerState): boolean => phase === "saving";
const sameAs = (one: ContainerState, other: ContainerState): boolean =>
  JSON.stringify(one) === JSON.stringify(other);
