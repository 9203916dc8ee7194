import type { z } from "zod";
import type { CommandRules } from "../sandbox/command-rules";
import type { Sandbox } from "../sandbox/sandbox";
import type { Lookup } from "../shared/lookup";

/** The content of a tool result: text, or blocks of the Messages API (text and images). */
export type ToolContent =
  | string
  | (
      | { type: "text"; text: string }
      | { type: "image"; source: { type: "base64"; media_type: string; data: string } }
    )[];

/** The result of a call as the model reads it. A failure is a result too: the model decides what to do. */
export interface ToolResult {
  content: ToolContent;
  isError?: boolean;
  /** True if the tool was not run: the call does not count as a use of it. */
  refused?: boolean;
}

/** The outcome of one bounded web search, or why there was none. */
export type SearchOutcome =
  | { ok: true; text: string; links: { title: string; url: string }[] }
  | { ok: false; message: string };

/** An agent's access to the other agents of its session. Both methods may be repeated after a restart. */
export interface AgentMessaging {
  /** Gives a task to an agent. Resolves with its answer, or at once if it works in the background. */
  task(request: {
    callId: string;
    type: string;
    prompt: string;
    name?: string | undefined;
    background: boolean;
  }): Promise<ToolResult>;
  /**
   * Sends a message to an agent's inbox. It is delivered after the agent's turn, and starts a run of an agent
   * without one.
   */
  send(request: { callId: string; to: string; message: string }): ToolResult;
}

/** Prevents agents from overwriting what other agents or callers have written and they have not seen. */
export interface FileGuard {
  /** Runs `act` while it holds the file's lock: no other agent changes the file meanwhile. */
  lock<T>(path: string, act: () => Promise<T>): Promise<T>;
  /**
   * Returns the hash of what the agent saw last of the file; null if it has not seen the file, undefined if the file is not
   * guarded.
   */
  seen(path: string): string | null | undefined;
  /** Records the hash of what the agent saw last of the file: see `hashOf` in sandbox/change-file.ts. */
  record(path: string, hash: string): void;
}

/** A wake-up that an agent sets for itself: an instant in ms since 1970 or a delay, and the prompt. */
export interface WakeRequest {
  when: { at: number } | { delayMs: number };
  prompt: string;
}

/** The instant of the wake-up in ms since 1970, or why there is none. */
export type WakeOutcome = { ok: true; at: number } | { ok: false; message: string };

/** A file that was published, or why it was not. */
type PublishOutcome = { ok: true; sizeBytes: number } | { ok: false; message: string };

/** Everything that a tool has access to. */
export interface ToolContext {
  sandbox: Sandbox;
  /** The agent's working directory, an absolute path. */
  cwd: string;
  /** Stores the working directory for the agent's next command. */
  setCwd(path: string): void;
  /** Identifies this call; the same when it is resumed after a restart. */
  callId: string;
  /** True if the call was begun before a restart and its effect is unknown. */
  interrupted: boolean;
  env: Record<string, string>;
  /** Present if the sandbox decides on each command of Bash. */
  commandRules?: CommandRules | undefined;
  signal: AbortSignal;
  /** Publishes output to subscribers; it is not stored. */
  output(stream: "stdout" | "stderr", text: string): void;
  /** Searches the web once, within the session's limits. */
  search(query: {
    query: string;
    allowedDomains?: string[];
    blockedDomains?: string[];
  }): Promise<SearchOutcome>;
  /** Sets a wake-up of the session. A resumed call sets the same one. */
  wake(request: WakeRequest): Promise<WakeOutcome>;
  /**
   * Publishes a file, by its absolute path. A repeat for the same call and path publishes it once. Absent if the session does
   * not publish.
   */
  publishFile?(path: string, description: string | null): Promise<PublishOutcome>;
  fetch: typeof fetch;
  /** Checks the addresses of a host before a request; absent if the deployment checks none. */
  lookup?: Lookup | undefined;
  /** Absent in a session with one agent. */
  messaging?: AgentMessaging | undefined;
  files?: FileGuard | undefined;
}

/**
 * The way in which a call is resumed whose result was lost: `reading` runs again, `acting` is looked up in the
 * sandbox by its id or reported as interrupted, `journaled` continues from what it stored. Calls that are not
 * `acting` run in parallel.
 */
type ToolEffect = "reading" | "acting" | "journaled";

/** A tool of the caller, who answers the model's calls of it. */
export interface ClientTool {
  name: string;
  description: string;
  /** A JSON schema of an object. */
  inputSchema: Record<string, unknown>;
}

/**
 * A tool of an agent. `run` does not reject for what the model can correct: that is an error result. `Needs` are the parts of
 * the context that it uses.
 */
export interface Tool<Input = unknown, Needs extends keyof ToolContext = keyof ToolContext> {
  name: string;
  description: string;
  effect: ToolEffect;
  input: z.ZodType<Input>;
  run(input: Input, context: Pick<ToolContext, Needs>): Promise<ToolResult>;
}
