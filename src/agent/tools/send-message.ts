import { z } from "zod";
import type { Tool } from "../tool";
import { failed } from "./result";

const Input = z.object({
  to: z.string().min(1).describe('The name of an agent; "main" is the main one'),
  message: z.string().min(1).max(100_000).describe("What to tell it"),
});

/** Sends a message to another agent of the session. */
export const sendMessage: Tool<z.infer<typeof Input>> = {
  name: "SendMessage",
  effect: "journaled",
  description: `Sends a message to another agent of this session.
- An agent at work hears it after its current step; one that rests begins to work on it.
- There is no answer here: the other agent answers with a message of its own, if it does.`,
  input: Input,

  async run({ to, message }, { callId, messaging }) {
    if (!messaging) return failed("There are no other agents in this session.");
    return messaging.send({ callId, to, message });
  },
};
