import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countRestart, isCrashLoop, markSurvived, type Recovery } from "./recovery";

/** Returns the record after restarts at steps with these numbers. */
const restartedAt = (...steps: number[]): Recovery =>
  steps.reduce<Recovery | null>((before, seq) => countRestart(before, "msg_1", seq), null) ??
  countRestart(null, "msg_1", 0);

describe("a message that is resumed after restarts", () => {
  it("fails after two consecutive restarts at the same step, and not before", () => {
    expect(isCrashLoop(restartedAt(7))).toBe(false);
    expect(isCrashLoop(restartedAt(7, 7))).toBe(true);
    expect(isCrashLoop(restartedAt(3, 7, 7))).toBe(true);
  });

  it("continues after any number of restarts if each was at a later step", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 50 }), (steps) => {
        expect(isCrashLoop(restartedAt(...steps.sort((a, b) => a - b)))).toBe(false);
      }),
    );
  });

  it("has its own count of restarts", () => {
    expect(countRestart(restartedAt(7), "msg_2", 7)).toMatchObject({
      messageId: "msg_2",
      restarts: 1,
    });
  });

  it("does not fail because of survived restarts, up to a limit", () => {
    let recovery = restartedAt(7);
    for (const restarts of [1, 2, 3, 4]) {
      expect(recovery.restarts).toBe(restarts);
      expect(isCrashLoop(recovery)).toBe(false);
      recovery = countRestart(markSurvived(recovery), "msg_1", 7);
    }
    expect(isCrashLoop(recovery)).toBe(true);
    const once = markSurvived(restartedAt(7));
    expect(isCrashLoop(countRestart(countRestart(once, "msg_1", 7), "msg_1", 7))).toBe(true);
  });

  it("counts each survived restart once", () => {
    const outlived = markSurvived(restartedAt(7));
    expect(markSurvived(outlived)).toBe(outlived);
  });
});
