import { z } from "zod";
import type { Tool } from "../tool";

const Input = z.object({
  query: z.string().min(2).describe("What to look for."),
  allowed_domains: z.array(z.string()).optional().describe("Only results from these."),
  blocked_domains: z.array(z.string()).optional().describe("No results from these."),
});

/** Searches the web once, by the API's own search. */
export const webSearch: Tool<z.infer<typeof Input>> = {
  name: "WebSearch",
  description: "Searches the web and tells what the results say, with their addresses.",
  effect: "reading",
  input: Input,
  async run({ query, allowed_domains, blocked_domains }, context) {
    if (allowed_domains?.length && blocked_domains?.length) {
      return { content: "Give allowed_domains or blocked_domains, not both.", isError: true };
    }
    const found = await context.search({
      query,
      ...(allowed_domains && { allowedDomains: allowed_domains }),
      ...(blocked_domains && { blockedDomains: blocked_domains }),
    });
    if (!found.ok) return { content: found.message, isError: true };
    const links = found.links.map(({ title, url }) => `- ${title}: ${url}`).join("\n");
    return { content: [found.text, links].filter((text) => text !== "").join("\n\n") };
  },
};
