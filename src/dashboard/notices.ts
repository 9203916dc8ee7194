import type { Event } from "../client/rigger.ts";
import { money } from "../shared/readable.ts";
import { shortHash, USED_UP } from "./format.ts";

/** A line that says what has happened. */
export interface Notice {
  tone: "bad" | "wait" | "quiet";
  text: string;
  /** The files that it is about. */
  files?: { type: FileEvent["type"]; paths: string[] };
}

type FileEvent = Extract<Event, { type: "file.written" | "file.deleted" }>;

const isOfFile = (event: Event): event is FileEvent => /^file\./.test(event.type);

/** How many of the files that were changed together are named. */
const NAMED = 5;

function changedFiles(files: NonNullable<Notice["files"]>): Notice {
  const count = files.paths.length;
  const names = files.paths.slice(0, NAMED).join(", ");
  const what = count === 1 ? names : `${count} files: ${names}${count > NAMED ? " …" : ""}`;
  const verb = files.type === "file.written" ? "wrote" : "deleted";
  return { tone: "quiet", text: `A caller ${verb} ${what}`, files };
}

/** Adds to a notice of files another file with which the same was done. Returns whether it belongs to it. */
export function joinNotice(notice: Notice, event: Event): boolean {
  const { files } = notice;
  if (!files || !isOfFile(event) || files.type !== event.type) return false;
  if (!files.paths.includes(event.path)) files.paths.push(event.path);
  Object.assign(notice, changedFiles(files));
  return true;
}

/** Returns what an event means, for those that have no part of their own; null for those that say nothing. */
export function noticeOf(event: Event): Notice | null {
  const quiet = (text: string) => ({ tone: "quiet" as const, text });
  const bad = (text: string) => ({ tone: "bad" as const, text });
  switch (event.type) {
    case "session.created":
      return quiet("The session was created.");
    case "session.idled":
      return quiet("The session fell asleep. It keeps its files, and the next message wakes it.");
    case "session.resumed":
      return quiet("The session woke up.");
    case "session.paused":
      return {
        tone: "wait",
        text: `The session is paused: ${USED_UP[event.limit]}. Raise the limit to go on.`,
      };
    case "session.updated":
      return quiet(`Changed: ${event.changed.join(", ")}.`);
    case "session.completed":
      return quiet("The session has ended.");
    case "session.terminated":
      return quiet(`The session was terminated: ${event.reason}.`);
    case "session.failed":
      return bad(`The session has failed: ${event.error.message}`);
    case "sandbox.lost":
      return bad(
        event.savedAt === null
          ? "The container and its files were lost. The next one begins with an empty workspace."
          : `The container was lost. The next one begins with the files as they were at ${event.savedAt}.`,
      );
    case "sandbox.unsaved":
      return bad(`The workspace could not be saved: ${event.message}`);
    case "setup.reused": {
      const commits = event.repositories.map(
        ({ path, commit }) => `${path} at ${shortHash(commit)}`,
      );
      const of = commits.length > 0 ? `: ${commits.join(", ")}` : "";
      return quiet(`The workspace begins with what an earlier set-up has made${of}.`);
    }
    case "file.written":
    case "file.deleted":
      return changedFiles({ type: event.type, paths: [event.path] });
    case "artifact.failed":
      return { tone: "wait", text: `${event.path} was not published: ${event.reason}.` };
    case "usage.disputed":
      return {
        tone: "wait",
        text: `The model's report of usage was not believed: ${event.reason}.`,
      };
    case "limit.warned": {
      const amount = event.limit === "budget" ? money : String;
      const of = `${amount(event.used)} of ${amount(event.max)}`;
      // A call can need more than what is left, so the budget is not used up.
      const isShort = event.limit === "budget" && event.part === 1;
      const text = isShort
        ? `A call needs more than what is left of the budget: ${of} is spent.`
        : `${Math.round(event.part * 100)} % of the ${event.limit} used: ${of}.`;
      return { tone: "wait", text };
    }
    case "context.compacted":
      return quiet(`The conversation was summarised: it had ${event.tokensBefore} tokens.`);
    case "content.withdrawn":
      return {
        tone: "wait",
        text: `Content was left out, because the model's API refused it: ${event.reason}`,
      };
    case "mcp.listed": {
      const { server, tools } = event;
      return quiet(`The MCP server ${server} offers ${tools} ${tools === 1 ? "tool" : "tools"}.`);
    }
    case "mcp.failed":
      return bad(`The tools of the MCP server ${event.server} can't be listed: ${event.message}`);
    case "preview.created":
      return quiet(`Port ${event.port} is reachable by a preview.`);
    case "preview.removed":
      return quiet(`A preview of port ${event.port} was removed.`);
    case "schedule.skipped":
      return { tone: "wait", text: `A run of a schedule was skipped: ${event.reason}.` };
    case "schedule.paused":
      return bad(
        "A schedule was paused, because restarts interrupted its message again and again.",
      );
    default:
      return null;
  }
}
