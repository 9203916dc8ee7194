import type { SessionForm } from "./session-form.ts";

/** Something to try: what the form is filled with. */
export interface Example {
  title: string;
  about: string;
  form: Partial<SessionForm>;
}

const json = (value: unknown): string => JSON.stringify(value, null, 2);

/** Returns a prompt: a task in words, and the script that the offline model follows. */
const task = (words: string, ...script: string[]): string => [words, ...script].join("\n");

const call = (tool: string, input: object): string => `/${tool} ${JSON.stringify(input)}`;

/** Examples that work with the offline model, which needs no key and costs nothing. */
export const EXAMPLES: readonly Example[] = [
  {
    title: "Write and read a file",
    about: "Two tool calls in the sandbox.",
    form: {
      description: "Write and read a file",
      prompt: task(
        "Write a greeting to hello.txt, then read it back.",
        call("Write", { file_path: "hello.txt", content: "Hello from the sandbox.\n" }),
        call("Read", { file_path: "hello.txt" }),
      ),
    },
  },
  {
    title: "Ask for approval",
    about: "Commands wait until you allow or deny them.",
    form: {
      description: "Ask for approval",
      askTools: "Bash",
      prompt: task(
        "Make a directory for the report and list what is there.",
        call("Bash", { command: "mkdir -p report && ls -la" }),
      ),
    },
  },
  {
    title: "Several agents at work",
    about: "Two agents work at once in one sandbox.",
    form: {
      pattern: "single-container",
      description: "Several agents at work",
      config: json({
        customAgents: {
          writer: { description: "Writes texts.", systemPrompt: "You write texts." },
          counter: { description: "Counts things.", systemPrompt: "You count things." },
        },
      }),
      prompt: task(
        "Let the writer write poem.txt while the counter counts from 1 to 5.",
        [
          call("Task", {
            subagent_type: "writer",
            description: "Write a poem",
            prompt: call("Write", { file_path: "poem.txt", content: "Two agents in one box.\n" }),
          }),
          call("Task", {
            subagent_type: "counter",
            description: "Count to five",
            prompt: call("Bash", { command: "seq 1 5" }),
          }),
        ].join(" & "),
      ),
    },
  },
  {
    title: "A long answer that streams",
    about: "Text that arrives while you watch, with pauses.",
    form: {
      pattern: "ephemeral",
      description: "A long answer that streams",
      prompt: task(
        "Write a long text in three parts. Run a command after each of the first two.",
        ...["/delay 1000", "/tokens 300", call("Bash", { command: "echo one part is written" })],
        ...["/delay 1500", "/tokens 300", call("Bash", { command: "echo two parts are written" })],
        ...["/delay 1500", "/tokens 2000"],
      ),
    },
  },
  {
    title: "Pause at a limit",
    about: "It stops after one turn, until you raise the limit.",
    form: {
      description: "Pause at a limit",
      ...{ maxTurns: "1", onLimit: "pause" },
      prompt: task(
        "Say which day it is, in two steps.",
        call("Bash", { command: "date +%A" }),
        call("Bash", { command: "date +%F" }),
      ),
    },
  },
  {
    title: "Structured result",
    about: "The reply is JSON that matches a schema.",
    form: {
      pattern: "ephemeral",
      description: "Structured result",
      config: json({
        outputSchema: {
          type: "object",
          properties: {
            title: { type: "string" },
            year: { type: "integer" },
            genres: { type: "array", items: { type: "string" } },
          },
          required: ["title", "year", "genres"],
          additionalProperties: false,
        },
      }),
      prompt: task(
        "Describe the novel Emma.",
        `/say ${JSON.stringify({ title: "Emma", year: 1815, genres: ["novel", "comedy"] })}`,
      ),
    },
  },
  {
    title: "Answer a tool yourself",
    about: "The agent calls a tool of yours, and waits for its result.",
    form: {
      description: "Answer a tool yourself",
      clientTools: json([
        {
          name: "lookup_order",
          description: "Returns an order of the shop.",
          inputSchema: {
            type: "object",
            properties: { id: { type: "integer" } },
            required: ["id"],
          },
        },
      ]),
      prompt: task("Where is the order 4711?", call("lookup_order", { id: 4711 })),
    },
  },
  {
    title: "A wake-up",
    about: "The agent asks to be woken in 15 seconds.",
    form: {
      pattern: "long-running",
      description: "A wake-up",
      prompt: task(
        "Look at the clock now, and again in 15 seconds.",
        call("wake", {
          delayMs: 15_000,
          prompt: task("Look again.", call("Bash", { command: "date" })),
        }),
        call("Bash", { command: "date" }),
      ),
    },
  },
];
