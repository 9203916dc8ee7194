import { z } from "zod";

const Lines = z.union([z.string(), z.array(z.string()).transform((lines) => lines.join(""))]);

const Output = z.object({
  text: Lines.optional(),
  data: z.object({ "text/plain": Lines.optional() }).optional(),
  ename: z.string().optional(),
  evalue: z.string().optional(),
});

const Notebook = z.object({
  cells: z.array(
    z.object({ cell_type: z.string(), source: Lines, outputs: z.array(Output).optional() }),
  ),
});

/** Returns the cells of a Jupyter notebook and their output as text; undefined if the bytes are no notebook. */
export function notebookText(json: string): string | undefined {
  const parsed = Notebook.safeParse(parseJson(json));
  if (!parsed.success) return undefined;
  return parsed.data.cells
    .map(({ cell_type, source, outputs = [] }, index) =>
      [`--- cell ${index + 1}, ${cell_type}`, source, ...outputs.map(outputText)].join("\n"),
    )
    .join("\n\n");
}

function outputText({ text, data, ename, evalue }: z.infer<typeof Output>): string {
  const shown = text ?? data?.["text/plain"] ?? (ename ? `${ename}: ${evalue}` : "(not text)");
  return `--- output\n${shown}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
