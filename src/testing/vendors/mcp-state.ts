/** The state of a server, as its tests see it. */
export interface McpState {
  /** The calls of `add` and `set`, in order. */
  calls: string[];
  requests: number;
  /** The sessions that were begun, and those that were ended. */
  begun: number;
  ended: number;
  lists: number;
  /** The calls of `slow` that have begun. */
  slow: number;
  cancelled: number;
  /** Whether it has the tool `grown`. */
  hasGrown: boolean;
  /** If it is down, each request is answered 503. */
  isDown: boolean;
  /** The access token that it accepts; without one, it accepts every request. */
  access: string | null;
  refresh: string;
  renewals: number;
  /** If false, it does not accept the access tokens that it makes. */
  renews: boolean;
  /** Renewals with a refresh token that was replaced. It accepts none after one. */
  reused: number;
  /** How long a renewal takes, in ms, and for how many seconds its access token is said to be valid. */
  renewMs: number;
  expiresIn: number;
}
