/** What an agent is told of itself where the client says nothing. */
export const DEFAULT_PROMPT =
  "You are an agent that works for a developer. Use your tools to look at things before you " +
  "change them, do what you were asked to the end, and say plainly what you did and what you could not do.";

/**
 * Returns the system prompt of an agent: what the client gave, or ours, and where the agent finds itself. It
 * is the same for every turn of a session, so that it is read from the cache.
 */
export function systemPrompt(options: {
  given: string | undefined;
  /** What the agent is told of others that it works with; empty where it is alone. */
  others?: string;
  workspace: string;
  createdAt: number;
}): string {
  const day = new Date(options.createdAt).toISOString().slice(0, 10);
  return [
    options.given ?? DEFAULT_PROMPT,
    "",
    ...(options.others ? [options.others, ""] : []),
    `Your working directory is ${options.workspace}. It belongs to this session alone; files in it are kept between messages.`,
    `This session began on ${day} (UTC).`,
  ].join("\n");
}
