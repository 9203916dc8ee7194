import type { SessionEvent } from "../events/event";
import { retryAt } from "../shared/backoff";
import { Drain } from "../shared/drain";
import { errorText, log } from "../shared/log";
import { settledWithin } from "../shared/timeout";
import { contentOf } from "../traces/content";
import { metricsBody, tracesBody } from "../traces/otlp";
import { CollectorBusy, post } from "../traces/send";
import { type Attributes, foldSpans, type Span, type TracedSession } from "../traces/spans";
import type { SessionContext } from "./context";
import { type Collector, tracing } from "./deployment";
import { parseLogged } from "./storage/event-log";
import type { SessionStore, Traced } from "./storage/store";
import { reportedReason } from "./telemetry";
import { toSessionRow } from "./transactions/session-row";
import { unexportedAt } from "./transactions/traces";

/** Delay before spans are exported, in ms: what ends within this time goes with them. */
const GATHER_MS = 2_000;
/** How many events are read at a time, and how many characters they may have. It bounds a request. */
const PAGE_EVENTS = 200;
const PAGE_CHARACTERS = 1 << 20;
/** How long an alarm waits for an export, in ms: other due work of the session waits as long. */
const MAX_WAIT_MS = 10_000;
/** Events that the collector has not taken for this long are given up, in ms. */
const MAX_AGE_MS = 86_400_000;
/** Tries, with pauses up to five minutes, after which a session is erased although the collector did not take its last spans. */
const MAX_LAST_TRIES = 15;

/**
 * Exports the session's events as traces and metrics, by OTLP. The event log is the outbox: it is stored how far its events
 * were exported, after the collector has taken them, and which spans they have begun. Whatever is sent twice has the same
 * ids. Without a collector, it stores nothing and calls nobody.
 */
export class TraceOutbox {
  readonly #context: SessionContext;
  readonly #reschedule: () => void;
  readonly #drain = new Drain(
    () => this.#send(),
    () => this.drive(),
  );

  constructor(context: SessionContext, { reschedule }: { reschedule: () => void }) {
    this.#context = context;
    this.#reschedule = reschedule;
  }

  /** Exports what is new soon, unless that has failed before. */
  drive(): void {
    const { store } = this.#context;
    if (!tracing.collector || !store.exists() || unexportedAt(store) === null) return;
    if (store.traced?.attempts) return;
    this.#drain.soon(GATHER_MS);
  }

  /** Exports what is due, and does not wait for a slow collector for long. Never rejects. */
  async drainDue(now: number): Promise<void> {
    const at = unexportedAt(this.#context.store);
    if (at !== null && at <= now) await settledWithin(this.#drain.now(), MAX_WAIT_MS);
  }

  /** Exports everything, before the session is erased. Rejects if that is not possible, until it has failed too often. */
  async finish(): Promise<void> {
    await this.#drain.idle();
    await this.#drain.now();
    const { store, id } = this.#context;
    if (!store.exists() || unexportedAt(store) === null) return;
    if ((store.traced?.attempts ?? 0) < MAX_LAST_TRIES) {
      throw new Error("the collector did not take a span");
    }
    const events = store.log.lastSeq() - (store.traced?.seq ?? 0);
    log("traces.dropped", { session: id, events, error: "the session is erased" });
  }

  /**
   * Exports page by page until all is exported or the collector fails. Once it has failed, pages that are too old are given
   * up without asking it again. Never rejects.
   */
  async #send(): Promise<void> {
    const { store, id } = this.#context;
    const { collector } = tracing;
    if (!collector || !store.exists()) return;
    const { createdAt } = store.identity;
    let isDown = false;
    for (;;) {
      const before = store.traced ?? untraced(store, Date.now());
      const page = store.log.page(before.seq, PAGE_EVENTS, PAGE_CHARACTERS).map(parseLogged);
      const last = page.at(-1);
      if (!last) break;
      const at = Date.parse(last.at);
      const isOld = at < Date.now() - MAX_AGE_MS;
      let open = before.open;
      let error: unknown;
      try {
        const folded = foldSpans(before.open, page, tracedSession(store));
        open = folded.open;
        const interval = { startAt: before.at, endAt: at };
        if (!(isDown && isOld)) await this.#export(collector, folded.spans, interval);
      } catch (failure) {
        error = failure;
      }
      // Meanwhile it may have been erased, and even been created anew.
      if (!store.exists() || store.identity.createdAt !== createdAt) return;
      if (error !== undefined && !isOld) {
        this.#postpone(before, error);
        break;
      }
      isDown = error !== undefined || (isDown && isOld);
      if (isDown) log("traces.dropped", { session: id, events: page.length, error: "too old" });
      store.traced = { seq: last.seq, at, open, attempts: 0, retryAt: null };
    }
    this.#reschedule();
  }

  /** Sends spans, and what they add to the metrics. Rejects if that is to be tried again. */
  async #export(
    collector: Collector,
    spans: readonly Span[],
    interval: { startAt: number; endAt: number },
  ): Promise<void> {
    if (spans.length === 0) return;
    const { store } = this.#context;
    const { headers, resource, tracesUrl, metricsUrl } = collector;
    const session = { id: store.identity.id, createdAt: store.identity.createdAt };
    const content = collector.capturesContent ? contentOfAll(store, spans) : NO_CONTENT;
    const traces = await tracesBody(resource, session, spans, content);
    const metrics = metricsUrl && metricsBody(resource, session, spans, interval);
    // Metrics last: if they are sent again, they count twice.
    if (traces) await this.#post(tracesUrl, headers, traces);
    if (metrics) await this.#post(metricsUrl, headers, metrics);
  }

  async #post(url: string, headers: Collector["headers"], body: string): Promise<void> {
    const rejected = await post(url, headers, body, { fetch: tracing.fetch, now: Date.now });
    if (!rejected) return;
    const { items, why } = rejected;
    const signal = url.slice(url.lastIndexOf("/") + 1);
    log("traces.rejected", { session: this.#context.id, signal, items, error: why });
  }

  #postpone(before: Traced, error: unknown): void {
    const { store, id } = this.#context;
    const attempts = before.attempts + 1;
    log("traces.behind", { session: id, attempts, error: errorText(error) });
    const pause = error instanceof CollectorBusy ? error.afterMs : 0;
    const at = Math.max(retryAt(Date.now(), attempts, Math.random()), Date.now() + pause);
    store.traced = { ...before, attempts, retryAt: at };
  }
}

const NO_CONTENT: ReadonlyMap<number, Attributes> = new Map();

/** Returns where the export of a session begins that has not exported anything: events that are too old are left out. */
const untraced = ({ log, identity }: SessionStore, now: number): Traced => ({
  seq: log.seqBefore(now - MAX_AGE_MS),
  at: Math.max(identity.createdAt, now - MAX_AGE_MS),
  open: [],
  ...{ attempts: 0, retryAt: null },
});

function tracedSession(store: SessionStore): TracedSession {
  const { id, sessionId, owner, pattern, createdAt, ...row } = toSessionRow(store);
  return {
    ...{ id, sessionId, owner, pattern, createdAt },
    terminationReason: reportedReason(row.terminationReason),
    totalCostNanos: row.totalCostNanos,
    numTurns: row.numTurns,
    agentOf: (messageId) => store.messages.get(messageId)?.agent ?? null,
  };
}

function contentOfAll(
  { log }: SessionStore,
  spans: readonly Span[],
): ReadonlyMap<number, Attributes> {
  const read = (seq: number): SessionEvent | undefined => log.after(seq - 1, 1).map(parseLogged)[0];
  return new Map(
    spans.filter(({ kind }) => kind !== "session").map((span) => [span.seq, contentOf(span, read)]),
  );
}
