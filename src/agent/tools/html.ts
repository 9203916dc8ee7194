import { htmlToMarkdown } from "@mdream/js";

/** The most characters of a page that are converted. Scripts and styles are dropped, so this is a long page. */
export const MAX_HTML_CHARS = 2 * 1024 ** 2;

/**
 * The most nested elements. Pages have a few dozen; the time for maliciously nested ones grows with the square
 * of the depth.
 */
const MAX_DEPTH = 200;

/** Returns a page's text as Markdown, or undefined for one that is nested too deeply. */
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
