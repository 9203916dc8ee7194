import type { Random } from "../soak/random.ts";
import type { Origin } from "./client.ts";

/** A part of the fuzzer: generates inputs from random numbers only, and runs cases. */
export interface Part<Input = unknown> {
  name: string;
  /** Number of parallel cases. */
  atOnce: number;
  /** Time limit of a case, in ms. */
  limitMs: number;
  /** Returns the settings of the server under test. */
  vars(): Promise<Record<string, string>>;
  /** Prepares a newly started server for the cases. */
  begin?(origin: Origin): Promise<void>;
  /** Generates the input of a case. The same random numbers give the same input. */
  make(random: Random): Input;
  /** Runs a case. Returns the violated rules. */
  run(origin: Origin, input: Input): Promise<string[]>;
  /** Stops what `vars` started. */
  end?(): void;
}

/** Settings of a server with the offline model that allows anonymous requests. */
export const OFFLINE = { ALLOW_ANONYMOUS: "true", OFFLINE_MODEL: "true" };
