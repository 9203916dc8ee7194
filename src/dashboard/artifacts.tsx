import type { Artifact } from "../client/api.ts";
import type { Session } from "../client/rigger.ts";
import { rigger } from "./api.ts";
import { oneLine, size } from "./format.ts";
import { Action, Problem, usePages, When } from "./ui.tsx";
import { download, FileList, type Viewed } from "./viewer.tsx";

const PAGE = 50;

interface ArtifactsProps {
  session: Session;
  /** Changes when something may have been published. */
  rev: number;
  /** Returns the prompt of a message. */
  promptOf(messageId: string): string;
}

/** What agents have published, newest first. Nothing is shown of a session that publishes nothing. */
export function Artifacts({ session, rev, promptOf }: ArtifactsProps) {
  const { id } = session;
  const pages = usePages(
    async (cursor) => {
      const query = { limit: PAGE, ...(cursor !== undefined && { cursor: Number(cursor) }) };
      const page = await rigger.get("/api/sessions/{id}/artifacts", { path: { id }, query });
      return { items: page.artifacts, nextCursor: page.nextCursor };
    },
    id,
    rev,
  );
  const hasNone = pages.items?.length === 0;
  if (pages.error === undefined && (!pages.items || (hasNone && !session.config.artifacts))) {
    return null;
  }
  const { artifacts } = rigger.session(id);
  return (
    <section class="card files" aria-label="Artifacts">
      <h2>Artifacts</h2>
      {pages.error !== undefined && <Problem error={pages.error} retry={pages.again} />}
      {hasNone && <p class="hint">Nothing has been published yet.</p>}
      <FileList items={pages.items} more={pages.more}>
        {(artifact, view) => (
          <Published
            artifact={artifact}
            prompt={promptOf(artifact.messageId)}
            read={(bytes) =>
              artifacts.content(
                artifact.id,
                bytes === undefined ? {} : { headers: { Range: `bytes=0-${bytes - 1}` } },
              )
            }
            view={view}
            key={artifact.id}
          />
        )}
      </FileList>
    </section>
  );
}

interface PublishedProps {
  artifact: Artifact;
  prompt: string;
  read(bytes?: number): Promise<Response>;
  view(file: Viewed): void;
}

function Published({ artifact, prompt, read, view }: PublishedProps) {
  const { path, sizeBytes, contentType, createdAt, description, agent } = artifact;
  const file: Viewed = { path, sizeBytes, read };
  const name = oneLine(path, 120);
  const [title = ""] = prompt.trim().split("\n");
  return (
    <li>
      <span class="entry-name">
        <button type="button" class="plain" onClick={() => view(file)}>
          {name}
        </button>
        <span class="hint">
          {description !== null && `${oneLine(description, 200)} · `}
          {agent !== "main" && `${agent} · `}
          {title !== "" && `for “${oneLine(title, 60)}”`}
        </span>
      </span>
      <span class="entry-size">
        {size(sizeBytes)} <span class="hint">{contentType.split(";")[0]}</span>
      </span>
      <span class="entry-time">
        <When at={createdAt} />
      </span>
      <span class="actions">
        <Action size="small" aria-label={`Download ${name}`} run={() => download(file)}>
          Download
        </Action>
      </span>
    </li>
  );
}
