import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countRestart, isHopeless, outlive, type Recovery } from "./recovery";

/** What is kept after restarts at steps of these numbers. */
const restartedAt = (...steps: number[]): Recovery =>
  steps.reduce<Recovery | null>((before, seq) => countRestart(before, "msg_1", seq), null) ??
  countRestart(null, "msg_1", 0);

describe("a message that is taken up after restarts", () => {
  it("fails when two in a row were at the same step, and not before", () => {
    expect(isHopeless(restartedAt(7))).toBe(false);
    expect(isHopeless(restartedAt(7, 7))).toBe(true);
    expect(isHopeless(restartedAt(3, 7, 7))).toBe(true);
  });

  it("goes on for as many restarts as there are, if each was further on", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 50 }), (steps) => {
        expect(isHopeless(restartedAt(...steps.sort((a, b) => a - b)))).toBe(false);
      }),
    );
  });

  it("begins to count anew with another message", () => {
    expect(countRestart(restartedAt(7), "msg_2", 7)).toMatchObject({
      messageId: "msg_2",
      restarts: 1,
    });
  });

  it("is not blamed for restarts that its step has outlived, but not for ever", () => {
    let recovery = restartedAt(7);
    for (const restarts of [1, 2, 3, 4]) {
      expect(recovery.restarts).toBe(restarts);
      expect(isHopeless(recovery)).toBe(false);
      recovery = countRestart(outlive(recovery), "msg_1", 7);
    }
    expect(isHopeless(recovery)).toBe(true);
    const once = outlive(restartedAt(7));
    expect(isHopeless(countRestart(countRestart(once, "msg_1", 7), "msg_1", 7))).toBe(true);
  });

  it("outlives a restart once", () => {
    const outlived = outlive(restartedAt(7));
    expect(outlive(outlived)).toBe(outlived);
  });
});
