import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Approval, components } from "../client/api.ts";
import { RiggerError } from "../client/rigger.ts";
import { may, me, rigger } from "./api.ts";
import { Chart, Swatch } from "./chart.tsx";
import { duration, money, pretty, short } from "./format.ts";
import { change, parameters } from "./route.ts";
import { Scrollable } from "./scrollable.tsx";
import { Action, Empty, Loading, Problem, Status, useLoaded, When } from "./ui.tsx";

type UsageRow = components["schemas"]["UsageReport"]["rows"][number];
type Webhook = components["schemas"]["Webhook"];

const RANGES = [7, 30, 90];
const DAY_MS = 86_400_000;
/** How many users and owners are shown: those that have spent the most. */
const MOST = 10;

// How often cards are loaded again. What somebody waits for is asked for more often.
const SOON_MS = 10_000;
const LATER_MS = 60_000;

/** What the deployment does and costs. Each card loads by itself, and needs a scope. */
export function Overview() {
  const wanted = Number(parameters.value.get("days"));
  const days = RANGES.includes(wanted) ? wanted : 30;
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Overview</h1>
        <fieldset class="switch" aria-label="Range">
          {RANGES.map((range) => (
            <button
              type="button"
              class="small"
              key={range}
              aria-pressed={range === days}
              onClick={() => change({ days: range === 30 ? "" : String(range) })}
            >
              {range} days
            </button>
          ))}
        </fieldset>
      </div>
      <div class="overview">
        {may("usage:read") && <Now />}
        {may("sessions:read") && <Approvals />}
        {may("usage:read") && <Spend days={days} />}
        {may("usage:read") && <SessionsByDay days={days} />}
        {may("usage:read") && <Users />}
        {me.value?.admin && <Owners />}
        {may("webhooks:write") && <Webhooks />}
        {may("sessions:read") && <Pool />}
      </div>
    </>
  );
}

interface CardProps<T> {
  title: string;
  /** What is loaded, in a sentence. */
  what: string;
  isWide?: boolean;
  loaded: { value?: T | undefined; error?: unknown; again(): void };
  children(value: T): ComponentChildren;
}

/** A card with what it loads. If that fails, the card says so, and shows what it had. */
function Card<T>({ title, what, isWide = false, loaded, children }: CardProps<T>) {
  const { value, error, again } = loaded;
  const last = useRef(value);
  if (value !== undefined) last.current = value;
  // Of another range, the card shows what it had until the answer is there.
  const isStale = value === undefined && error === undefined && last.current !== undefined;
  const shown = isStale ? last.current : value;
  const id = `card-${what.replaceAll(" ", "-")}`;
  return (
    <section class={isWide ? "card wide" : "card"} aria-labelledby={id} aria-busy={isStale}>
      <h2 id={id} tabIndex={-1}>
        {title}
      </h2>
      {error !== undefined && <Problem error={error} retry={again} />}
      {shown === undefined && error === undefined && <Loading what={what} />}
      {shown !== undefined && children(shown)}
    </section>
  );
}

// The client repeats requests for up to a minute. A card tells sooner that nothing comes.
const PATIENCE_MS = 15_000;

/** Reads from the API. Rejects if there is no answer in time. */
async function read<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await ask(signal);
  } catch (error) {
    throw signal.aborted ? new RiggerError("The server does not answer.") : error;
  }
}

const today = (): string => dayOf(Date.now());
const dayOf = (instant: number): string => new Date(instant).toISOString().slice(0, 10);

/** Returns the last UTC dates, today among them, oldest first. */
const lastDays = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => dayOf(Date.now() - (count - 1 - i) * DAY_MS));

function Now() {
  const loaded = useLoaded(
    () =>
      read((signal) =>
        rigger.get("/api/usage", {
          query: { from: today(), to: today(), groupBy: ["day"] },
          signal,
        }),
      ).then(({ now }) => now),
    "now",
    SOON_MS,
  );
  return (
    <Card title="Now" what="what is used now" isWide loaded={loaded}>
      {(now) => (
        <dl class="tiles">
          <Spent name="Spent today" {...now.day} />
          <Spent name="Spent this month" {...now.month} />
          <div>
            <dt>Sessions not ended</dt>
            <dd class="big">
              <a href="#/?status=initializing,active,idle">
                {now.activeSessions.toLocaleString("en")}
              </a>
            </dd>
          </div>
          {now.runningMessages !== null && (
            <div>
              <dt>Running messages</dt>
              <dd class="big">{now.runningMessages.toLocaleString("en")}</dd>
            </div>
          )}
        </dl>
      )}
    </Card>
  );
}

interface SpentProps {
  name: string;
  spentUsd: number;
  heldUsd: number;
  maxUsd: number | null;
  resetsAt: string | null;
}

const Spent = ({ name, spentUsd, heldUsd, maxUsd, resetsAt }: SpentProps) => (
  <div>
    <dt>{name}</dt>
    <dd>
      <span class="big">{money(spentUsd)}</span>
      {maxUsd !== null && <span class="of"> of {money(maxUsd)}</span>}
      <Gauge name={name} used={spentUsd + heldUsd} max={maxUsd} />
      {(heldUsd > 0 || (maxUsd !== null && resetsAt !== null)) && (
        <p class="hint">
          {heldUsd > 0 && `${money(heldUsd)} held. `}
          {maxUsd !== null && resetsAt !== null && (
            <>
              Resets <When at={resetsAt} />.
            </>
          )}
        </p>
      )}
    </dd>
  </div>
);

/** How much of a limit is used. Without a limit there is nothing to show. */
function Gauge({ name, used, max }: { name: string; used: number; max: number | null }) {
  if (max === null) return null;
  // Of a limit of nothing, all is used.
  const part = max > 0 ? Math.min(1, used / max) : 1;
  const percent = Math.round(part * 100);
  return (
    <meter
      class={part >= 1 ? "gauge bad" : part >= 0.8 ? "gauge wait" : "gauge"}
      aria-label={`${name}: ${percent} % of the limit`}
      title={`${percent} %`}
      min={0}
      max={1}
      value={part}
    />
  );
}

function Approvals() {
  const loaded = useLoaded(
    () => read((signal) => rigger.get("/api/approvals", { query: { limit: 20 }, signal })),
    "approvals",
    SOON_MS,
  );
  const [decided, setDecided] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const done = (text: string) => {
    setDecided(text);
    loaded.again();
    // The button that had the focus goes away.
    box.current?.closest("section")?.querySelector("h2")?.focus();
  };
  return (
    <Card title="Pending approvals" what="pending approvals" isWide loaded={loaded}>
      {({ approvals, nextCursor }) => (
        <div ref={box} class="approvals">
          <p class={decided ? "note good" : "hidden"} role="status">
            {decided}
          </p>
          {approvals.length === 0 && <p class="quiet-line">No tool call waits for a decision.</p>}
          {approvals.length > 0 && (
            <ul class="plain-list">
              {approvals.map((approval, i) => (
                <Pending
                  approval={approval}
                  place={`${i + 1} of ${approvals.length}`}
                  done={done}
                  key={approval.id}
                />
              ))}
            </ul>
          )}
          {nextCursor !== null && <p class="hint">There are more: decide these first.</p>}
        </div>
      )}
    </Card>
  );
}

function Pending({
  approval,
  place,
  done,
}: {
  approval: Approval /** Tells calls of the same tool from each other. */;
  place: string;
  done(text: string): void;
}) {
  const [note, setNote] = useState("");
  const { id, sessionId, name, agent, input, requestedAt, expiresAt } = approval;
  const session = rigger.session(sessionId);
  const given = note.trim() === "" ? {} : { note: note.trim() };
  return (
    <li class="pending">
      <p class="pending-title">
        <strong id={`${id}-name`}>{name}</strong>
        {agent !== "main" && <span class="tag">{agent}</span>}
        <a href={`#/sessions/${sessionId}`}>Open the session</a>
        <span class="hint">
          asked <When at={requestedAt} />
          {expiresAt !== null && (
            <>
              , expires <When at={expiresAt} />
            </>
          )}
        </span>
      </p>
      <Scrollable name={`Input of ${name}, ${place}`} kind="pending-input">
        <pre>{pretty(input)}</pre>
      </Scrollable>
      {may("approvals:write") && (
        <div class="actions">
          <input
            type="text"
            aria-label={`Note on ${name} for the agent, ${place}, optional`}
            placeholder="Note for the agent (optional)"
            maxLength={10_000}
            value={note}
            onInput={({ currentTarget }) => setNote(currentTarget.value)}
          />
          <Action
            kind="main"
            aria-describedby={`${id}-name`}
            run={() => session.allow(id, given).then(() => done(`${name} was allowed.`))}
          >
            Allow
          </Action>
          <Action
            kind="danger"
            aria-describedby={`${id}-name`}
            run={() => session.deny(id, given).then(() => done(`${name} was denied.`))}
          >
            Deny
          </Action>
        </div>
      )}
    </li>
  );
}

/** Colours of the most expensive models. All others share the last one. */
const COLORS = ["--series-1", "--series-2", "--series-3", "--series-4"];
const COLOR_OF_OTHERS = "--series-5";

function Spend({ days }: { days: number }) {
  const range = lastDays(days);
  const loaded = useLoaded(
    () =>
      read((signal) =>
        rigger.get("/api/usage", {
          query: { from: range[0] ?? "", to: range.at(-1) ?? "", groupBy: ["day", "model"] },
          signal,
        }),
      ).then(({ rows }) => ({ rows, range })),
    `spend ${range[0]} ${days}`,
    LATER_MS,
  );
  return (
    <Card title="Spend" what="what was spent" loaded={loaded}>
      {({ rows, range }) =>
        rows.length === 0 ? <Nothing days={range.length} /> : <SpendOf rows={rows} days={range} />
      }
    </Card>
  );
}

const Nothing = ({ days }: { days: number }) => (
  <Empty title={`Nothing in ${days} days.`}>
    {may("sessions:write") && <a href="#/new">Create a session</a>}
  </Empty>
);

/** Returns 1, 2, 5, 10, 20, 50 and so on, from 10 to the power of `from`. */
const stepsFrom = (from: number): number[] =>
  Array.from({ length: 16 - from }, (_, i) => 10 ** (from + i)).flatMap((ten) => [
    ten,
    2 * ten,
    5 * ten,
  ]);

const DOLLARS = stepsFrom(-6);
const COUNTS = stepsFrom(0);
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DURATIONS = [
  ...stepsFrom(0).filter((ms) => ms < SECOND_MS),
  ...[SECOND_MS, 5 * SECOND_MS, 10 * SECOND_MS, 30 * SECOND_MS],
  ...[MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS, 20 * MINUTE_MS, 30 * MINUTE_MS],
  ...[HOUR_MS, 2 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS],
  ...stepsFrom(0).map((days) => days * DAY_MS),
];

function SpendOf({ rows, days }: { rows: UsageRow[]; days: string[] }) {
  const models = groupsOf(rows, (row) => row.model ?? "");
  const shown = models.slice(0, COLORS.length);
  const others = models.slice(COLORS.length);
  const byDay = (some: UsageRow[]) =>
    days.map((day) =>
      sumOf(
        some.filter((row) => row.day === day),
        "cost",
      ),
    );
  const tokensByDay = (isCached: boolean) =>
    days.map((day) => {
      const some = rows.filter((row) => row.day === day);
      const cached = sumOf(some, "cacheReadTokens");
      return isCached ? cached : sumOf(some, "tokens") - cached;
    });
  const series = [
    ...shown.map(({ name, rows }, i) => ({ name, color: COLORS[i] ?? "", values: byDay(rows) })),
    ...(others.length > 0
      ? [
          {
            name: "Others",
            color: COLOR_OF_OTHERS,
            values: byDay(others.flatMap(({ rows }) => rows)),
          },
        ]
      : []),
  ];
  return (
    <>
      <p class="sum">
        <span class="big">{money(sumOf(rows, "cost"))}</span> in {days.length} days
      </p>
      <Chart title="Spend per day" days={days} series={series} format={money} steps={DOLLARS} />
      <Chart
        title="Tokens per day"
        days={days}
        series={[
          { name: "From the cache", color: COLOR_OF_OTHERS, values: tokensByDay(true) },
          { name: "Others", color: "--series-1", values: tokensByDay(false) },
        ]}
        format={short}
        steps={COUNTS}
        hasLegend
      />
      <Table
        name="Spend by model"
        columns={["Model", "Cost", "Tokens", "From cache"]}
        rows={models.map(({ name, rows }, i) => {
          const cached = sumOf(rows, "cacheReadTokens");
          const read = cached + sumOf(rows, "inputTokens") + sumOf(rows, "cacheWriteTokens");
          return {
            key: name,
            cells: [
              <>
                <Swatch color={COLORS[i] ?? COLOR_OF_OTHERS} />
                {name}
              </>,
              money(sumOf(rows, "cost")),
              short(sumOf(rows, "tokens")),
              read === 0 ? "–" : `${Math.round((cached / read) * 100)} %`,
            ],
          };
        })}
      />
    </>
  );
}

/** Returns rows by a name, those first that cost the most. */
function groupsOf(
  rows: UsageRow[],
  nameOf: (row: UsageRow) => string,
): { name: string; rows: UsageRow[] }[] {
  const groups = new Map<string, UsageRow[]>();
  for (const row of rows) {
    const name = nameOf(row);
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  return [...groups]
    .map(([name, rows]) => ({ name, rows }))
    .sort((a, b) => sumOf(b.rows, "cost") - sumOf(a.rows, "cost"));
}

const sumOf = (
  rows: UsageRow[],
  field: "cost" | "tokens" | "inputTokens" | "cacheReadTokens" | "cacheWriteTokens",
) => rows.reduce((sum, row) => sum + row[field], 0);

interface TableProps {
  /** What the table is, for those who do not see it. */
  name: string;
  /** The first one names rows. The others have numbers. */
  columns: string[];
  rows: { key: string; cells: ComponentChildren[] }[];
}

const Table = ({ name, columns, rows }: TableProps) => (
  <Scrollable name={name} kind="table-box">
    <table>
      <thead>
        <tr>
          {columns.map((column, i) => (
            <th scope="col" class={i > 0 ? "number" : undefined} key={column}>
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, cells: [first, ...others] }) => (
          <tr key={key}>
            <th scope="row">{first}</th>
            {others.map((cell, i) => (
              <td class="number" key={columns[i + 1]}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  </Scrollable>
);

function SessionsByDay({ days }: { days: number }) {
  const range = lastDays(days);
  const loaded = useLoaded(
    () =>
      read((signal) =>
        rigger.get("/api/sessions/stats/summary", {
          query: { from: range[0] ?? "", to: range.at(-1) ?? "", groupBy: "day" },
          signal,
        }),
      ).then((summary) => ({ summary, range })),
    `sessions ${range[0]} ${days}`,
    LATER_MS,
  );
  return (
    <Card title="Sessions" what="sessions by day" loaded={loaded}>
      {({ summary, range }) =>
        summary.totalSessions === 0 ? (
          <Nothing days={range.length} />
        ) : (
          <Summary summary={summary} days={range} />
        )
      }
    </Card>
  );
}

function Summary({ summary, days }: { summary: components["schemas"]["Summary"]; days: string[] }) {
  const found = new Map(summary.byDay?.map((row) => [row.day, row]));
  const rows = days.map((day) => found.get(day));
  const patterns = Object.entries(summary.byPattern).filter(([, { count }]) => count > 0);
  return (
    <>
      <p class="sum">
        <span class="big">{summary.totalSessions.toLocaleString("en")}</span> created in{" "}
        {days.length} days,{" "}
        {summary.errorSessions === 0
          ? "none failed"
          : `${summary.errorSessions.toLocaleString("en")} failed`}
      </p>
      <Chart
        title="Sessions created per day"
        days={days}
        series={[
          { name: "Failed", color: "--bad", values: rows.map((row) => row?.failed ?? 0) },
          {
            name: "Others",
            color: "--series-1",
            values: rows.map((row) => (row ? row.sessions - row.failed : 0)),
          },
        ]}
        format={short}
        steps={COUNTS}
        hasLegend
      />
      <Chart
        title="Average time to the end, by day of creation"
        days={days}
        series={[
          {
            name: "Average",
            color: "--series-2",
            values: rows.map((row) => (row && row.avgDuration > 0 ? row.avgDuration : null)),
          },
        ]}
        format={(ms) => (ms === 0 ? "0" : duration(ms))}
        steps={DURATIONS}
      />
      <Table
        name="Sessions by pattern"
        columns={["Pattern", "Sessions", "Cost each", "Tokens each", "Time"]}
        rows={patterns.map(([name, { count, avgCost, avgTokens, avgDuration }]) => ({
          key: name,
          cells: [
            name,
            count.toLocaleString("en"),
            money(avgCost),
            short(Math.round(avgTokens)),
            avgDuration === 0 ? "–" : duration(avgDuration),
          ],
        }))}
      />
    </>
  );
}

/** Returns the limits of owners, by their names. */
async function limitsOf(owners: Iterable<string>, signal: AbortSignal) {
  const found = await Promise.all(
    [...new Set(owners)].map(async (owner) => {
      const limits = await rigger.get("/api/owners/{owner}/limits", { path: { owner }, signal });
      return [owner, limits] as const;
    }),
  );
  return new Map(found);
}

function Users() {
  const isAdmin = me.value?.admin ?? false;
  const own = me.value?.owner ?? "";
  const loaded = useLoaded(
    () =>
      read(async (signal) => {
        const { rows } = await rigger.get("/api/usage", {
          query: { from: today(), to: today(), groupBy: isAdmin ? ["owner", "user"] : ["user"] },
          signal,
        });
        const most = rows.sort((a, b) => b.cost - a.cost).slice(0, MOST);
        const limits = await limitsOf(
          most.map(({ owner = own }) => owner),
          signal,
        );
        return most.map(({ userId = "", owner = own, cost }) => ({
          ...{ userId, owner, cost },
          max: limits.get(owner)?.perUser.maxDailyUsd ?? null,
        }));
      }),
    "users",
    LATER_MS,
  );
  return (
    <Card title="Users today" what="users of today" loaded={loaded}>
      {(users) =>
        users.length === 0 ? (
          <Empty title="No user has spent anything today.">
            <p>Sessions belong to users if they are created with a userId.</p>
          </Empty>
        ) : (
          <Table
            name="Users that have spent the most today"
            columns={isAdmin ? ["User", "Owner", "Spent", "Limit"] : ["User", "Spent", "Limit"]}
            rows={users.map(({ userId, owner, cost, max }) => ({
              key: JSON.stringify([owner, userId]),
              cells: [
                <a href={`#/?userId=${encodeURIComponent(userId)}`}>{userId}</a>,
                ...(isAdmin ? [owner] : []),
                money(cost),
                <OfLimit name={userId} used={cost} max={max} />,
              ],
            }))}
          />
        )
      }
    </Card>
  );
}

const OfLimit = ({ name, used, max }: { name: string; used: number; max: number | null }) =>
  max === null ? (
    <span class="of">none</span>
  ) : (
    <>
      {money(max)}
      <Gauge name={name} used={used} max={max} />
    </>
  );

function Owners() {
  const loaded = useLoaded(
    () =>
      read(async (signal) => {
        const page = await rigger.get("/api/owners", { query: { limit: 100 }, signal });
        const most = page.owners.sort((a, b) => b.monthCost - a.monthCost).slice(0, MOST);
        const limits = await limitsOf(
          most.map(({ owner }) => owner),
          signal,
        );
        const owners = most.map((row) => ({
          ...row,
          max: limits.get(row.owner)?.maxMonthlyUsd ?? null,
        }));
        return { owners, hasMore: page.nextCursor !== null };
      }),
    "owners",
    LATER_MS,
  );
  return (
    <Card title="Owners this month" what="owners" loaded={loaded}>
      {({ owners, hasMore }) =>
        owners.length === 0 ? (
          <Empty title="No owner has had a session yet." />
        ) : (
          <>
            <Table
              name="Owners that have spent the most this month"
              columns={["Owner", "Not ended", "Spent", "Limit"]}
              rows={owners.map(({ owner, activeSessions, monthCost, max }) => ({
                key: owner,
                cells: [
                  owner,
                  activeSessions.toLocaleString("en"),
                  money(monthCost),
                  <OfLimit name={owner} used={monthCost} max={max} />,
                ],
              }))}
            />
            {hasMore && <p class="hint">Of the first 100 owners, by name.</p>}
          </>
        )
      }
    </Card>
  );
}

function Webhooks() {
  const loaded = useLoaded(
    () => read((signal) => rigger.get("/api/webhooks", { signal })),
    "webhooks",
    LATER_MS,
  );
  return (
    <Card title="Webhooks" what="webhooks" loaded={loaded}>
      {({ webhooks }) =>
        webhooks.length === 0 ? (
          <Empty title="There is no webhook.">
            <p>
              A webhook sends events to an address of yours. <a href="/docs">See the API</a>
            </p>
          </Empty>
        ) : (
          <ul class="plain-list">
            {[...webhooks]
              .sort((a, b) => urgencyOf(b) - urgencyOf(a))
              .map((webhook) => (
                <Health webhook={webhook} key={webhook.id} />
              ))}
          </ul>
        )
      }
    </Card>
  );
}

const urgencyOf = ({ enabled, failingSince, pending }: Webhook): number =>
  (failingSince !== null ? 2 : 0) + (enabled && pending > 0 ? 1 : 0);

const Health = ({ webhook }: { webhook: Webhook }) => {
  const { enabled, disabledBecause, failingSince, pending, lastSuccessAt } = webhook;
  return (
    <li class="hook">
      <p class="hook-title">
        <span class="hook-url">{webhook.description ?? webhook.url}</span>
        {!enabled && <Status of="disabled" tone={disabledBecause === null ? "quiet" : "bad"} />}
        {enabled && failingSince !== null && <Status of="failing" tone="bad" />}
        {enabled && failingSince === null && (
          <Status
            of={lastSuccessAt === null ? "not used yet" : "works"}
            tone={lastSuccessAt === null ? "quiet" : "good"}
          />
        )}
      </p>
      <p class="hint">
        {webhook.description !== null && <span class="hook-url">{webhook.url} · </span>}
        {disabledBecause !== null && `${disabledBecause} · `}
        {failingSince !== null && (
          <>
            fails since <When at={failingSince} /> ·{" "}
          </>
        )}
        {pending.toLocaleString("en")} waiting ·{" "}
        {lastSuccessAt === null ? (
          "never delivered"
        ) : (
          <>
            last delivered <When at={lastSuccessAt} />
          </>
        )}
      </p>
    </li>
  );
};

function Pool() {
  const loaded = useLoaded(
    () => read((signal) => rigger.get("/api/pool", { signal })),
    "pool",
    SOON_MS,
  );
  return (
    <Card title="Containers" what="the pool of containers" loaded={loaded}>
      {({ target, ready, starting, leaving, handedOut, missed, breaker }) => {
        const isOff = target + ready + starting + leaving + handedOut + missed === 0;
        const asked = handedOut + missed;
        return (
          <>
            {breaker.state !== "closed" && (
              <p class="problem">
                <span>
                  Containers do not start: {breaker.failures} starts in a row have failed.
                  {breaker.retryAt !== null && (
                    <>
                      {" "}
                      The next attempt is <When at={breaker.retryAt} />.
                    </>
                  )}
                </span>
              </p>
            )}
            {isOff ? (
              <Empty title="No containers are kept ready.">
                <p>Each session starts its own, or runs without one.</p>
              </Empty>
            ) : (
              <>
                <dl class="tiles">
                  <Count name="Ready" count={ready} of={target} />
                  <Count name="Starting" count={starting} />
                  <Count name="Leaving" count={leaving} />
                </dl>
                <p class="hint">
                  {asked === 0
                    ? "No session has asked for one yet."
                    : `${handedOut.toLocaleString("en")} of ${asked.toLocaleString("en")} sessions found a ready container (${Math.round((handedOut / asked) * 100)} %).`}
                </p>
              </>
            )}
          </>
        );
      }}
    </Card>
  );
}

const Count = ({ name, count, of }: { name: string; count: number; of?: number }) => (
  <div>
    <dt>{name}</dt>
    <dd>
      <span class="big">{count}</span>
      {of !== undefined && <span class="of"> of {of}</span>}
    </dd>
  </div>
);
