import { useState } from "preact/hooks";
import { hasEnded, type NewPreview, type Session } from "../client/rigger.ts";
import { rigger } from "./api.ts";
import { Action, Copy, Field, Loading, Problem, useLoaded, When } from "./ui.tsx";

/** The addresses at which servers in the sandbox are reached. The embedded sandbox has no network, and no previews. */
export function Previews({ session }: { session: Session }) {
  const { previews } = rigger.session(session.id);
  const { value, error, again } = useLoaded(() => previews.list(), session.id, 10_000);
  const [port, setPort] = useState("");
  const [made, setMade] = useState<NewPreview | null>(null);
  return (
    <section class="card" aria-label="Previews">
      <h2>Previews</h2>
      {error !== undefined && <Problem error={error} retry={again} />}
      {!value && error === undefined && <Loading what="previews" />}
      {value?.length === 0 && <p class="hint">No server of the sandbox is reachable.</p>}
      <ul class="plain-list">
        {value?.map((preview) => (
          <li key={preview.id} class="row">
            <span>
              Port {preview.port}, expires <When at={preview.expiresAt} />
            </span>
            <Action
              kind="danger"
              size="small"
              aria-label={`Revoke the preview of port ${preview.port}`}
              run={async () => {
                if (!confirm("Revoke this preview? Its address leads nowhere then.")) return;
                await previews.delete(preview.id);
                if (made?.id === preview.id) setMade(null);
                again();
              }}
            >
              Revoke
            </Action>
          </li>
        ))}
      </ul>
      {made && <Address made={made} />}
      {!hasEnded(session) && (
        <>
          <Field
            label="Port"
            hint="That of a server in the sandbox, such as 5173. Whoever knows the address reaches it for a day, without a key."
          >
            {(id, hint) => (
              <input
                id={id}
                aria-describedby={hint}
                type="number"
                min="1"
                max="65535"
                value={port}
                onInput={({ currentTarget }) => setPort(currentTarget.value)}
              />
            )}
          </Field>
          <Action
            kind="main"
            disabled={!(Number(port) > 0)}
            run={async () => {
              setMade(await previews.create(Number(port)));
              setPort("");
              again();
            }}
          >
            Create a preview
          </Action>
        </>
      )}
    </section>
  );
}

const Address = ({ made }: { made: NewPreview }) => (
  <div class="made" role="status">
    <label for="preview-url">Address of port {made.port}, shown once</label>
    <input id="preview-url" type="text" readOnly value={made.url} />
    <div class="actions">
      <a class="button" href={made.url} target="_blank" rel="noreferrer">
        Open
      </a>
      <Copy text={made.url} />
    </div>
  </div>
);
