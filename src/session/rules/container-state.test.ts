import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  attempt,
  giveUp,
  isPending,
  isWanted,
  lose,
  type Machine,
  newContainerState,
  release,
  released,
  sandboxState,
  saved,
  started,
  use,
  want,
} from "./container-state";

const before = { key: "workspaces/a/1", at: 1 };
const after = { key: "workspaces/a/2", at: 2 };
const known = { saved: before, saves: 1, clean: false, lost: false };

const none: Machine = { ...known, phase: "none" };
const starting: Machine = { ...known, phase: "starting", attempts: 2 };
const ready: Machine = { ...known, phase: "ready", name: "m", used: true };
const unused: Machine = { ...ready, used: false };
const saving: Machine = {
  ...known,
  saves: 2,
  phase: "saving",
  name: "m",
  attempts: 2,
  again: false,
};
const releasing: Machine = { ...known, phase: "releasing", attempts: 2, again: false };
const wanted = { again: true };

describe("every transition of a machine", () => {
  it.each<[string, Machine, Machine]>([
    [
      "a new one starts",
      newContainerState(null),
      { saved: null, saves: 0, clean: true, lost: false, phase: "starting", attempts: 0 },
    ],
    ["one that is not there starts when it is wanted", want(none), { ...starting, attempts: 0 }],
    ["one that goes is noted to be wanted: saving", want(saving), { ...saving, ...wanted }],
    ["one that goes is noted to be wanted", want(releasing), { ...releasing, ...wanted }],
    ["a start ends in an unused machine", started(starting, "m"), unused],
    ["a start that comes late changes nothing", started(releasing, "m"), releasing],
    ["what changes its files is noted", use(unused), ready],
    ["one that was used is saved", release(ready, true), { ...saving, attempts: 0 }],
    ["one that was not is given back", release(unused, true), { ...releasing, attempts: 0 }],
    [
      "one that is not to be kept is given back",
      release(ready, false),
      { ...releasing, attempts: 0 },
    ],
    ["one that starts is given back", release(starting, true), { ...releasing, attempts: 0 }],
    ["one that was wanted again is not any more", release({ ...saving, ...wanted }, true), saving],
    [
      "what was saved is what the next begins with",
      saved(saving, after),
      {
        ...releasing,
        saved: after,
        saves: 2,
        attempts: 0,
      },
    ],
    ["one that was given back is gone", released(releasing), { ...none, clean: true }],
    [
      "and starts again where it is wanted",
      released({ ...releasing, ...wanted }),
      { ...starting, clean: true, attempts: 0 },
    ],
    ["one that is lost is given back", lose(ready, "m"), { ...releasing, lost: true, attempts: 0 }],
    [
      "nothing is lost with one that was not used",
      lose(unused, "m"),
      { ...releasing, attempts: 0 },
    ],
    ["another one's loss changes nothing", lose(ready, "other"), ready],
    ["one that can't start is given back", giveUp(starting), { ...releasing, attempts: 0 }],
    [
      "one that can't be saved is lost",
      giveUp(saving),
      {
        ...releasing,
        saves: 2,
        lost: true,
        attempts: 0,
      },
    ],
    [
      "or stays, where it is wanted again",
      giveUp({ ...saving, ...wanted }),
      { ...ready, saves: 2 },
    ],
    ["one that can't be given back is left", giveUp(releasing), none],
  ])("%s", (_, machine, expected) => expect(machine).toEqual(expected));
});

/** What can happen to a machine, in any order. */
const happening = fc.constantFrom<(machine: Machine) => Machine>(
  want,
  (machine) => release(machine, true),
  (machine) => release(machine, false),
  (machine) => (isPending(machine) ? attempt(machine) : machine),
  (machine) => (isPending(machine) ? giveUp(machine) : machine),
  (machine) => started(machine, "m"),
  use,
  (machine) => saved(machine, after),
  (machine) => lose(machine, "m"),
  released,
);

describe("whatever happens to a machine", () => {
  it("what was saved is never forgotten, and each save has a key of its own", () => {
    fc.assert(
      fc.property(fc.array(happening), (happenings) => {
        let machine = newContainerState(before);
        const saves: number[] = [];
        for (const happens of happenings) {
          const wasSaving = isSaving(machine);
          machine = happens(machine);
          expect(machine.saved).not.toBeNull();
          if (isSaving(machine) && !wasSaving) saves.push(machine.saves);
        }
        expect(new Set(saves).size).toBe(saves.length);
      }),
    );
  });

  it("used files go only by a save, a loss that is told, or because nobody wants them", () => {
    fc.assert(
      fc.property(fc.array(happening), (happenings) => {
        let machine = newContainerState(null);
        for (const happens of happenings) {
          const was = machine;
          machine = happens(was);
          const held = was.phase === "saving" || (was.phase === "ready" && was.used);
          const holds = machine.phase === "saving" || (machine.phase === "ready" && machine.used);
          if (!held || holds) continue;
          const unwanted = sameAs(machine, release(was, false));
          expect(machine.saved === after || machine.lost || unwanted).toBe(true);
        }
      }),
    );
  });

  it("a repeated call changes nothing", () => {
    fc.assert(
      fc.property(fc.array(happening), fc.boolean(), (happenings, keep) => {
        const machine = happenings.reduce((now, happens) => happens(now), newContainerState(null));
        const calls: ((machine: Machine) => Machine)[] = [
          want,
          use,
          released,
          (given) => release(given, keep),
          (given) => started(given, "m"),
          (given) => saved(given, after),
          (given) => lose(given, "m"),
        ];
        for (const call of calls) {
          const once = call(machine);
          expect(call(once)).toBe(once);
        }
      }),
    );
  });

  it("shows as ready only where it is, and is wanted only where it is to be", () => {
    for (const machine of [none, starting, ready, unused, saving, releasing]) {
      expect(sandboxState(machine) === "ready").toBe(machine.phase === "ready");
      expect(isWanted(machine)).toBe(machine.phase !== "none" && machine.phase !== "releasing");
    }
    expect(sandboxState({ ...none, saved: null })).toBe("none");
    expect(sandboxState(none)).toBe("suspended");
    expect(sandboxState({ ...releasing, lost: true })).toBe("lost");
  });
});

const isSaving = ({ phase }: Machine): boolean => phase === "saving";
const sameAs = (one: Machine, other: Machine): boolean =>
  JSON.stringify(one) === JSON.stringify(other);
