import { htmlToMarkdown } from "@mdream/js";

/** More of a page is not turned into text: scripts and styles are dropped, so this is a long page. */
export const MAX_HTML_CHARS = 2 * 1024 ** 2;

/** Pages nest a few dozen deep. The work for markup that is nested on purpose grows with its depth squared. */
const MAX_DEPTH = 200;

/** Returns a page's text as Markdown, or undefined for one that nests too deeply to be read. */
export function htmlText(html: string, url: URL): string | undefined {
  try {
    return htmlToMarkdown(html.slice(0, MAX_HTML_CHARS), {
      origin: url.origin,
      hooks: [{ onNodeEnter: refuseDepth }],
    });
  } catch (error) {
    if (error instanceof TooDeep) return undefined;
    throw error;
  }
}

class TooDeep extends Error {}

function refuseDepth({ depth }: { depth: number }): undefined {
  if (depth > MAX_DEPTH) throw new TooDeep();
}
