import { randomUUID } from "node:crypto";
import { type Answer, send } from "./client.ts";
import type { Server } from "./servers.ts";

/** The ways in which a message is answered. */
export type Mode = "json" | "stream";

/** What a message has its agent do. */
export interface Prompt {
  /** Whether a tool is called first: that is two calls of the model. */
  tool?: boolean;
  /** Milliseconds between the deltas of the reply; they come at once when absent. */
  paceMs?: number;
}

/** Hears the pieces of an answer as they arrive. */
export type Listener = (text: string, at: number) => void;

/** One of the two servers that are compared, behind the same few requests. */
export interface Target {
  server: Server;
  /** Makes a session and answers its id. */
  create(): Promise<{ id: string; answer: Answer }>;
  read(id: string): Promise<Answer>;
  /** Sends a message and waits for the end of its answer. */
  message(id: string, mode: Mode, prompt: Prompt, onText?: Listener): Promise<Answer>;
}

// A reply of 400 characters, which 20 deltas share evenly.
const plain = ({ paceMs }: Prompt) => `/tokens 100\nhi${paceMs ? ` pace ${paceMs}` : ""}`;
const TOOL = '/Bash {"command":"true"}';

/** Returns the floor: an object that passes the model's streams on. Two calls are two streams. */
export const floor = (server: Server): Target => ({
  server,
  async create() {
    const id = randomUUID();
    const answer = await send({ method: "POST", url: `${server.url}/create/${id}` });
    return { id, answer };
  },
  read: (id) => send({ url: `${server.url}/object/${id}` }),
  async message(id, mode, prompt, onText) {
    const action = mode === "json" ? "read-through" : "pass";
    const prompts = prompt.tool ? [`${TOOL}\nhi`, plain(prompt)] : [plain(prompt)];
    const url = `${server.url}/${action}/${id}`;
    return ended(await send({ method: "POST", url, body: { prompts }, ...(onText && { onText }) }));
  },
});

/** Rigger itself. */
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

/** Holds an answer to being a whole one: the stream of a broken message ends too. */
function ended(answer: Answer): Answer {
  const { text } = answer;
  const whole = /message_stop|"characters":\d{3}|message\.completed|"status":"completed"/.test(
    text,
  );
  if (!whole) throw new Error(`a message did not end well: ${text.slice(-1_000)}`);
  return answer;
}
