import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { blobOf, contentOf, save } from "./content.ts";
import { oneLine, pretty, size } from "./format.ts";
import { Scrollable } from "./scrollable.tsx";
import { Action, Dialog, Loading, Problem, useLoaded } from "./ui.tsx";

/** A file, wherever it is. */
export interface Viewed {
  path: string;
  /** Null for a link, whose own size says nothing. */
  sizeBytes: number | null;
  /** Returns the content, or its first bytes. */
  read(bytes?: number): Promise<Response>;
}

/** Returns the name of a path. */
export const nameOf = (path: string): string => path.split("/").at(-1) ?? path;

/** Stores a file on the computer of the reader. */
export async function download({ path, read }: Viewed): Promise<void> {
  save(await blobOf(await read()), nameOf(path));
}

interface FileListProps<T> {
  /** The items of the pages that are loaded; undefined before the first one. */
  items: readonly T[] | undefined;
  /** Loads the next page; undefined if there is none. */
  more: (() => Promise<void>) | undefined;
  /** Returns the entry of an item, which can call `view`. */
  children: (item: T, view: (file: Viewed) => void) => ComponentChildren;
}

/** A list of files, page by page. The file that an entry has chosen is shown above it. */
export function FileList<T>({ items = [], more, children }: FileListProps<T>) {
  const [viewed, setViewed] = useState<Viewed | null>(null);
  return (
    <>
      {items.length > 0 && (
        <ul class="entries">{items.map((item) => children(item, setViewed))}</ul>
      )}
      {more && (
        <Action kind="more" run={more}>
          Show more
        </Action>
      )}
      {viewed && <Viewer file={viewed} close={() => setViewed(null)} />}
    </>
  );
}

/** Shows a file: text, and images. */
function Viewer({ file, close }: { file: Viewed; close(): void }) {
  const { path, sizeBytes } = file;
  const { value, error, again } = useLoaded(() => contentOf(path, sizeBytes, file.read), path);
  return (
    <Dialog title={oneLine(path, 80)} isWide close={close}>
      <div class="row">
        <span class="hint">{sizeBytes === null ? "" : size(sizeBytes)}</span>
        <Action size="small" run={() => download(file)}>
          Download
        </Action>
      </div>
      {error !== undefined && <Problem error={error} retry={again} />}
      {!value && error === undefined && <Loading what="the file" />}
      {value?.kind === "none" && <p class="hint">{value.why}</p>}
      {value?.kind === "image" && <img class="shown" src={value.url} alt={`Content of ${path}`} />}
      {value?.kind === "text" && value.text === "" && <p class="hint">It is empty.</p>}
      {value?.kind === "text" && value.text !== "" && (
        <Scrollable kind="shown" name="Content">
          <pre>{pretty(value.text)}</pre>
        </Scrollable>
      )}
      {value?.kind === "text" && value.isCut && (
        <p class="hint">Only the beginning is shown. Download the file to see it whole.</p>
      )}
    </Dialog>
  );
}
