import type { Session, SessionMcpServer } from "../client/rigger.ts";
import { rigger } from "./api.ts";
import { oneLine } from "./format.ts";
import { Problem, Status, useLoaded, When } from "./ui.tsx";

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
          <Server server={server} key={server.name} />
        ))}
      </ul>
    </section>
  );
}

function Server({ server }: { server: SessionMcpServer }) {
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
