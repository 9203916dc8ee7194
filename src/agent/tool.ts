import type { z } from "zod";
import type { CommandRules } from "../sandbox/command-rules";
import type { Sandbox } from "../sandbox/sandbox";
import type { Lookup } from "./tools/lookup";

/** What a tool result may hold: text, or blocks of the Messages API (text and images). */
export type ToolContent =
  | string
  | (
      | { type: "text"; text: string }
      | { type: "image"; source: { type: "base64"; media_type: string; data: string } }
    )[];

/** What the model reads of a call. A failure is a result like any other: the model decides what to do. */
export interface ToolResult {
  content: ToolContent;
  isError?: boolean;
  /** True when the tool was not run at all: it is not among those that were used. */
  refused?: boolean;
}

/** The outcome of one bounded call of the API's web search, or why there was none. */
export type SearchOutcome =
  | { ok: true; text: string; links: { title: string; url: string }[] }
  | { ok: false; message: string };

/** What an agent may do with the other agents of its session. Both can be repeated after a restart. */
export interface AgentMessaging {
  /** Has an agent do a task, and answers with what it said, or at once when it is done in the background. */
  task(request: {
    callId: string;
    type: string;
    prompt: string;
    name?: string | undefined;
    background: boolean;
  }): Promise<ToolResult>;
  /** Tells an agent something: it hears it after its turn, and is woken by it if it rests. */
  send(request: { callId: string; to: string; message: string }): ToolResult;
}

/** Keeps agents that share files from undoing each other's changes. */
export interface FileGuard {
  /** Runs `act` while it holds the file's lock: no other agent changes the file meanwhile. */
  lock<T>(path: string, act: () => Promise<T>): Promise<T>;
  /** Returns whether `bytes`, the file's content now, are what the agent saw last. */
  isCurrent(path: string, bytes: Uint8Array): Promise<boolean>;
  /** Records `bytes` as what the agent saw last of the file. */
  record(path: string, bytes: Uint8Array): Promise<void>;
}

/** A wake-up that an agent sets for itself: when, as ms since 1970 or from now, and what it is told then. */
export interface WakeRequest {
  when: { at: number } | { delayMs: number };
  prompt: string;
}

/** When the wake-up comes, or why there is none. */
export type WakeOutcome = { ok: true; at: number } | { ok: false; message: string };

/** Everything a tool may touch. */
export interface ToolContext {
  sandbox: Sandbox;
  /** The agent's working directory, an absolute path. */
  cwd: string;
  /** Remembers where the agent's shell stands for its next command. */
  setCwd(path: string): void;
  /** Names this call, and stays the same when the call is carried on after a restart. */
  callId: string;
  /** True when the call was begun before, and what came of it is not known. */
  interrupted: boolean;
  env: Record<string, string>;
  /** Given where the sandbox decides on each command of Bash by them. */
  commandRules?: CommandRules | undefined;
  signal: AbortSignal;
  /** Shows output to whoever watches; it is not kept. */
  output(stream: "stdout" | "stderr", text: string): void;
  /** Makes one bounded call of the API's web search, with a budget of its own. */
  search(query: {
    query: string;
    allowedDomains?: string[];
    blockedDomains?: string[];
  }): Promise<SearchOutcome>;
  /** Sets a wake-up of the session; a call that is carried on sets no second one. */
  wake(request: WakeRequest): Promise<WakeOutcome>;
  fetch: typeof fetch;
  /** Checks where names lead before they are fetched; absent where the deployment checks none. */
  lookup?: Lookup | undefined;
  /** Absent in a session with one agent. */
  messaging?: AgentMessaging | undefined;
  files?: FileGuard | undefined;
}

/**
 * What may be done with a call whose result was lost: `reading` may run again, `acting` is looked up
 * in the sandbox by its id or reported as interrupted, `journaled` is carried on from what it wrote
 * down. Calls that are not `acting` run side by side.
 */
type ToolEffect = "reading" | "acting" | "journaled";

/** A tool of the agent. `run` never rejects for what the model can mend: that is an error result. */
export interface Tool<Input = unknown> {
  name: string;
  description: string;
  effect: ToolEffect;
  input: z.ZodType<Input>;
  run(input: Input, context: ToolContext): Promise<ToolResult>;
}
