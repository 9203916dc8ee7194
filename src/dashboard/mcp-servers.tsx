import { useState } from "preact/hooks";
import type { McpOauth, Session, SessionMcpServer } from "../client/rigger.ts";
import { owns, rigger } from "./api.ts";
import { oneLine } from "./format.ts";
import { Field, FormDialog, Problem, Status, useLoaded, When } from "./ui.tsx";

/** The MCP servers of a session, with the tools that they offer. Most sessions have none, and show nothing. */
export function McpServers({ session }: { session: Session }) {
  const { value, error, again } = useLoaded(
    () => rigger.session(session.id).mcpServers(),
    `${session.id} ${session.numMessages}`,
  );
  if (error === undefined && !value?.length) return null;
  return (
    <section class="card" aria-label="MCP servers">
      <h2>MCP servers</h2>
      {error !== undefined && <Problem error={error} retry={again} />}
      <ul class="plain-list">
        {value?.map((server) => (
          <Server server={server} session={session.id} again={again} key={server.name} />
        ))}
      </ul>
    </section>
  );
}

interface ServerProps {
  server: SessionMcpServer;
  session: string;
  /** Loads the servers again. */
  again(): void;
}

function Server({ server, session, again }: ServerProps) {
  const [isOpen, setOpen] = useState(false);
  const [isRenewed, setRenewed] = useState(false);
  const { name, origin, authorization, tools, leftOut, listedAt, error } = server;
  return (
    <li>
      <p>
        <strong>{name}</strong> <code>{origin}</code>{" "}
        {authorization !== "none" && <span class="tag">{authorization}</span>}{" "}
        {error !== null && <Status of="failed" />}
      </p>
      {error !== null && <p class="inline-problem">{error}</p>}
      <p class="hint">
        {listedAt === null ? (
          "Its tools are listed with the next message."
        ) : (
          <>
            {tools.length} {tools.length === 1 ? "tool" : "tools"}, listed <When at={listedAt} />
          </>
        )}
      </p>
      {owns() && (
        <p class="row">
          <button
            type="button"
            class="small"
            aria-label={`Give new access to ${name}`}
            onClick={() => setOpen(true)}
          >
            Give new access
          </button>
          <span class="hint" role="status">
            {isRenewed && "The next request to it uses the new access."}
          </span>
        </p>
      )}
      {isOpen && (
        <NewAccess
          server={name}
          session={session}
          close={() => setOpen(false)}
          done={() => {
            setRenewed(true);
            again();
          }}
        />
      )}
      {tools.length + leftOut.length > 0 && (
        <details>
          <summary>Tools</summary>
          <ul class="plain-list">
            {tools.map((tool) => (
              <li key={tool.name}>
                <code>{tool.name}</code> <span class="hint">{oneLine(tool.description, 200)}</span>
              </li>
            ))}
            {leftOut.map((tool) => (
              <li key={tool.name}>
                <code>{tool.name}</code> <span class="hint">is left out: {tool.reason}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </li>
  );
}

/** The fields of the form, with their labels. */
const FIELDS = {
  tokenUrl: "Token URL",
  clientId: "Client id",
  clientSecret: "Client secret (optional)",
  refreshToken: "Refresh token",
  scope: "Scope (optional)",
} as const satisfies Partial<Record<keyof McpOauth, string>>;
type FieldName = keyof typeof FIELDS;

const OPTIONAL: readonly FieldName[] = ["clientSecret", "scope"];
const HIDDEN: readonly FieldName[] = ["clientSecret", "refreshToken"];

interface NewAccessProps {
  server: string;
  session: string;
  close(): void;
  done(): void;
}

/** The form that replaces the OAuth access of a server. What it has now is shown to nobody, so all of it is asked for. */
function NewAccess({ server, session, close, done }: NewAccessProps) {
  const [fields, setFields] = useState<Partial<Record<FieldName, string>>>({});
  const [sendsInBody, setSendsInBody] = useState(false);
  const save = async () => {
    const { tokenUrl = "", clientId = "", refreshToken = "", clientSecret, scope } = fields;
    await rigger.session(session).authorizeMcpServer(server, {
      ...{ tokenUrl, clientId, refreshToken },
      ...(clientSecret && { clientSecret }),
      ...(scope && { scope }),
      ...(sendsInBody && { clientAuth: "post" }),
    });
    done();
  };
  return (
    <FormDialog title={`New access to ${server}`} close={close} save={save}>
      <p>
        Replaces the OAuth access of the server. <a href="/docs">See the API</a>
      </p>
      {(Object.keys(FIELDS) as FieldName[]).map((name) => (
        <Field label={FIELDS[name]} key={name}>
          {(id) => {
            const control = {
              id,
              autocomplete: "off",
              required: !OPTIONAL.includes(name),
              value: fields[name] ?? "",
              onInput: ({ currentTarget: { value } }: { currentTarget: { value: string } }) =>
                setFields((old) => ({ ...old, [name]: value.trim() })),
            } as const;
            return HIDDEN.includes(name) ? (
              <input type="password" {...control} />
            ) : (
              <input type="text" {...control} />
            );
          }}
        </Field>
      ))}
      <label>
        <input
          type="checkbox"
          checked={sendsInBody}
          onChange={({ currentTarget }) => setSendsInBody(currentTarget.checked)}
        />{" "}
        The client secret is sent in the body
      </label>
    </FormDialog>
  );
}
