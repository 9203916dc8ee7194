import { type Answer, type Api, ask, type ErrorBody } from "./api.ts";
import type { Random } from "./random.ts";

/** The files of a session that its client has written, by path: their contents; null for those that it has deleted. */
export type KnownFiles = Map<string, string | null>;

/** A session whose files a client changes. */
interface Owner {
  id: string;
  doomed: boolean;
  files: KnownFiles;
}

const pathOf = (id: string, path: string) => `/api/sessions/${id}/files/${path}`;

/** Writes a new file, or deletes one that was written. */
export async function changeFile(
  api: Api,
  random: Random,
  { id, doomed, files }: Owner,
): Promise<void> {
  const written = [...files].filter(([, text]) => text !== null).map(([path]) => path);
  const [first] = written;
  const isDelete = first !== undefined && random.chance(0.3);
  // A path is used once, so that requests which run at the same time do not change the same file.
  const path = isDelete ? first : `caller/${files.size}.txt`;
  const text = isDelete ? null : `${id} ${path} ${"x".repeat(random.int(0, 5_000))}`;
  files.set(path, null);
  const answer = await ask<ErrorBody | undefined>(
    api,
    isDelete
      ? { method: "DELETE", path: pathOf(id, path) }
      : { method: "PUT", path: pathOf(id, path), body: text },
  );
  api.count(`${isDelete ? "deletions" : "writes"} of files, ${answer.status}`);
  // A deletion whose answer was lost finds nothing the second time.
  const expected = isDelete ? [204, 404] : [201, 204];
  if (expected.includes(answer.status)) files.set(path, text);
  else if (isRefused(answer)) files.delete(path);
  else if (!(answer.status === 404 && doomed)) {
    api.violation(id, `a change of ${path} was answered with ${JSON.stringify(answer)}`);
  }
}

/** Returns whether the session has ended, or is paused. */
const isRefused = ({ status, body }: Answer<ErrorBody | undefined>): boolean =>
  status === 409 && ["session_ended", "session_paused"].includes(body?.error.reason ?? "");

/** Returns how the files of a session differ from those that its client knows. */
export async function faultsOfFiles(api: Api, { id, files }: Owner): Promise<string[]> {
  const faults: string[] = [];
  for (const [path, text] of files) {
    const response = await fetch(api.url + pathOf(id, path), {
      headers: api.key === undefined ? {} : { Authorization: `Bearer ${api.key}` },
    });
    const found = response.ok ? await response.text() : null;
    if (response.status !== 404 && !response.ok) faults.push(`${path} is a ${response.status}`);
    else if (found !== text) faults.push(`${path} holds ${JSON.stringify(found?.slice(0, 99))}`);
  }
  return faults;
}
