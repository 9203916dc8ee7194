import { z } from "zod";
import type { Tool } from "../tool";
import { failed } from "./result";

const Input = z.object({
  query: z.string().min(2).describe("What to search for"),
  allowed_domains: z.array(z.string().min(1)).optional().describe("Only results of these domains"),
  blocked_domains: z.array(z.string().min(1)).optional().describe("No results of these domains"),
});

/** Searches the web by one bounded call of the model's own search. */
export const webSearch: Tool<z.infer<typeof Input>> = {
  name: "WebSearch",
  effect: "reading",
  description: `Searches the web, for what is newer than your knowledge or must be looked up.
- You get a summary of what was found, and links: read a page itself with WebFetch.
- Give allowed_domains or blocked_domains, not both.
- Name the sources you use in your answer.`,
  input: Input,

  async run({ query, allowed_domains, blocked_domains }, { search }) {
    if (allowed_domains?.length && blocked_domains?.length) {
      return failed("Give allowed_domains or blocked_domains, not both.");
    }
    const outcome = await search({
      query,
      ...(allowed_domains?.length && { allowedDomains: allowed_domains }),
      ...(blocked_domains?.length && { blockedDomains: blocked_domains }),
    });
    if (!outcome.ok) return failed(`The search failed: ${outcome.message}`);
    const links = outcome.links.map(({ title, url }) => `- [${title}](${url})`);
    const parts = [outcome.text.trim(), links.length > 0 ? `Links:\n${links.join("\n")}` : ""];
    return { content: parts.filter(Boolean).join("\n\n") || `Nothing was found for "${query}".` };
  },
};
