import { isDeepStrictEqual } from "node:util";
import { isMessageEnd, type SessionEvent } from "../events/event.ts";
import type { MessageView, Story } from "./api.ts";
import type { Life, Sent } from "./life.ts";
import { readCommand } from "./script.ts";
import type { StreamedEvent, Watched } from "./streams.ts";

/** The behaviour of the sessions' upstream. */
export interface Upstream {
  /** Whether it fails at random, which may fail a message. */
  isLying: boolean;
}

/** Returns the faults of a session at rest. */
export function faultsOf(life: Life, whole: Story, upstream: Upstream): string[] {
  // Copied messages belong to another session and are checked there.
  const messages = whole.messages.filter(({ sessionId }) => sessionId === life.id);
  const story = { ...whole, messages };
  return [
    ...faultsOfLog(story),
    ...faultsOfMessages(life, story, upstream),
    ...faultsOfMoney(life, story),
    ...faultsOfEffects(life, story),
    ...faultsOfArtifacts(story),
    ...faultsOfStreams(life, story),
  ];
}

/** Returns faults of the log: gaps between seqs, parallel messages, duplicate events. */
function faultsOfLog({ events }: Story): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  const once = (what: string) => {
    if (seen.has(what)) faults.push(`the log has ${what} twice`);
    seen.add(what);
  };
  const after = (what: string, before: string) => {
    once(what);
    if (!seen.has(before)) faults.push(`the log has ${what} without ${before}`);
  };
  let running: string | undefined;
  events.forEach((event, index) => {
    const { seq, type, messageId: id } = event;
    if (seq !== index + 1) faults.push(`event ${seq} is in place ${index + 1}`);
    const ended = `the end of ${id}`;
    if (id && seen.has(ended)) faults.push(`event ${seq}, ${type}, comes after ${ended}`);
    if (type === "message.received") once(`the receipt of ${id}`);
    else if (type === "message.started") {
      after(`the start of ${id}`, `the receipt of ${id}`);
      if (running) faults.push(`${id} started while ${running} ran`);
      running = id;
    } else if (isMessageEnd(type)) {
      once(ended);
      if (running === id) running = undefined;
    } else if (type === "turn.started") once(`the start of ${event.turnId}`);
    else if (type === "turn.retried") {
      after(`try ${event.attempt} of ${event.turnId}`, `the start of ${event.turnId}`);
      if (seen.has(`the end of ${event.turnId}`)) faults.push(`${event.turnId} goes on at ${seq}`);
    } else if (type === "turn.completed") {
      after(`the end of ${event.turnId}`, `the start of ${event.turnId}`);
    } else if (type === "preview.created") once(`the start of ${event.previewId}`);
    else if (type === "preview.removed") {
      after(`the end of ${event.previewId}`, `the start of ${event.previewId}`);
    } else if (type === "tool.started") once(`the start of ${event.toolUseId}`);
    else if (type === "tool.completed") {
      after(`the end of ${event.toolUseId}`, `the start of ${event.toolUseId}`);
    } else if (id && id !== running) faults.push(`${id} is told of at ${seq} and does not run`);
  });
  const begun = [...seen].filter((what) => /^the (start of toolu|receipt)/.test(what));
  const open = begun.filter((what) => !seen.has(what.replace(/start|receipt/, "end")));
  return [...faults, ...open.map((what) => `the log has ${what} without its end`)];
}

/** Returns faults of messages: each accepted message must exist once, as it was answered, and no other. */
function faultsOfMessages(
  life: Life,
  { session, messages, events }: Story,
  upstream: Upstream,
): string[] {
  const faults: string[] = [];
  if (session.numMessages !== messages.length) {
    faults.push(`${session.numMessages} messages are counted, and ${messages.length} are there`);
  }
  for (const sent of life.sent) {
    const { marker, ids, answers } = sent;
    const found = messages.filter(({ prompt }) => prompt === sent.script.prompt);
    if (ids.size > 1) faults.push(`${marker} was answered with ${[...ids]}`);
    if (found.length !== ids.size) {
      faults.push(`${marker} was answered with ${ids.size} ids and is there ${found.length} times`);
    }
    const [message] = found;
    if (!message) continue;
    if (!ids.has(message.messageId)) faults.push(`${marker} has another id than it was told`);
    if (!answers.every((answer) => isDeepStrictEqual(answer, message))) {
      faults.push(`${marker} is not as it was answered: ${JSON.stringify([message, ...answers])}`);
    }
    faults.push(...faultsOfMessage(life, sent, message, events, upstream));
  }
  const prompts = new Set(life.sent.map(({ script }) => script.prompt));
  const scheduled = new Set(
    events.flatMap((event) =>
      event.type === "message.received" && event.scheduleId ? [event.messageId] : [],
    ),
  );
  for (const { messageId, endedAt } of messages) {
    if (endedAt === null) faults.push(`${messageId} has not ended`);
  }
  const strays = messages.filter(
    ({ prompt, messageId }) => !prompts.has(prompt) && !scheduled.has(messageId),
  );
  return [...faults, ...strays.map(({ messageId }) => `nobody has sent ${messageId}`)];
}

function faultsOfMessage(
  life: Life,
  { marker, script, body }: Sent,
  message: MessageView,
  log: SessionEvent[],
  { isLying }: Upstream,
): string[] {
  const { messageId, status, stopReason, limit, cost, numTurns } = message;
  const faults: string[] = [];
  const fault = (what: string) => faults.push(`${marker}, ${status} by ${stopReason}: ${what}`);
  if (message.endedAt === null) fault("it has not ended");
  const events = log.filter((event) => event.messageId === messageId);
  if (status === "joined") {
    const joined = log.filter(
      (event) => event.type === "message.steered" && event.steerId === messageId,
    );
    const [into] = joined;
    const isRight = into?.type === "message.steered" && into.prompt === message.prompt;
    if (joined.length !== 1 || !isRight || into.messageId !== message.joinedMessageId) {
      fault(`it has joined ${message.joinedMessageId}, which tells ${JSON.stringify(joined)}`);
    }
    if (cost !== 0 || events.length !== 2) fault(`its log is ${JSON.stringify(events)}`);
    return faults;
  }
  const isSteered = events.some(({ type }) => type === "message.steered");
  const end = events.find(({ type }) => isMessageEnd(type));
  const expected = {
    type: `message.${status}`,
    stopReason,
    ...(limit !== null && { limit }),
    at: message.endedAt,
    ...(status === "failed" ? { error: message.error } : { result: message.result }),
  };
  const { seq: _seq, messageId: _id, ...told } = end ?? { seq: 0 };
  if (!isDeepStrictEqual(told, expected)) fault(`its end is told as ${JSON.stringify(told)}`);
  if (nanos(cost) !== costOf(events)) fault(`it cost ${cost}, its turns ${costOf(events) / 1e9}`);
  if (numTurns !== turnsOf(events)) fault(`it has ${numTurns} turns, its log ${turnsOf(events)}`);
  if (tokensOf(events) !== message.tokens) fault(`it has ${message.tokens} tokens`);
  if (cost > Number(body.maxBudgetUsd ?? Number.POSITIVE_INFINITY)) fault(`it cost ${cost}`);
  if (numTurns > Number(body.maxTurns ?? Number.POSITIVE_INFINITY)) fault(`${numTurns} turns`);
  // A failed attempt may have been billed. What stays reserved for it may leave no money for another attempt.
  const isHeld = log.some((event) => "held" in event && event.held > 0);
  const mayFail = script.refused || isLying || isHeld || isSteered;
  if (status === "failed" && !mayFail) fault(JSON.stringify(message.error));
  if (stopReason === "interrupted" && life.interrupts === 0) fault("nobody stopped it");
  const calls = events.filter(({ type }) => type === "tool.started").length;
  // An agent that was stopped by a limit does not finish its task.
  const cut = events.some((e) => e.type === "agent.completed" && e.stopReason !== "end_turn");
  // The model follows the newest prompt.
  if (stopReason === "end_turn" && !cut && !isSteered && calls !== script.calls) {
    fault(`${calls} of ${script.calls}`);
  }
  return faults;
}

/** Returns faults of money: events, messages and the session must agree, within the limits. */
function faultsOfMoney(life: Life, { session, messages, events }: Story): string[] {
  const faults: string[] = [];
  const { totalCost, totalTokens, numTurns } = session;
  const ofMessages = messages.reduce((sum, { cost }) => sum + nanos(cost), 0);
  if (nanos(totalCost) !== costOf(events) || nanos(totalCost) !== ofMessages) {
    faults.push(`it cost ${totalCost}, its turns ${costOf(events)}, its messages ${ofMessages}`);
  }
  if (numTurns !== turnsOf(events)) faults.push(`${numTurns} turns, in its log ${turnsOf(events)}`);
  if (totalTokens !== tokensOf(events)) faults.push(`${totalTokens} tokens, ${tokensOf(events)}`);
  if (totalCost > life.maxBudgetUsd) faults.push(`${totalCost} of ${life.maxBudgetUsd} is spent`);
  if (numTurns > life.maxTurns) faults.push(`${numTurns} turns of ${life.maxTurns} are taken`);
  return faults;
}

/** Returns faults of effects: the output of each command, and what the session began with, must be in the file once. */
function faultsOfEffects({ id, given }: Life, { events }: Story): string[] {
  const faults: string[] = [];
  const commands = new Map<string, string>();
  const begun = new Set<string>();
  const done: string[] = [...given];
  for (const event of events) {
    if (event.type === "tool.started" && event.name === "Bash") {
      const { command } = event.input as { command: string };
      commands.set(event.toolUseId, command);
      const { token } = readCommand(command);
      if (token) begun.add(token);
    }
    if (event.type !== "tool.completed" || event.name !== "Bash") continue;
    const { token, shows } = readCommand(commands.get(event.toolUseId) ?? "");
    const { isError, content, seq } = event;
    if (token && !isError) done.push(token);
    const isEmpty = isError && content.includes("No such file");
    if (!shows || (isError && !isEmpty)) continue;
    const lines = isEmpty ? [] : content.split("\n");
    const known = new Set(lines);
    const lost = done.filter((line) => !known.has(line));
    // A copied file contains lines of other sessions.
    const own = lines.filter((line) => line.includes(id.slice(-8)));
    const strange = own.filter((line) => !begun.has(line));
    if (known.size !== lines.length) faults.push(`a line is there twice at ${seq}: ${lines}`);
    if (lost.length > 0) faults.push(`at ${seq} ${lost} are missing in ${lines}`);
    if (strange.length > 0) faults.push(`at ${seq} nobody has written ${strange}`);
  }
  return faults;
}

/** Returns faults of artifacts: each event has one with its content, and none is published twice in a row. */
function faultsOfArtifacts({ events, artifacts }: Story): string[] {
  const faults: string[] = [];
  const told = events.filter((event) => event.type === "artifact.published");
  const listed = artifacts.map(({ id, path, sha256 }) => ({ artifactId: id, path, sha256 }));
  const expected = told.map(({ artifactId, path, sha256 }) => ({ artifactId, path, sha256 }));
  if (!isDeepStrictEqual(listed.reverse(), expected)) {
    faults.push(`its artifacts are ${JSON.stringify(listed)}, told as ${JSON.stringify(expected)}`);
  }
  for (const { id, sha256, received } of artifacts) {
    if (received !== sha256) faults.push(`${id} has the content ${received} in place of ${sha256}`);
  }
  const newest = new Map<string, string>();
  for (const { artifactId, path, sha256 } of told) {
    if (newest.get(path) === sha256) faults.push(`${artifactId} is what ${path} was before`);
    newest.set(path, sha256);
  }
  return faults;
}

/** Returns faults of streams: each watcher must have received the log from its start, without gaps or duplicates. */
function faultsOfStreams({ watched, sent }: Life, { events }: Story): string[] {
  const faults = watched ? faultsOfWatched("the watcher", watched, events) : [];
  for (const { marker, ids, streams } of sent) {
    const own = events.filter(({ messageId }) => messageId && ids.has(messageId));
    const whole = streams.filter((stream) => stream.events.length > 0);
    faults.push(...whole.flatMap((stream) => faultsOfWatched(`${marker}'s stream`, stream, own)));
  }
  return faults;
}

function faultsOfWatched(who: string, seen: Watched, events: readonly StreamedEvent[]): string[] {
  const faults = seen.faults.map((fault) => `${who}: ${fault}`);
  if (isDeepStrictEqual(seen.events, events)) return faults;
  const at = events.findIndex((event, index) => !isDeepStrictEqual(event, seen.events[index]));
  const [wanted, got] = [events[at], seen.events[at < 0 ? events.length : at]];
  return [...faults, `${who} saw ${JSON.stringify(got)} for ${JSON.stringify(wanted)}`];
}

/** Converts dollars to the ledger's integer nano-dollars. */
export const nanos = (dollars: number): number => Math.round(dollars * 1e9);

const costOf = (events: SessionEvent[]): number =>
  events.reduce((sum, event) => sum + ("cost" in event ? nanos(event.cost) : 0), 0);

const tokensOf = (events: SessionEvent[]): number =>
  events.reduce((sum, event) => {
    if (!("usage" in event)) return sum;
    const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = event.usage;
    return sum + inputTokens + outputTokens + cacheReadTokens + cacheWriteTokens;
  }, 0);

/** Reasons why a turn was cut off. Such a turn counts if it has text. */
const CUT = ["interrupted", "terminated", "lifetime_limit", "error"];

function turnsOf(events: SessionEvent[]): number {
  const said = new Set(events.map((e) => (e.type === "assistant.text" ? e.turnId : undefined)));
  return events.filter(
    (event) =>
      event.type === "turn.completed" &&
      event.kind === "reply" &&
      (!CUT.includes(event.stopReason) || said.has(event.turnId)),
  ).length;
}
