import { z } from "zod";
import type { Tool, ToolContext, ToolResult } from "../tool";
import { forbidden } from "./address";
import { htmlToText } from "./html";

const MAX_REDIRECTS = 5;
const TIMEOUT_MS = 30_000;
const MAX_BYTES = 10 << 20;
/** About 25,000 tokens; the rest can be had with an offset. */
const MAX_CHARACTERS = 100_000;

const Input = z.object({
  url: z.url().describe("The page's address. http becomes https."),
  prompt: z.string().describe("What you want to know from the page."),
  offset: z
    .number()
    .int()
    .nonnegative()
    .default(0)
    .describe("Characters of the page to pass over, to read on in a long one."),
});

/** Fetches a page of the public web as text. No model looks at it on the way. */
export const webFetch: Tool<z.infer<typeof Input>> = {
  name: "WebFetch",
  description: "Fetches a page of the public web and returns its text.",
  effect: "reading",
  input: Input,
  async run({ url, prompt, offset }, context) {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const signal = AbortSignal.any([context.signal, timeout]);
    try {
      const got = await follow(new URL(url), context.fetch, signal);
      if ("refused" in got) return failure(`${got.url} was not fetched: ${got.refused}.`);
      return await page(got.response, got.url, prompt, offset);
    } catch (error) {
      if (timeout.aborted) return failure(`The page did not come within ${TIMEOUT_MS / 1000} s.`);
      if (context.signal.aborted) throw error;
      return failure(
        `The page can't be fetched: ${error instanceof Error ? error.message : error}`,
      );
    }
  },
};

const failure = (content: string): ToolResult => ({ content, isError: true });

type Got = { url: string; response: Response } | { url: string; refused: string };

/** Follows redirects by hand, so that each address is looked at before it is fetched. */
async function follow(
  url: URL,
  fetch: ToolContext["fetch"],
  signal: AbortSignal,
  hops = 0,
): Promise<Got> {
  if (url.protocol === "http:" && url.port === "") url.protocol = "https:";
  const refused = forbidden(url);
  if (refused) return { url: url.href, refused };
  const headers = { "user-agent": "Rigger/1.0 (agent)", accept: "text/html,text/*,*/*;q=0.8" };
  const response = await fetch(url.href, { redirect: "manual", headers, signal });
  const location = response.headers.get("location");
  if (response.status < 300 || response.status >= 400 || !location) {
    return { url: url.href, response };
  }
  await response.body?.cancel();
  if (hops === MAX_REDIRECTS) return { url: url.href, refused: "too many redirects" };
  return follow(new URL(location, url), fetch, signal, hops + 1);
}

async function page(
  response: Response,
  url: string,
  prompt: string,
  offset: number,
): Promise<ToolResult> {
  const type = response.headers.get("content-type")?.split(";")[0]?.trim() ?? "text/plain";
  if (!/^text\/|json|xml|javascript|yaml/.test(type)) {
    await response.body?.cancel();
    return failure(`${url} is ${type}, which can't be read here.`);
  }
  const { text: raw, cut } = await readBounded(response);
  const text = /html/.test(type) ? await htmlToText(raw) : raw;
  const shown = text.slice(offset, offset + MAX_CHARACTERS);
  const rest = text.length - offset - shown.length;
  const notes = [
    rest > 0 && `${rest} more characters: read on with offset ${offset + shown.length}.`,
    cut && `The page is larger than ${MAX_BYTES >> 20} MiB and was cut.`,
  ].filter((note) => note !== false);
  const content = [
    `${url} (status ${response.status})`,
    `Asked of it: ${prompt}`,
    "",
    shown || "(no text)",
    ...notes,
  ].join("\n");
  return response.ok ? { content } : failure(content);
}

/** The text of a body, up to the bound. */
async function readBounded(response: Response): Promise<{ text: string; cut: boolean }> {
  if (!response.body) return { text: "", cut: false };
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    text += decoder.decode(chunk, { stream: true });
    if (bytes > MAX_BYTES) return { text, cut: true };
  }
  return { text: text + decoder.decode(), cut: false };
}
