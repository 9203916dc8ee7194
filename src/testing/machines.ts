import { env } from "cloudflare:workers";
import { createApp } from "../http/app";
import type { Vendor } from "../sandbox/machines/vendor";
import { openSandbox, type VendorName } from "../sandbox/providers";
import type { Sandbox } from "../sandbox/sandbox";
import { newSessionId } from "./sessions";

// Machines of vendors' stand-ins, which run in the process of the tests: src/testing/vendors.

/** Answers the requests of machines to the Worker, until it is stopped. `relayUrl` is the address of their relay. */
export function answerMachines(relayUrl = "http://relay.test"): { stop(): void } {
  const app = createApp();
  let isOver = false;
  const relay = async () => {
    while (!isOver) {
      const asked = await fetch(`${relayUrl}/next`);
      if (asked.status === 204) continue;
      // The next one is answered meanwhile.
      answer(asked).catch(() => {});
    }
  };
  const answer = async (asked: Response) => {
    const { headers } = asked;
    const method = headers.get("x-method") ?? "GET";
    const body = await asked.arrayBuffer();
    const request = new Request(headers.get("x-url") ?? "", {
      method,
      headers: JSON.parse(headers.get("x-headers") ?? "{}"),
      ...(method !== "GET" && method !== "HEAD" && { body }),
    });
    const said = await app.fetch(request, env);
    const query = `n=${headers.get("x-n")}&status=${said.status}`;
    await fetch(`${relayUrl}/answer?${query}`, {
      method: "POST",
      headers: { "x-headers": JSON.stringify(Object.fromEntries(said.headers)) },
      body: await said.arrayBuffer(),
    });
  };
  relay().catch(() => {});
  return {
    stop: () => {
      isOver = true;
    },
  };
}

/** Returns a sandbox in a vendor's machine. */
export function aMachineSandbox(
  provider: VendorName,
  vendor: Vendor,
  options: { id?: string; machine?: string; config?: Record<string, unknown> } = {},
): { sandbox: Sandbox; workspace: string; id: string } {
  const { id = newSessionId(), machine, config } = options;
  const workspace = "/workspace";
  const machines = { publicUrl: env.PUBLIC_URL, vendors: { [provider]: vendor }, defaults: {} };
  const address = { provider, id, machine, config };
  return { sandbox: openSandbox(env, address, { workspace, machines }), workspace, id };
}
