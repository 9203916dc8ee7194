import { randomUUID } from "node:crypto";
import { type Answer, send } from "./client.ts";
import type { Server } from "./servers.ts";

/** The forms of a message's response. */
export type Mode = "json" | "stream";

/** The work that a message requests. */
export interface Prompt {
  /** Whether a tool is called first, which needs two model calls. */
  tool?: boolean;
  /** Delay between the deltas of the reply, in ms; none when absent. */
  paceMs?: number;
}

/** Receives the pieces of a response as they arrive. */
export type Listener = (text: string, at: number) => void;

/** One of the two compared servers, with the same operations. */
export interface Target {
  server: Server;
  /** Creates a session and returns its id. */
  create(): Promise<{ id: string; answer: Answer }>;
  read(id: string): Promise<Answer>;
  /** Sends a message and waits for the end of the response. */
  message(id: string, mode: Mode, prompt: Prompt, onText?: Listener): Promise<Answer>;
}

// A reply of 400 characters, in 20 deltas of equal size.
const plain = ({ paceMs }: Prompt) => `/tokens 100\nhi${paceMs ? ` pace ${paceMs}` : ""}`;
const TOOL = '/Bash {"command":"true"}';

/**
 * Returns the baseline: an object that only copies the model's streams, or one that parses them and stores a row. Two
 * calls are two streams.
 */
export const floor = (server: Server, action: "pass" | "parse"): Target => ({
  server,
  async create() {
    const id = randomUUID();
    const answer = await send({ method: "POST", url: `${server.url}/create/${id}` });
    return { id, answer };
  },
  read: (id) => send({ url: `${server.url}/object/${id}` }),
  async message(id, mode, prompt, onText) {
    const prompts = prompt.tool ? [`${TOOL}\nhi`, plain(prompt)] : [plain(prompt)];
    const url = `${server.url}/${action}/${id}/${mode}`;
    return ended(await send({ method: "POST", url, body: { prompts }, ...(onText && { onText }) }));
  },
});

/** Returns Rigger as a target. */
export const rigger = (server: Server): Target => ({
  server,
  async create() {
    const url = `${server.url}/api/sessions`;
    const answer = await send({ method: "POST", url, body: { pattern: "long-running" } });
    const { id } = JSON.parse(answer.text) as { id: string };
    return { id, answer };
  },
  read: (id) => send({ url: `${server.url}/api/sessions/${id}` }),
  async message(id, mode, prompt, onText) {
    const text = prompt.tool ? `${TOOL}\n${plain(prompt)}` : plain(prompt);
    const url = `${server.url}/api/sessions/${id}/message`;
    const body = { prompt: text, streaming: mode === "stream" };
    return ended(await send({ method: "POST", url, body, ...(onText && { onText }) }));
  },
});

/** Throws if a response is incomplete, because the stream of a broken message ends too. */
function ended(answer: Answer): Answer {
  const { text } = answer;
  const whole = /message_stop|"characters":\d{3,}|message\.completed|"status":"completed"/.test(
    text,
  );
  if (!whole) throw new Error(`a message did not end well: ${text.slice(-1_000)}`);
  return answer;
}
