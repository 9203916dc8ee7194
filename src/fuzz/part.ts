import type { Random } from "../soak/random.ts";
import type { Origin } from "./client.ts";

/** One kind of cases: how their inputs are made from chance alone, and how one is run. */
export interface Part<Input = unknown> {
  name: string;
  /** How many cases run side by side. */
  atOnce: number;
  /** A case must have ended within so many milliseconds. */
  limitMs: number;
  /** Returns the settings of the server that the cases are run on. */
  vars(): Promise<Record<string, string>>;
  /** Makes what the cases need of a server that has just started. */
  begin?(origin: Origin): Promise<void>;
  /** Makes the input of a case; the same random numbers make the same input. */
  make(random: Random): Input;
  /** Runs a case and returns what is not as it must be. */
  run(origin: Origin, input: Input): Promise<string[]>;
  /** Ends what `vars` started. */
  end?(): void;
}

/** Settings of a server that has the offline model and lets everybody in. */
export const OFFLINE = { ALLOW_ANONYMOUS: "true", OFFLINE_MODEL: "true" };
