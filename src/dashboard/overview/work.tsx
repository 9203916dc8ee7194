import type { components } from "../../client/api.ts";
import { rigger } from "../api.ts";
import { Empty, Status, useLoaded, When } from "../ui.tsx";
import { Card, LATER_MS, read, SOON_MS } from "./card.tsx";

type Webhook = components["schemas"]["Webhook"];

export function Webhooks() {
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

export function Pool() {
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
