/** The load of a deployment. What is not measured is an assumption, listed in docs/scale.md. */
export interface Load {
  /** Live sessions: those that have not ended. Most of them sleep. */
  sessions: number;
  owners: number;
  databases: number;
  /** Visits of a user: some messages, one after the other. */
  visitsADay: number;
  messagesAVisit: number;
  /** The pause between a reply and the next message: its mean in s. */
  pauseS: number;
  /** How long a message runs: its mean in s, and the spread of its logarithm. */
  messageS: number;
  messageSpread: number;
  /** Model calls of a message. All but the last have a tool call. */
  turns: number;
  listsAVisit: number;
  idleTimeoutS: number;
  /** The part of the load that varies over the day: 1 doubles it at the peak. */
  swing: number;
  /** The part of the sessions with a schedule that runs each full hour. */
  scheduled: number;
  /** The part of the sessions with a container, and of its processor that one uses while it runs. */
  inContainer: number;
  containerCpu: number;
  /** The part of the sessions that begins, and as many that end and are deleted by retention, each day. */
  turnover: number;
  /** Time of the database for a write and for a list, in ms. */
  writeMs: number;
  listMs: number;
  /** Bytes that a message adds to its session's object, and the stored files of a session in a container. */
  messageBytes: number;
  fileBytes: number;
}

/** A deployment with live sessions. */
export const liveLoad = (sessions: number, databases: number): Load => ({
  sessions,
  owners: Math.max(100, sessions / 1_000),
  databases,
  visitsADay: 1,
  messagesAVisit: 6,
  pauseS: 90,
  messageS: 20,
  messageSpread: 1,
  turns: 3,
  listsAVisit: 2,
  idleTimeoutS: 1_800,
  swing: 1,
  scheduled: 0.02,
  inContainer: 0.25,
  containerCpu: 0.1,
  turnover: 0.1,
  writeMs: 2,
  listMs: 2,
  messageBytes: 10_000,
  fileBytes: 20e6,
});

/** The messages of a session that was deleted or is kept, for its size. */
export const MESSAGES_KEPT = 60;
