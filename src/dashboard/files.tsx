import { useRef, useState } from "preact/hooks";
import type { FileEntry } from "../client/api.ts";
import { hasEnded, RiggerError, type Session } from "../client/rigger.ts";
import { messageOf, owns, rigger } from "./api.ts";
import { archiveOf, save } from "./content.ts";
import { oneLine, size } from "./format.ts";
import { change, parameters } from "./route.ts";
import { Action, Empty, Loading, Problem, usePages, When } from "./ui.tsx";
import { download, FileList, nameOf, type Viewed } from "./viewer.tsx";

const PAGE = 200;

interface FilesProps {
  session: Session;
  /** Changes when files may have changed. */
  rev: number;
}

/** The workspace of a session: its directories and files, one directory at a time. */
export function Files({ session, rev }: FilesProps) {
  const { id } = session;
  const directory = parameters.value.get("path") ?? "";
  const { files } = rigger.session(id);
  const pages = usePages(
    async (cursor) => {
      const query = { path: directory, limit: PAGE, ...(cursor !== undefined && { cursor }) };
      const page = await rigger.get("/api/sessions/{id}/files", { path: { id }, query });
      return { items: page.entries, nextCursor: page.nextCursor };
    },
    `${id} ${directory}`,
    rev,
  );
  const canWrite = owns() && !hasEnded(session);
  const upload = useUpload(async (file, replaces) => {
    const path = directory === "" ? file.name : `${directory}/${file.name}`;
    await files.write(path, file, replaces ? {} : { ifNoneMatch: "*" });
  });
  const uploadAll = async (list: readonly File[]) => {
    await upload.run(list, new Set(pages.items?.map(({ path }) => nameOf(path))));
    pages.again();
  };
  const isGone = pages.error instanceof RiggerError && pages.error.reason === "workspace_gone";
  return (
    <section
      class={upload.isOver ? "card files dropped-on" : "card files"}
      aria-label="Workspace"
      {...(canWrite && upload.target(uploadAll))}
    >
      <div class="row">
        <h2>Workspace</h2>
        {!isGone && (
          <div class="actions">
            <button type="button" class="small" onClick={pages.again}>
              Reload
            </button>
            <Action
              size="small"
              run={async () => {
                const archive = await archiveOf(await files.archive(directory));
                save(archive, `${directory === "" ? id : nameOf(directory)}.tar`);
              }}
            >
              {directory === "" ? "Download all" : "Download this directory"}
            </Action>
            {canWrite && <Picker pick={(list) => void uploadAll(list)} />}
          </div>
        )}
      </div>
      {directory !== "" && <Trail directory={directory} />}
      <p class={upload.said === "" ? "hidden" : "note"} role="status">
        {upload.said}
      </p>
      {upload.problems.map((text) => (
        <p class="problem" role="alert" key={text}>
          {text}
        </p>
      ))}
      {isGone && (
        <Empty title="The files were not kept.">
          <p>The session has ended, and its workspace with it.</p>
        </Empty>
      )}
      {pages.error !== undefined && !isGone && <Problem error={pages.error} retry={pages.again} />}
      {!pages.items && pages.error === undefined && <Loading what="the files" />}
      {pages.items?.length === 0 && (
        <p class="hint">{canWrite ? "It is empty. Files can be dropped here." : "It is empty."}</p>
      )}
      <FileList items={pages.items} more={pages.more}>
        {(entry, view) => (
          <Entry
            entry={entry}
            view={view}
            read={(bytes) =>
              files.read(entry.path, bytes === undefined ? {} : { range: { start: 0, end: bytes } })
            }
            remove={
              canWrite
                ? async () => {
                    if (!confirm(questionOf(entry))) return;
                    await files.remove(entry.path, { recursive: entry.type === "directory" });
                    pages.again();
                  }
                : undefined
            }
            key={entry.path}
          />
        )}
      </FileList>
      {session.status === "idle" && canWrite && (
        <p class="hint">
          The session sleeps: its files are read as they were saved. A change wakes it.
        </p>
      )}
    </section>
  );
}

const questionOf = ({ path, type }: FileEntry): string =>
  type === "directory"
    ? `Delete ${oneLine(path)} with all that is in it?`
    : `Delete ${oneLine(path)}?`;

/** The directories above what is shown. */
function Trail({ directory }: { directory: string }) {
  const names = directory.split("/");
  return (
    <nav class="trail" aria-label="Directory">
      {["workspace", ...names].map((name, at) => {
        const path = names.slice(0, at).join("/");
        return (
          <button
            type="button"
            class="plain small"
            aria-current={path === directory ? "true" : undefined}
            onClick={() => change({ path })}
            key={path}
          >
            {oneLine(name, 60)}
          </button>
        );
      })}
    </nav>
  );
}

interface EntryProps {
  entry: FileEntry;
  view(file: Viewed): void;
  read(bytes?: number): Promise<Response>;
  /** Absent if it may not be deleted. */
  remove: (() => Promise<void>) | undefined;
}

function Entry({ entry, view, read, remove }: EntryProps) {
  const { path, type, target } = entry;
  const name = oneLine(nameOf(path), 120);
  const file: Viewed = { path, sizeBytes: type === "symlink" ? null : entry.size, read };
  const isReadable = type === "file" || type === "symlink";
  return (
    <li>
      <span class="entry-name">
        {type === "directory" ? (
          <button type="button" class="plain" onClick={() => change({ path })}>
            {name}/
          </button>
        ) : isReadable ? (
          <button type="button" class="plain" onClick={() => view(file)}>
            {name}
          </button>
        ) : (
          <span class="unreadable">{name}</span>
        )}
        {target !== undefined && <span class="hint"> → {oneLine(target, 80)}</span>}
      </span>
      <span class="entry-size">{type === "file" ? size(entry.size) : type}</span>
      <span class="entry-time">
        <When at={entry.modifiedAt} />
      </span>
      <span class="actions">
        {isReadable && (
          <Action size="small" aria-label={`Download ${name}`} run={() => download(file)}>
            Download
          </Action>
        )}
        {remove && (
          <Action kind="danger" size="small" aria-label={`Delete ${name}`} run={remove}>
            Delete
          </Action>
        )}
      </span>
    </li>
  );
}

/** Chooses files on the computer of the reader. */
function Picker({ pick }: { pick(files: readonly File[]): void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="small main" onClick={() => input.current?.click()}>
        Upload files
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        onChange={({ currentTarget }) => {
          pick([...(currentTarget.files ?? [])]);
          // The same file can be chosen again.
          currentTarget.value = "";
        }}
      />
    </>
  );
}

/** Uploads files one after the other. Whoever would replace a file is asked. */
function useUpload(write: (file: File, replaces: boolean) => Promise<void>) {
  const [isOver, setOver] = useState(false);
  const [said, setSaid] = useState("");
  const [problems, setProblems] = useState<readonly string[]>([]);
  const mayReplace = (name: string) => confirm(`Replace ${name}? It is there already.`);
  const put = async (file: File, isKnown: boolean): Promise<boolean> => {
    if (isKnown) {
      if (!mayReplace(file.name)) return false;
      await write(file, true);
      return true;
    }
    try {
      await write(file, false);
    } catch (error) {
      if (!(error instanceof RiggerError) || error.status !== 412) throw error;
      if (!mayReplace(file.name)) return false;
      await write(file, true);
    }
    return true;
  };
  const run = async (files: readonly File[], known: ReadonlySet<string>) => {
    setProblems([]);
    let count = 0;
    for (const [at, file] of files.entries()) {
      setSaid(`Uploading ${at + 1} of ${files.length}: ${file.name}, ${size(file.size)}…`);
      try {
        if (await put(file, known.has(file.name))) count++;
      } catch (error) {
        setProblems((old) => [...old, `${file.name}: ${messageOf(error)}`]);
      }
    }
    setSaid(`${count} ${count === 1 ? "file was" : "files were"} uploaded.`);
  };
  /** Returns the attributes of an element that files can be dropped on. */
  const target = (take: (files: readonly File[]) => Promise<void>) => ({
    onDragOver: (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: () => setOver(false),
    onDrop: (event: DragEvent) => {
      event.preventDefault();
      setOver(false);
      const items = [...(event.dataTransfer?.items ?? [])];
      // The browser has no content of directories here.
      const files = items.flatMap((item) => {
        const isDirectory = item.webkitGetAsEntry()?.isDirectory ?? false;
        return isDirectory ? [] : (item.getAsFile() ?? []);
      });
      void take(files);
    },
  });
  return { run, target, isOver, said, problems };
}
