import { setTimeout as sleep } from "node:timers/promises";
import type { Approval, Rigger, ToolRequest } from "../client/rigger.ts";
import { relative, summaryOf } from "../shared/readable.ts";
import { command, objectOf, textOf, UsageError } from "./command.ts";
import { jsonLine, note, oneLine, print, printTable } from "./terminal.ts";

// Commands about calls that wait for somebody: for a decision, or for a result.

const SESSION = {
  type: "string",
  short: "s",
  value: "id",
  help: "the session, if it is known",
} as const;

export const approve = command({
  summary: "Lists the calls that wait for approval, or decides about one",
  args: "[approval]",
  options: {
    deny: { type: "boolean", help: "denies the call" },
    note: { type: "string", value: "text", help: "what the model reads with the decision" },
    input: { type: "string", value: "json", help: "makes the call with this input instead" },
    remember: { type: "boolean", help: "decides the same call in this session from now on" },
    session: SESSION,
  },
  json: "each approval as a line of JSON",
  async run({ values, args: [id], isJson, rigger }) {
    if (id === undefined) {
      const { deny, remember, note, input } = values;
      requireNone([deny, remember, note, input], "approval to decide about");
      const calls = approvalsOf(rigger, values.session);
      return list(calls, ({ id }) => id, { isJson, head: "APPROVAL", none: "approval" });
    }
    if (values.deny && values.input !== undefined) {
      throw new UsageError("A call that is denied has no input.");
    }
    const isWanted = (one: Approval) => one.id === id;
    const session = rigger.session(
      values.session ??
        (await sessionWith(() => rigger.approvals(), isWanted, `the approval ${id}`)),
    );
    const options = {
      ...(values.note !== undefined && { note: values.note }),
      ...(values.remember && { remember: "session" as const }),
    };
    const input = values.input === undefined ? undefined : objectOf("input", values.input);
    const approval = values.deny
      ? await session.deny(id, options)
      : await session.allow(id, { ...options, ...(input && { input }) });
    if (isJson) print(jsonLine(approval));
    else note(`${oneLine(approval.name)} is ${approval.status}.`);
    return 0;
  },
});

export const answer = command({
  summary: "Lists the calls of client tools that wait for results, or gives the result of one",
  args: "[call] [result]",
  options: {
    file: { type: "string", short: "f", value: "file", help: "a file with the result" },
    error: { type: "boolean", help: "tells the model that the call has failed" },
    session: SESSION,
  },
  details: "The result is a text. With -, it is read from stdin.",
  json: "each call as a line of JSON; for a result, which calls of the session have theirs, and which wait",
  async run({ values, args: [id, given], isJson, rigger }) {
    if (id === undefined) {
      requireNone([values.file, values.error], "call to answer");
      const calls = requestsOf(rigger, values.session);
      return list(calls, ({ toolUseId }) => toolUseId, { isJson, head: "ID", none: "a result" });
    }
    const content = await resultOf(given, values.file);
    const isWanted = ({ toolUseId }: ToolRequest) => toolUseId === id;
    const session = rigger.session(
      values.session ??
        (await sessionWith(() => rigger.toolRequests(), isWanted, `a result: ${id}`)),
    );
    const result = { toolUseId: id, content, ...(values.error && { isError: true }) };
    const { taken, awaited } = await session.answerTools([result]);
    if (isJson) print(jsonLine({ taken, awaited }));
    else {
      const others = awaited.length === 0 ? "" : ` Others wait: ${oneLine(awaited.join(", "))}.`;
      note(`The call has its result.${others}`);
    }
    return 0;
  },
});

/** Returns the result that is given as an argument, on stdin or in a file. Throws a `UsageError` if there is not one. */
async function resultOf(given: string | undefined, file: string | undefined): Promise<string> {
  if ((given === undefined) === (file === undefined)) {
    throw new UsageError("Give the result: a text, - for stdin, or --file.");
  }
  const source = file ?? (given === "-" ? given : undefined);
  return source === undefined ? (given ?? "") : textOf("file", source);
}

function requireNone(values: readonly unknown[], what: string): void {
  if (values.some((value) => value !== undefined)) throw new UsageError(`Name the ${what}.`);
}

async function* approvalsOf(rigger: Rigger, session: string | undefined): AsyncGenerator<Approval> {
  if (session === undefined) yield* rigger.approvals();
  else yield* await rigger.session(session).approvals();
}

async function* requestsOf(
  rigger: Rigger,
  session: string | undefined,
): AsyncGenerator<ToolRequest> {
  if (session === undefined) yield* rigger.toolRequests();
  else yield* await rigger.session(session).toolRequests();
}

async function list<T extends Approval | ToolRequest>(
  calls: AsyncIterable<T>,
  idOf: (call: T) => string,
  { isJson, head, none }: { isJson: boolean; head: string; none: string },
): Promise<number> {
  const rows: string[][] = [];
  for await (const one of calls) {
    if (isJson) print(jsonLine(one));
    else {
      const since = relative(one.requestedAt, Date.now());
      rows.push([idOf(one), one.sessionId, since, `${one.name} ${summaryOf(one.input)}`]);
    }
  }
  if (!isJson && rows.length > 0) printTable([head, "SESSION", "SINCE", "CALL"], rows);
  if (!isJson && rows.length === 0) note(`Nothing waits for ${none}.`);
  return 0;
}

/** The list of sessions may lag behind by so much. */
const LAG_MS = 2_000;

/** Returns the session of a call that waits. */
async function sessionWith<T extends { sessionId: string }>(
  calls: () => AsyncIterable<T>,
  isWanted: (call: T) => boolean,
  what: string,
): Promise<string> {
  for (const delayMs of [0, LAG_MS]) {
    await sleep(delayMs);
    for await (const call of calls()) if (isWanted(call)) return call.sessionId;
  }
  throw new Error(`No call waits for ${what}.`);
}
