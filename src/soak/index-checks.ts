import { isDeepStrictEqual } from "node:util";
import { type Api, ask, read, type SessionView } from "./api.ts";
import { nanos } from "./checks.ts";
import { AUTOMATION_USER, DELETED_USER, type Life, USERS } from "./life.ts";

interface Summary {
  totalSessions: number;
  totalCost: number;
  totalTokens: number;
  totalMessages: number;
  avgSessionDuration: number;
  byStatus: Record<string, number>;
}

/** Returns the differences between the sessions and the lists and statistics of the index. */
export async function faultsOfIndex(api: Api, lives: readonly Life[]): Promise<string[]> {
  const faults: string[] = [];
  const listed = await list(api);
  const last: SessionView[] = [];
  for (const { id, pattern, doomed, story } of lives) {
    const { status, body } = await ask<SessionView>(api, { path: `/api/sessions/${id}` });
    const row = listed.get(id);
    listed.delete(id);
    if (status === 200 && doomed) faults.push(`${id} was deleted and is there`);
    else if (status === 404 && !doomed && pattern !== "ephemeral") faults.push(`${id} is gone`);
    else if (!isDeepStrictEqual(row, status === 200 ? body : undefined)) {
      faults.push(`${id} is ${JSON.stringify(body)} and listed as ${JSON.stringify(row)}`);
    }
    const known = status === 200 ? body : story?.session;
    if (known) last.push(known);
  }
  for (const [id, { userId }] of listed) {
    if (userId !== AUTOMATION_USER) faults.push(`${id} is listed, and nobody has created it`);
  }
  for (const user of USERS) {
    const summary = await read<Summary>(api, `/api/sessions/stats/summary?userId=${user}`);
    const { totalSessions, totalCost, totalTokens, totalMessages } = summary;
    const { avgSessionDuration, byStatus } = summary;
    const sumsTold = { totalSessions, totalCost, totalTokens, totalMessages };
    const told = { ...sumsTold, avgSessionDuration, byStatus };
    const own = last.filter(({ userId }) => userId === user);
    const sums = summaryOf(own, Object.keys(byStatus));
    if (!isDeepStrictEqual(told, sums)) {
      faults.push(`${user} has ${JSON.stringify(sums)}, told as ${JSON.stringify(told)}`);
    }
  }
  const all = await read<Summary>(api, "/api/sessions/stats/summary");
  const ofRuns = await read<Summary>(api, `/api/sessions/stats/summary?userId=${AUTOMATION_USER}`);
  if (all.totalSessions - ofRuns.totalSessions !== lives.length)
    faults.push(`${all.totalSessions} sessions are counted`);
  const doomed = await read<Summary>(api, `/api/sessions/stats/summary?userId=${DELETED_USER}`);
  const { completed = 0, error = 0, terminated = 0 } = doomed.byStatus;
  if (completed + error + terminated !== lives.filter((life) => life.doomed).length) {
    faults.push(`the deleted sessions are counted as ${JSON.stringify(doomed.byStatus)}`);
  }
  return faults;
}

async function list(api: Api): Promise<Map<string, SessionView>> {
  const listed = new Map<string, SessionView>();
  for (let cursor: string | null = ""; cursor !== null; ) {
    type Page = { sessions: SessionView[]; nextCursor: string | null };
    const where: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page: Page = await read(api, `/api/sessions?pageSize=30${where}`);
    for (const row of page.sessions) {
      if (listed.has(row.id)) api.violation(row.id, "it is listed twice");
      listed.set(row.id, row);
    }
    cursor = page.nextCursor;
  }
  return listed;
}

function summaryOf(sessions: readonly SessionView[], statuses: readonly string[]): Summary {
  const ends = sessions.flatMap(({ startedAt, completedAt, terminatedAt }) => {
    const endedAt = completedAt ?? terminatedAt;
    return endedAt === null ? [] : [Date.parse(endedAt) - Date.parse(startedAt ?? endedAt)];
  });
  const duration = ends.reduce((sum, ms) => sum + ms, 0);
  return {
    totalSessions: sessions.length,
    totalCost: sessions.reduce((sum, { totalCost }) => sum + nanos(totalCost), 0) / 1e9,
    totalTokens: sessions.reduce((sum, { totalTokens }) => sum + totalTokens, 0),
    totalMessages: sessions.reduce((sum, { numMessages }) => sum + numMessages, 0),
    avgSessionDuration: ends.length === 0 ? 0 : Math.round(duration / ends.length),
    byStatus: Object.fromEntries(
      statuses.map((name) => [name, sessions.filter(({ status }) => status === name).length]),
    ),
  };
}
