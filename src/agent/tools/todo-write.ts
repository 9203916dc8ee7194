import { z } from "zod";
import type { Tool } from "../tool";
import { counted } from "./result";

const MARKS = { pending: "[ ]", in_progress: "[>]", completed: "[x]" } as const;

const Todo = z.object({
  content: z.string().min(1).describe("What is to be done, as an order: Run the tests"),
  status: z.enum(["pending", "in_progress", "completed"]),
  activeForm: z.string().min(1).describe("What is being done, while it is: Running the tests"),
});

const Input = z.object({ todos: z.array(Todo).describe("The whole list, in its order") });

/** Keeps the agent's to-do list. It lives in the conversation: each call states the whole list. */
export const todoWrite: Tool<z.infer<typeof Input>> = {
  name: "TodoWrite",
  effect: "reading",
  description: `Keeps a list of what is to be done, which people who watch can see. Use it for work of several steps.
- Give the whole list with each call; it takes the place of the last one.
- Have one item in progress at a time, and mark it completed as soon as it is done, not before.`,
  input: Input,

  async run({ todos }) {
    if (todos.length === 0) return { content: "The list is empty now." };
    const done = todos.filter(({ status }) => status === "completed").length;
    const lines = todos.map(({ content, status }) => `${MARKS[status]} ${content}`);
    return {
      content: `The list now has ${counted(todos.length, "item")}, ${done} completed:\n${lines.join("\n")}`,
    };
  },
};
