const SKIPPED = "script, style, noscript, template, svg, iframe, head > :not(title)";
const BLOCKS =
  "p, div, section, article, header, footer, nav, aside, main, ul, ol, table, tr, pre, blockquote, br, hr, form, title, dt, dd";

/** The readable text of a page: headings, lists and links keep their form, the rest is plain. */
export async function htmlToText(html: string): Promise<string> {
  const out: string[] = [];
  let skipping = 0;
  const during = (before: string, after: string) => ({
    element(element: Element) {
      if (skipping > 0) return;
      out.push(before);
      element.onEndTag(() => void out.push(after));
    },
  });
  const rewriter = new HTMLRewriter()
    .on(SKIPPED, {
      element(element) {
        skipping++;
        try {
          element.onEndTag(() => void skipping--);
        } catch {
          // An element without an end has no text to skip.
          skipping--;
        }
      },
    })
    .on("a[href]", {
      element(element) {
        const href = element.getAttribute("href") ?? "";
        if (skipping > 0 || !/^https?:/.test(href)) return;
        out.push("[");
        element.onEndTag(() => void out.push(`](${href})`));
      },
    })
    .onDocument({
      text(chunk) {
        if (skipping === 0) out.push(chunk.text);
      },
    });
  for (let level = 1; level <= 6; level++) {
    rewriter.on(`h${level}`, during(`\n\n${"#".repeat(level)} `, "\n\n"));
  }
  rewriter.on("li", during("\n- ", ""));
  rewriter.on(BLOCKS, {
    element(element) {
      if (skipping > 0) return;
      out.push("\n");
      try {
        element.onEndTag(() => void out.push("\n"));
      } catch {
        // `br` and `hr` have no end.
      }
    },
  });
  await rewriter.transform(new Response(html)).arrayBuffer();
  return decodeEntities(out.join(""))
    .replace(/[ \t\f\r]+/g, " ")
    .replace(/ ?\n ?/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

const ENTITIES: Record<string, string> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  mdash: "—",
  ndash: "–",
  hellip: "…",
  copy: "©",
  rsquo: "’",
  lsquo: "‘",
  rdquo: "”",
  ldquo: "“",
};

function decodeEntities(text: string): string {
  return text.replace(/&(#x?[0-9a-f]+|[a-z]+);/gi, (whole, name: string) => {
    if (!name.startsWith("#")) return ENTITIES[name.toLowerCase()] ?? whole;
    const code = Number.parseInt(
      name.slice(/^#x/i.test(name) ? 2 : 1),
      /^#x/i.test(name) ? 16 : 10,
    );
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
