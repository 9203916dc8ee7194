/** The beginning of the system prompt if the client gives none. */
export const DEFAULT_PROMPT =
  "You are an agent that works for a developer. Use your tools to look at things before you " +
  "change them, do what you were asked to the end, and say plainly what you did and what you could not do.";

/**
 * Returns the system prompt of an agent: the client's or ours, and the agent's surroundings. It is the same for
 * every turn of a session, so that it is read from the cache.
 */
export function systemPrompt(options: {
  given: string | undefined;
  /** The description of the other agents of the session; empty if there are none. */
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
