import { useState } from "preact/hooks";
import type { Event, NewShare, Session, Snapshot } from "../client/rigger.ts";
import { money, promptText } from "../shared/readable.ts";
import { owns, rigger, sharedSession } from "./api.ts";
import { oneLine, pretty } from "./format.ts";
import { McpServers } from "./mcp-servers.tsx";
import { Previews } from "./previews.tsx";
import { go } from "./route.ts";
import {
  Action,
  Copy,
  Dialog,
  Empty,
  Field,
  FormDialog,
  Loading,
  Problem,
  Status,
  useLoaded,
  When,
} from "./ui.tsx";

const EVENTS_SHOWN = 300;

/** The stored events, as the API has them. */
export function RawEvents({ events }: { events: Event[]; rev: number }) {
  const [filter, setFilter] = useState("");
  const [shown, setShown] = useState(EVENTS_SHOWN);
  const found = filter === "" ? events : events.filter(({ type }) => type.includes(filter));
  const some = found.slice(-shown);
  return (
    <section aria-label="Events">
      <Field label="Type contains">
        {(id) => (
          <input
            id={id}
            type="search"
            value={filter}
            onInput={({ currentTarget }) => setFilter(currentTarget.value)}
          />
        )}
      </Field>
      {some.length < found.length && (
        <button type="button" class="more" onClick={() => setShown((n) => n + EVENTS_SHOWN)}>
          Show {Math.min(EVENTS_SHOWN, found.length - some.length)} earlier of{" "}
          {found.length - some.length}
        </button>
      )}
      {some.length === 0 && <Empty title="No such event." />}
      <ol class="raw">
        {some.map((event) => (
          <li key={event.seq}>
            <details>
              <summary>
                <span class="seq">{event.seq}</span>
                <code>{event.type}</code>
                {event.agent !== undefined && <span class="tag">{event.agent}</span>}
                <time dateTime={event.at}>{event.at.slice(11, 23)}</time>
              </summary>
              <pre>{pretty(event)}</pre>
            </details>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** What belongs to a session besides its log. */
export function Details({ session, refresh }: { session: Session; refresh(): void }) {
  return (
    <div class="details">
      {sharedSession.value === null && (
        <>
          <Schedules session={session} refresh={refresh} />
          <Snapshots session={session} />
          {owns() && session.sandbox.provider !== "embedded" && <Previews session={session} />}
          <McpServers session={session} />
        </>
      )}
      <section class="card" aria-label="Configuration">
        <h2>Configuration</h2>
        <pre>{pretty(session.config)}</pre>
        <Copy text={pretty(session.config)} label="Copy as JSON" />
      </section>
      <section class="card" aria-label="Usage">
        <h2>Usage</h2>
        <div class="table-box">
          <table>
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col" class="number">
                  Input
                </th>
                <th scope="col" class="number">
                  From cache
                </th>
                <th scope="col" class="number">
                  Output
                </th>
                <th scope="col" class="number">
                  Cost
                </th>
              </tr>
            </thead>
            <tbody>
              {Object.entries(session.usage.byModel).map(([model, used]) => (
                <tr key={model}>
                  <th scope="row">{model}</th>
                  <td class="number" data-label="Input">
                    {(used.inputTokens + used.cacheWriteTokens).toLocaleString("en")}
                  </td>
                  <td class="number" data-label="From cache">
                    {used.cacheReadTokens.toLocaleString("en")}
                  </td>
                  <td class="number" data-label="Output">
                    {used.outputTokens.toLocaleString("en")}
                  </td>
                  <td class="number" data-label="Cost">
                    {money(used.cost)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {Object.keys(session.usage.byModel).length === 0 && (
          <p class="hint">No model has run yet.</p>
        )}
      </section>
      {owns() && (
        <section class="card" aria-label="Delete">
          <h2>Delete</h2>
          <p>
            Removes the session with its history, its events, its files, its artifacts and its
            snapshots.
          </p>
          <Action
            kind="danger"
            run={async () => {
              if (!confirm("Delete this session with everything that it has?")) return;
              await rigger.session(session.id).delete();
              go("/");
            }}
          >
            Delete the session
          </Action>
        </section>
      )}
    </div>
  );
}

function Schedules({ session, refresh }: { session: Session; refresh(): void }) {
  const path = { id: session.id };
  const { value, error, again } = useLoaded(
    () => rigger.get("/api/sessions/{id}/schedules", { path }),
    session.id,
    10_000,
  );
  const changed = () => {
    again();
    refresh();
  };
  return (
    <section class="card" aria-label="Schedules">
      <h2>Schedules</h2>
      {error !== undefined && <Problem error={error} retry={again} />}
      {!value && error === undefined && <Loading what="schedules" />}
      {value?.schedules.length === 0 && <p class="hint">Nothing is scheduled.</p>}
      <ul class="plain-list">
        {value?.schedules.map((schedule) => (
          <li key={schedule.id}>
            <p>
              <strong>
                {schedule.cron ??
                  (schedule.everyMs === null ? "once" : `every ${schedule.everyMs / 1_000} s`)}
              </strong>{" "}
              {schedule.timeZone} {schedule.paused && <Status of="paused" />}
              {schedule.nextRunAt !== null && (
                <>
                  next <When at={schedule.nextRunAt} />
                </>
              )}
            </p>
            <p class="task">{oneLine(promptText(schedule.prompt), 160)}</p>
            {owns() && (
              <div class="actions">
                <Action
                  run={async () => {
                    const at = { id: session.id, scheduleId: schedule.id };
                    const body = { paused: !schedule.paused };
                    await rigger.patch("/api/sessions/{id}/schedules/{scheduleId}", {
                      path: at,
                      body,
                    });
                    changed();
                  }}
                >
                  {schedule.paused ? "Resume" : "Pause"}
                </Action>
                <Action
                  kind="danger"
                  run={async () => {
                    const at = { id: session.id, scheduleId: schedule.id };
                    await rigger.delete("/api/sessions/{id}/schedules/{scheduleId}", { path: at });
                    changed();
                  }}
                >
                  Delete
                </Action>
              </div>
            )}
          </li>
        ))}
      </ul>
      {owns() && session.pattern !== "ephemeral" && session.expiresBecause !== "retention" && (
        <NewSchedule session={session} done={changed} />
      )}
    </section>
  );
}

function NewSchedule({ session, done }: { session: Session; done(): void }) {
  const [cron, setCron] = useState("");
  const [prompt, setPrompt] = useState("");
  const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <details>
      <summary>New schedule</summary>
      <Field
        label="When"
        hint={`A cron expression in ${timeZone}, such as 0 9 * * mon-fri or @daily.`}
      >
        {(id, hint) => (
          <input
            id={id}
            aria-describedby={hint}
            type="text"
            value={cron}
            onInput={({ currentTarget }) => setCron(currentTarget.value)}
          />
        )}
      </Field>
      <Field label="Prompt">
        {(id) => (
          <textarea
            id={id}
            rows={2}
            value={prompt}
            onInput={({ currentTarget }) => setPrompt(currentTarget.value)}
          />
        )}
      </Field>
      <Action
        kind="main"
        disabled={cron.trim() === "" || prompt.trim() === ""}
        run={async () => {
          await rigger.session(session.id).schedule({ cron: cron.trim(), timeZone, prompt });
          setCron("");
          setPrompt("");
          done();
        }}
      >
        Create the schedule
      </Action>
    </details>
  );
}

/** Returns the limits and the metadata of a session, for another one like it. */
export const likeThis = (session: Session) => ({
  pattern: session.pattern,
  maxIdleTimeMs: session.maxIdleTimeMs,
  maxLifetimeMs: session.maxLifetimeMs,
  maxBudgetUsd: session.maxBudgetUsd,
  maxTurns: session.maxTurns,
  onLimit: session.onLimit,
  tags: session.tags,
  userId: session.userId,
});

/** How many sessions are looked through for those that began from this one. */
const LOOKED_THROUGH = 500;

/** What a session began from, its snapshots, and the sessions that began from it, as a tree. */
function Snapshots({ session }: { session: Session }) {
  const { value, error, again } = useLoaded(() => familyOf(session), session.id);
  const origin = session.config.resumeSessionId ?? session.config.snapshotId;
  return (
    <section class="card" aria-label="Snapshots and forks">
      <h2>Snapshots and forks</h2>
      {error !== undefined && <Problem error={error} retry={again} />}
      {!value && error === undefined && <Loading what="snapshots" />}
      {value && (
        <ul class="tree">
          {origin && (
            <li>
              began from{" "}
              {origin.startsWith("sess_") ? (
                <a href={`#/sessions/${origin}`}>{origin}</a>
              ) : (
                <code>{origin}</code>
              )}
            </li>
          )}
          <li>
            <strong>this session</strong>
            <ul>
              {value.forks.map((fork) => (
                <Fork session={fork} key={fork.id} />
              ))}
              {value.snapshots.map(({ snapshot, sessions }) => (
                <li key={snapshot.id}>
                  snapshot of <When at={snapshot.createdAt} />, {snapshot.numMessages} messages,{" "}
                  {Math.ceil(snapshot.sizeBytes / 1024).toLocaleString("en")} KB{" "}
                  {owns() && (
                    <Action
                      size="small"
                      run={async () => {
                        const config = { ...session.config, snapshotId: snapshot.id };
                        delete config.resumeSessionId;
                        delete config.continueSession;
                        const made = await rigger.create({ ...likeThis(session), config });
                        go(`/sessions/${made.id}`);
                      }}
                    >
                      Start from it
                    </Action>
                  )}
                  <ul>
                    {sessions.map((one) => (
                      <Fork session={one} key={one.id} />
                    ))}
                  </ul>
                </li>
              ))}
            </ul>
          </li>
        </ul>
      )}
      {value?.isCut && (
        <p class="hint">
          Only the first {LOOKED_THROUGH} sessions that were created later were looked through.
        </p>
      )}
      {owns() && session.pattern !== "ephemeral" && (
        <Action
          run={async () => {
            await rigger.session(session.id).snapshot();
            again();
          }}
        >
          Take a snapshot
        </Action>
      )}
    </section>
  );
}

const Fork = ({ session }: { session: Session }) => (
  <li>
    <a href={`#/sessions/${session.id}`}>{session.description ?? session.id}</a>{" "}
    <Status of={session.status} />
  </li>
);

/** Loads the snapshots of a session, and the sessions that began from it or from one of them. */
async function familyOf(session: Session) {
  const path = { id: session.id };
  const { snapshots } = await rigger.get("/api/sessions/{id}/snapshots", { path });
  const later: Session[] = [];
  let isCut = false;
  const query = { createdAfter: session.createdAt, sort: "createdAt", pageSize: 100 } as const;
  for await (const one of rigger.sessions(query)) {
    isCut = later.length >= LOOKED_THROUGH;
    if (isCut) break;
    later.push(one);
  }
  const isFork = ({ id, config }: Session) =>
    id !== session.id &&
    (config.resumeSessionId === session.id ||
      (config.resumeSessionId === session.sessionId && config.resumeSessionId !== undefined));
  const of = (snapshot: Snapshot) =>
    later.filter(({ config }) => config.snapshotId === snapshot.id);
  return {
    forks: later.filter(isFork),
    snapshots: snapshots.map((snapshot) => ({ snapshot, sessions: of(snapshot) })),
    isCut,
  };
}

interface LimitsProps {
  session: Session;
  close(): void;
  refresh(): void;
}

const MINUTE_MS = 60_000;
const NAMES_OF_LIMITS = ["maxBudgetUsd", "maxTurns", "maxLifetimeMs", "maxIdleTimeMs"] as const;

/** Changes the limits of a session. An empty field is no limit. */
export function RaiseLimits({ session, close, refresh }: LimitsProps) {
  const minutes = (ms: number | null) =>
    ms === null ? "" : String(Number((ms / MINUTE_MS).toFixed(3)));
  const [given] = useState({
    maxBudgetUsd: session.maxBudgetUsd === null ? "" : String(session.maxBudgetUsd),
    maxTurns: session.maxTurns === null ? "" : String(session.maxTurns),
    maxLifetimeMs: minutes(session.maxLifetimeMs),
    maxIdleTimeMs: minutes(session.maxIdleTimeMs),
  });
  const [fields, setFields] = useState(given);
  const amountOf = (name: keyof typeof fields): number | null => {
    const text = fields[name].trim();
    if (text === "") return null;
    return name.endsWith("Ms") ? Math.round(Number(text) * MINUTE_MS) : Number(text);
  };
  const save = async () => {
    // What was not changed here may have been changed elsewhere.
    const changed = NAMES_OF_LIMITS.filter((name) => fields[name] !== given[name]);
    if (changed.length > 0) {
      const patch = Object.fromEntries(changed.map((name) => [name, amountOf(name)]));
      await rigger.session(session.id).update(patch);
    }
    refresh();
  };
  const field = (name: keyof typeof fields, label: string, hint: string, step: string) => (
    <Field label={label} hint={hint}>
      {(id, hintId) => (
        <input
          id={id}
          aria-describedby={hintId}
          type="number"
          min="0"
          step={step}
          value={fields[name]}
          onInput={({ currentTarget }) =>
            setFields((old) => ({ ...old, [name]: currentTarget.value }))
          }
        />
      )}
    </Field>
  );
  return (
    <FormDialog title="Limits" close={close} save={save}>
      {field("maxBudgetUsd", "Budget in dollars", `${money(session.totalCost)} are used.`, "any")}
      {field("maxTurns", "Turns", `${session.numTurns} are used.`, "1")}
      {field("maxLifetimeMs", "Lifetime in minutes", "From its creation.", "any")}
      {field("maxIdleTimeMs", "Idle time in minutes", "Without activity.", "any")}
      <p class="hint">An empty field is no limit.</p>
    </FormDialog>
  );
}

/** Makes share links, and revokes them. */
export function ShareDialog({ id, close }: { id: string; close(): void }) {
  const path = { id };
  const { value, error, again } = useLoaded(
    () => rigger.get("/api/sessions/{id}/shares", { path }),
    id,
  );
  const [made, setMade] = useState<NewShare | null>(null);
  const make = (access: "read" | "write") => async () => {
    setMade(await rigger.post("/api/sessions/{id}/shares", { path, body: { access } }));
    again();
  };
  return (
    <Dialog title="Share this session" close={close}>
      <p>
        Whoever has the link reads this session, or also writes to it, without a key and for a week.
        It is shown once.
      </p>
      <div class="actions">
        <Action kind="main" run={make("read")}>
          Link to read
        </Action>
        <Action run={make("write")}>Link to read and write</Action>
      </div>
      {made && (
        <div class="made" role="status">
          <label for="share-url">
            Link to {made.access === "read" ? "read" : "read and write"}
          </label>
          <input id="share-url" type="text" readOnly value={made.url} />
          <Copy text={made.url} />
        </div>
      )}
      {error !== undefined && <Problem error={error} retry={again} />}
      <ul class="plain-list">
        {value?.shares.map((share) => (
          <li key={share.id} class="row">
            <span>
              {share.access}, expires <When at={share.expiresAt} />
            </span>
            <Action
              kind="danger"
              size="small"
              run={async () => {
                await rigger.delete("/api/sessions/{id}/shares/{shareId}", {
                  path: { id, shareId: share.id },
                });
                again();
              }}
            >
              Revoke
            </Action>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
