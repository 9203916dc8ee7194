// What differs between vendors of machines: how a machine is made, found, stopped and reached. Everything else is in
// machine-sandbox.ts, and in the runner that it puts into each machine.

import type { z } from "zod";
import type { Network } from "../egress";
import type { RunnerLink } from "../runner-client";
import type { PortAddress } from "../sandbox";

/** How long a machine lives without an extension, in ms. The vendor ends it if the whole deployment is gone. */
export const LEASE_MS = 30 * 60_000;

/** The labels of a machine. They are stored at the vendor, so that a machine is found whoever has made it. */
interface Labels {
  /** The deployment: the host of its public URL. Several deployments may use one account of the vendor. */
  deployment: string;
  /** The id of the sandbox, which is that of its session. */
  sandbox: string;
}

/** A machine, as the vendor knows it. A vendor adds what it needs to reach it. */
export interface Machine {
  /** The vendor's id. */
  id: string;
  sandbox: string;
  state: "running" | "suspended";
  /** When it was made, in ms since 1970. */
  createdAt: number;
}

/** A machine to make. */
export interface MachineSpec {
  labels: Labels;
  /** The provider's options of `config.sandbox`, as its schema has checked them. */
  options: Readonly<Record<string, unknown>>;
  /** The hosts that programs may reach, or "open" for all. A host may be `*.example.com`, or an IP address. */
  hosts: "open" | readonly string[];
}

/** The client of a vendor's API. Methods reject with a `SandboxError`. */
export interface Vendor<M extends Machine = Machine> {
  /**
   * Makes a machine that lives for `LEASE_MS`, and returns once it runs. If it fails half-way, a machine may be left, which
   * `find` finds.
   */
  create(spec: MachineSpec): Promise<M>;
  /** Returns the machines of a sandbox that exist, running or suspended, the oldest first. */
  find(labels: Labels): Promise<M[]>;
  /** Yields all machines of a deployment. */
  list(deployment: string): AsyncIterable<M>;
  /** Returns the machine with an id; null if it is gone. */
  get(id: string): Promise<M | null>;
  /** Lets a suspended machine continue, for `LEASE_MS`, and returns once it runs. */
  resume(machine: M): Promise<M>;
  /** Stops a machine and keeps it: see `suspend` of `Sandbox`. Absent if the vendor cannot. */
  suspend?(machine: M): Promise<void>;
  /** Lets a running machine live for `LEASE_MS` from now. Absent if its end cannot be moved. */
  extend?(machine: M): Promise<void>;
  /** Destroys a machine. Does nothing if it is gone. */
  destroy(machine: M): Promise<void>;
  /**
   * Returns the link to a running machine, whose commands run as root. Its failures are transient, also if the machine may
   * be gone: the caller then asks `get`.
   */
  link(machine: M): RunnerLink;
  /** Returns how a port of a running machine is reached. */
  reach(machine: M, port: number): Promise<PortAddress>;
}

/** A provider of sandboxes in vendors' machines: what its machines are like. */
export interface MachineProvider {
  /** The schema of its options in `config.sandbox`, all optional. */
  options: z.ZodObject;
  /** Returns why its machines can't have this network; null if they can. */
  networkProblem(network: Network): string | null;
  /** The network of a session that asks for none. */
  defaultNetwork: Network;
  /** Whether the runner has to be copied into a new machine. Otherwise the vendor's client has put it there. */
  installs: boolean;
  /** Whether its machines can be suspended. */
  suspends: boolean;
  /** Ports of programs that the vendor or Rigger has in the machine. */
  reservedPorts: readonly number[];
}
