import { money } from "../../shared/readable.ts";
import { me, rigger } from "../api.ts";
import { Empty, Gauge, useLoaded, When } from "../ui.tsx";
import { Card, LATER_MS, MOST, read, SOON_MS, Table, today } from "./card.tsx";

/** What is spent and at work now. */
export function Now() {
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

export function Users() {
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

export function Owners() {
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
