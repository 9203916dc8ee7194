import { openE2b } from "../sandbox/e2b/e2b";
import type { Machine, Vendor } from "../sandbox/machines/vendor";
import { DEPLOYMENT } from "./machine-sessions";
import type { FaultAsked } from "./vendors/faults";

const API = "https://api.e2b.app";

/** The addresses of E2B's stand-in. */
export const E2B = { apiUrl: API, sandboxUrl: "https://sandbox.e2b.app" };

/** An account of E2B's stand-in, with what a test does to it. */
export interface E2bAccount {
  apiKey: string;
  vendor: Vendor;
  inject(fault: FaultAsked): Promise<unknown>;
  /** Loses a machine. */
  vanish(id: string): Promise<unknown>;
  /** Returns the requests with a method and path. The status is 0 until they are answered. */
  asked(call: string): Promise<{ body: Record<string, unknown>; status: number }[]>;
  machines(): Promise<Machine[]>;
}

/** Returns a new account of E2B's stand-in. */
export function anAccount(): E2bAccount {
  const apiKey = `e2b_${crypto.randomUUID().replaceAll("-", "")}`;
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(API + path, { ...init, headers: { "X-API-KEY": apiKey } });
  const vendor = openE2b({ apiKey, ...E2B });
  return {
    apiKey,
    vendor,
    inject: (fault) => ask("/__faults", { method: "POST", body: JSON.stringify(fault) }),
    vanish: (id) => ask("/__vanish", { method: "POST", body: id }),
    async asked(call) {
      const all: { call: string; body: Record<string, unknown>; status: number }[] = await (
        await ask("/__requests")
      ).json();
      return all.filter((one) => one.call === call);
    },
    async machines() {
      const all: Machine[] = [];
      for await (const one of vendor.list(DEPLOYMENT)) all.push(one);
      return all;
    },
  };
}
