import { z } from "zod";

/** A connection to the debugger of a Worker under `wrangler dev`. */
export interface Inspector {
  /** Calls a method of the Chrome DevTools Protocol and returns its result. */
  call(method: string, params?: object): Promise<unknown>;
  close(): void;
}

const Targets = z.array(z.object({ webSocketDebuggerUrl: z.url() })).min(1);
const Answer = z.object({ id: z.number(), result: z.unknown(), error: z.unknown() }).partial();

/** Connects to the debugger on a port. Rejects if there is none. */
export async function connect(port: number): Promise<Inspector> {
  const targets = Targets.parse(await (await fetch(`http://127.0.0.1:${port}/json/list`)).json());
  // Wrangler answers pages of known origins only.
  const headers = { Origin: "http://localhost" };
  const socket = new WebSocket(targets[0]?.webSocketDebuggerUrl ?? "", { headers });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const opened = Promise.withResolvers<void>();
  socket.addEventListener("open", () => opened.resolve());
  socket.addEventListener("error", () => opened.reject(new Error("the debugger does not answer")));
  socket.addEventListener("message", ({ data }) => {
    const { id = 0, result, error } = Answer.parse(JSON.parse(String(data)));
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(JSON.stringify(error)));
  });
  await opened.promise;
  let calls = 0;
  return {
    call(method, params = {}) {
      calls += 1;
      const answer = Promise.withResolvers<unknown>();
      waiting.set(calls, answer);
      socket.send(JSON.stringify({ id: calls, method, params }));
      return answer.promise;
    },
    close: () => socket.close(),
  };
}
