import { z } from "zod";
import type { AgentDeps } from "./agent-deps";
import { makeTurn } from "./make-turn";
import { textOf } from "./messages";
import type { ModelCall } from "./model/model";
import type { SearchOutcome, ToolContext } from "./tool";

const SEARCH_MAX_TOKENS = 4_096;

/**
 * Searches the web by one bounded call of the API's web search, which is charged like any other turn. Never
 * rejects.
 */
export async function searchWeb(
  callId: string,
  query: Parameters<ToolContext["search"]>[0],
  deps: AgentDeps,
): Promise<SearchOutcome> {
  const call: ModelCall = {
    model: deps.request.model,
    system:
      "Search the web once for the query and report what the results say, with their addresses.",
    messages: [{ role: "user", content: [{ type: "text", text: query.query }] }],
    tools: [
      {
        type: "web_search_20250305",
        name: "web_search",
        max_uses: 1,
        ...(query.allowedDomains?.length && { allowed_domains: query.allowedDomains }),
        ...(query.blockedDomains?.length && { blocked_domains: query.blockedDomains }),
      },
    ],
    maxTokens: SEARCH_MAX_TOKENS,
    attempt: 1,
  };
  const made = await makeTurn({ kind: "web_search", ref: callId, call, live: false }, deps);
  if (!made.ok) {
    const why = made.ending.error?.message ?? `the session's limits (${made.ending.stopReason})`;
    return { ok: false, message: `The search was not made: ${why}` };
  }
  const { content } = made.outcome;
  deps.journal.complete(made.turn, { ...made.outcome, content: [] });
  const links = content.flatMap((block) =>
    block.type === "web_search_tool_result" && Array.isArray(block.content)
      ? block.content.flatMap((found) => Link.safeParse(found).data ?? [])
      : [],
  );
  return { ok: true, text: textOf(content), links: links.slice(0, MAX_LINKS) };
}

/** The most links that are returned. */
const MAX_LINKS = 50;
const Link = z.object({ title: z.string().max(1_000), url: z.string().max(4_000) });
