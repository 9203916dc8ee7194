import type { SessionEvent } from "../events/event";
import type { SessionSpec } from "../session/rpc";
import { addFakeContainer, type FakeContainer, loseContainer } from "./fake-containers";
import { ALICE, aSpec, ask, call, eventsOf, keysUnder, lose, sessionOf, value } from "./sessions";

/** A session and its fake container. */
export interface Made {
  id: string;
  machine: FakeContainer;
}

/** Creates a session with a fake container. `disturb` gets its container before the session does. */
export async function createInContainer(
  changes: Partial<SessionSpec>,
  disturb: (machine: FakeContainer) => void,
): Promise<Made> {
  const spec = aSpec(changes);
  const machine = addFakeContainer(spec.id);
  disturb(machine);
  value(await sessionOf(spec.id).create(ALICE, spec));
  return { id: spec.id, machine };
}

/** Makes a session's agent run a command. Returns its reply. */
export const bashIn = async (id: string, command: string): Promise<string> =>
  (await ask(id, call("Bash", { command }))).result ?? "";

/** Returns the events that report the loss of a session's container. */
export const losses = async (id: string): Promise<SessionEvent[]> =>
  (await eventsOf(id)).filter(({ type }) => type === "sandbox.lost");

/** Returns the keys of a session's saved workspaces. */
export const savedKeys = (id: string): Promise<string[]> => keysUnder(`workspaces/${id}/`);

/** Loses a session's container, and then its object. */
export function loseBoth({ id, machine }: Made): Promise<void> {
  loseContainer(machine);
  return lose(id);
}
