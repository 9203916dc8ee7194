import { setTimeout as sleep } from "node:timers/promises";
import { type Api, ask, read } from "./api.ts";
import { nanos } from "./checks.ts";
import type { Life } from "./life.ts";

/** How long it may take until everything is given back that is not spent, in ms. */
const SETTLED_MS = 60_000;

interface Usage {
  now: {
    activeSessions: number;
    runningMessages: number | null;
    day: { spentUsd: number; heldUsd: number; maxUsd: number | null };
  };
  rows: { cost: number }[];
}

/** Sets limits that a part of the sessions reaches. */
export async function setLimits(api: Api, owners: readonly string[], sessions: number) {
  const maxDailyUsd = Math.max(0.3, (sessions / owners.length) * 0.4);
  const body = { maxRunningMessages: 8, maxDailyUsd, perUser: { maxDailyUsd: maxDailyUsd / 2 } };
  for (const owner of owners) {
    const path = `/api/owners/${owner}/limits`;
    const { status } = await ask(api, { method: "PUT", path, body });
    if (status !== 200) api.violation(path, `was answered with ${status}`);
  }
}

/** Returns the faults of limits and sums, once everything is settled. */
export async function faultsOfLimits(
  api: Api,
  owners: readonly string[],
  lives: readonly Life[],
): Promise<string[]> {
  for (const giveUpAt = Date.now() + SETTLED_MS; ; await sleep(1_000)) {
    const faults: string[] = [];
    let spent = 0;
    let held = 0;
    for (const owner of owners) {
      const { now, rows } = await read<Usage>(api, `/api/usage?owner=${owner}`);
      const { spentUsd, heldUsd, maxUsd } = now.day;
      spent += nanos(spentUsd);
      held += nanos(heldUsd);
      if (spentUsd + heldUsd > Number(maxUsd)) faults.push(`${owner} used ${JSON.stringify(now)}`);
      const summed = rows.reduce((sum, { cost }) => sum + nanos(cost), 0);
      if (summed !== nanos(spentUsd)) faults.push(`${owner} spent ${spentUsd}, summed ${summed}`);
      if (now.runningMessages !== 0) faults.push(`${owner}: ${now.runningMessages} messages run`);
      const { total } = await read<{ total: number }>(
        api,
        `/api/sessions?status=initializing,active,idle&pageSize=1`,
      );
      if (owners.length === 1 && total !== now.activeSessions) {
        faults.push(`${owner} has ${now.activeSessions} active sessions, and ${total} are listed`);
      }
    }
    const stories = lives.flatMap(({ story }) => story ?? []);
    const cost = stories.reduce((sum, { session }) => sum + nanos(session.totalCost), 0);
    const kept = stories
      .flatMap(({ events }) => events)
      .reduce((sum, event) => sum + ("held" in event ? nanos(event.held) : 0), 0);
    // What deleted sessions have spent is not known here.
    const known = lives.every((life) => life.story !== null);
    if (spent < cost || (known && spent !== cost)) faults.push(`${spent} are spent, and ${cost}`);
    if (held < kept || (known && held !== kept)) faults.push(`${held} are held, and ${kept}`);
    if (faults.length === 0 || Date.now() > giveUpAt) return faults;
  }
}
