import type { Result } from "../shared/result";

/** A webhook endpoint as its owner sees it. Times are in ms since 1970. */
export interface Webhook {
  id: string;
  owner: string;
  url: string;
  /** The types of events that it is sent: names, and names with `*`. */
  events: string[];
  /** The only session whose events it is sent; null for all of the owner. */
  sessionId: string | null;
  description: string | null;
  enabled: boolean;
  /** Why it was disabled, if nobody has done it by a request; null otherwise. */
  disabledBecause: string | null;
  createdAt: number;
  /** When it was last enabled. Events from before are not sent. */
  since: number;
  /** Increases with every change. */
  revision: number;
  /** The last attempt that the receiver has accepted, and the first of those in a row that have failed since. */
  lastSuccessAt: number | null;
  failingSince: number | null;
  /** How many events wait to be sent. */
  pending: number;
}

/** An endpoint to create. `id` makes a repeated request harmless. */
export interface WebhookSpec
  extends Pick<Webhook, "id" | "owner" | "url" | "events" | "sessionId" | "description"> {
  secret: string;
}

export type WebhookPatch = Partial<Pick<Webhook, "url" | "events" | "description" | "enabled">>;

/** What those who send events have to know of an endpoint. */
export interface WebhookFilter
  extends Pick<Webhook, "id" | "events" | "sessionId" | "enabled" | "since" | "revision"> {}

/** The endpoints of an owner. Their version increases with every change. */
export interface WebhookList {
  version: number;
  filters: WebhookFilter[];
}

/** An event to send. `id` is the same whenever it is sent. Events with the same `lane` are sent in their order. */
export interface OutgoingEvent {
  id: string;
  lane: string;
  type: string;
  /** The body, as it is sent. */
  body: string;
}

export const DELIVERY_STATES = ["pending", "delivered", "failed"] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One attempt to deliver an event. */
export interface Attempt {
  /** In ms since 1970. */
  at: number;
  /** The status of the answer; null if there was none. */
  status: number | null;
  durationMs: number;
  /** The beginning of the answer, 1 KB at most. */
  response: string | null;
  /** Why it has failed; null if the receiver has accepted the event. */
  error: string | null;
}

export interface Delivery {
  /** Its position among the endpoint's deliveries. */
  position: number;
  id: string;
  type: string;
  status: DeliveryState;
  createdAt: number;
  /** When it is tried next; null if it is not, or waits for the one before it. */
  nextAttemptAt: number | null;
  attempts: Attempt[];
}

/** A page of deliveries, newest first. `next` is the position before which it goes on; null at the end. */
export interface DeliveryPage {
  deliveries: Delivery[];
  next: number | null;
}

/** The methods of an endpoint's object. One that does not exist answers `not_found`, and stores nothing. */
export interface WebhookRpc {
  /** Creates the endpoint. Replaces one that was begun a minute ago or longer, and is refused by a newer one. */
  create(spec: WebhookSpec): Promise<Result<Webhook>>;
  read(): Promise<Result<Webhook>>;
  update(patch: WebhookPatch): Promise<Result<Webhook>>;
  /** Gives it another secret. The old ones sign for `graceMs` more, beside the new one. */
  rotateSecret(secret: string, graceMs: number): Promise<Result<Webhook>>;
  /** Deletes it with all that waits. Idempotent. */
  remove(): Promise<void>;
  /** Sends a test event, once. */
  ping(): Promise<Result<Attempt>>;
  /**
   * Takes events to send: those that it knows by their ids change nothing. Returns false if it is disabled or does not
   * exist: then they are dropped, and no more are to be sent.
   */
  enqueue(events: OutgoingEvent[]): Promise<boolean>;
  deliveries(page: {
    status: DeliveryState | null;
    before: number | null;
    limit: number;
  }): Promise<Result<DeliveryPage>>;
  /** Sends an event again, out of its order. */
  redeliver(deliveryId: string): Promise<Result<Delivery>>;
}
