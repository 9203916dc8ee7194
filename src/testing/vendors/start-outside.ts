import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What is outside of one Worker under test: the address of its network, and of the server for containers. */
interface Outside {
  address: string;
  containers: string;
  bindings: Record<string, string | boolean>;
}

/**
 * Starts what is outside of one Worker under test, in a process of its own. The process that runs the tests is large, and
 * would take fifty times as long to start a program.
 */
export async function startOutside(): Promise<Outside> {
  const child = fork(fileURLToPath(new URL("outside-process.ts", import.meta.url)));
  const [said] = await once(child, "message");
  // It must not keep the tests from ending.
  child.unref();
  child.channel?.unref();
  return said;
}
