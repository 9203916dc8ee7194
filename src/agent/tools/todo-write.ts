import { z } from "zod";
import type { Tool } from "../tool";

const Input = z.object({
  todos: z
    .array(
      z.object({
        content: z.string().min(1).describe("What is to be done."),
        status: z.enum(["pending", "in_progress", "completed"]),
        activeForm: z.string().min(1).describe("The same, as something under way."),
      }),
    )
    .describe("The whole list, as it is to be from now on."),
});

const MARKS = { pending: "[ ]", in_progress: "[>]", completed: "[x]" } as const;

/** Keeps a list of what is to be done; whoever watches sees it in the call's input. */
export const todoWrite: Tool<z.infer<typeof Input>> = {
  name: "TodoWrite",
  description: "Writes down the list of what is to be done, in place of the one before.",
  effect: "reading",
  input: Input,
  async run({ todos }) {
    if (todos.length === 0) return { content: "The list is empty." };
    const lines = todos.map(({ content, status }) => `${MARKS[status]} ${content}`);
    return { content: `The list is now:\n${lines.join("\n")}` };
  },
};
