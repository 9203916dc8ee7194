import { vi } from "vitest";
import type { SessionEvent } from "../events/event";
import { SessionStore } from "../session/storage/store";
import { lose } from "./sessions";

/**
 * Loses a session's object each time it is about to commit events of a type, so that this step crashes it.
 * Restore the mocks after each test.
 */
export function poison(
  id: string,
  isDeadly: (events: SessionEvent[]) => boolean,
): { deaths: number } {
  const count = { deaths: 0 };
  const dead = new Set<SessionStore>();
  const { transaction } = SessionStore.prototype;
  vi.spyOn(SessionStore.prototype, "transaction").mockImplementation(function <T>(
    this: SessionStore,
    change: () => T,
  ): T {
    if (dead.has(this)) throw new Error("the object is dead");
    return transaction.call(this, () => {
      if (!this.exists() || this.identity.id !== id) return change();
      const before = this.log.lastSeq();
      const result = change();
      const events = this.log.after(before, 100).map(({ json }) => JSON.parse(json));
      if (!isDeadly(events)) return result;
      dead.add(this);
      count.deaths++;
      queueMicrotask(() => lose(id));
      throw new Error("the object is dead");
    }) as T;
  });
  return count;
}
