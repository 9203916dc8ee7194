import { z } from "zod";
import type { Tool } from "../tool";
import { failed } from "./result";

const Input = z.object({
  subagent_type: z.string().min(1).describe("Which agent is to do it"),
  // The API rejects blank text in a conversation, and an agent keeps its own.
  prompt: z.string().trim().min(1).describe("The task, with all that the agent has to know"),
  description: z.string().optional().describe("The task in a few words"),
  name: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .optional()
    .describe("A name of its own, to have several agents of one type"),
  run_in_background: z.boolean().default(false).describe("Go on without waiting for the agent"),
});

/** Gives a task to another agent of the session. */
export const task: Tool<z.infer<typeof Input>> = {
  name: "Task",
  effect: "journaled",
  description: `Has another agent do a task, in the same sandbox and on the same files.
- You get the agent's last words as the result. Start agents that do not depend on each other in one reply: they work side by side.
- With run_in_background you go on at once, and are told when the agent is done.
- An agent remembers what was said to it before. An agent that works already can't take a second task: use SendMessage, or another name.`,
  input: Input,

  async run({ subagent_type: type, prompt, name, run_in_background }, { callId, messaging }) {
    if (!messaging) return failed("There are no other agents in this session.");
    return messaging.task({ callId, type, prompt, name, background: run_in_background });
  },
};
