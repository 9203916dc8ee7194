import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { LiveEvent } from "../../events/event";
import { sha256, toHex } from "../../shared/bytes";
import {
  bashIn,
  createInContainer,
  losses,
  type Made,
  savedKeys,
} from "../../testing/container-sessions";
import { HAS_CONTAINERS } from "../../testing/containers";
import {
  addFakeContainer,
  containerError,
  type FakeContainer,
  installFakeContainers,
  loseContainer,
  useRealContainer,
} from "../../testing/fake-containers";
import { at, withoutPauses } from "../../testing/faults";
import {
  faults,
  forEachSideBySide,
  type Loss,
  plantFaults,
  play,
  type Scenario,
} from "../../testing/losses";
import {
  ALICE,
  aMessage,
  aSpec,
  ask,
  BOB,
  bash,
  createSession,
  ended,
  eventsOf,
  keysUnder,
  lose,
  newSessionId,
  objectOf,
  read,
  sessionOf,
  tablesOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import { ArtifactBucket, newArtifactId } from "../artifact-bucket";
import type { SessionConfig, SessionSpec } from "../rpc";
import { removeExpiredSetups, SETUP_MS } from "../storage/setups";
import { Subscribers } from "../subscribers";

beforeAll(installFakeContainers);
afterEach(() => {
  faults.clear();
});
afterAll(() => {
  vi.restoreAllMocks();
});

/** How much shorter pauses are. Timeouts are too, and the computer may be busy. */
const FASTER = 1 / 50;

/** Returns a config with a set-up that no other session has. */
const aSetup = (config: SessionConfig = {}): SessionConfig => ({
  setup: ["echo once >> log.txt; echo made", "cat notes/a.txt; echo twice >> log.txt"],
  files: [{ path: "notes/a.txt", text: "a file\n" }],
  ...config,
  env: { RUN: crypto.randomUUID(), ...config.env },
});

const create = (
  changes: Partial<SessionSpec>,
  disturb: (machine: FakeContainer) => void = () => {},
) => createInContainer({ pattern: "hybrid", ...changes }, disturb);

const isIn = (id: string, status: string) => until(async () => (await read(id)).status === status);

/** Creates a session with a set-up, and waits until it is there. */
async function prepared(changes: Partial<SessionSpec>): Promise<Made> {
  const made = await create(changes);
  await isIn(made.id, "active");
  return made;
}

/** Creates the same session for another owner. */
async function createFor(owner: typeof BOB, changes: Partial<SessionSpec>): Promise<string> {
  const spec = aSpec(changes);
  addFakeContainer(spec.id);
  value(await sessionOf(spec.id).create(owner, spec));
  await until(async () => value(await sessionOf(spec.id).read(owner)).status === "active");
  return spec.id;
}

/** Makes a session idle, and waits until its container is gone. */
async function sleep(id: string): Promise<void> {
  await at(Date.now() + 3_600_000, () => runDurableObjectAlarm(objectOf(id)));
  await until(async () => (await read(id)).sandbox.state === "suspended");
}

/** Stores an artifact of ALICE as a session of hers does that publishes it. Returns its id. */
async function anArtifact(content: string): Promise<string> {
  const sizeBytes = content.length;
  const hash = toHex(await sha256(content));
  const facts = { messageId: "msg_1", toolUseId: null, path: "a", sha256: hash };
  const id = await newArtifactId(newSessionId(), facts);
  const artifact = { id, contentType: "text/plain", sizeBytes, sha256: hash };
  await artifacts.put(ALICE.owner, artifact, new TextEncoder().encode(content));
  return id;
}
const artifacts = new ArtifactBucket(env.SNAPSHOTS);

const RAN = ["setup.started", "setup.completed", "setup.started", "setup.completed"];
const setupTypes = async (id: string) =>
  (await typesOf(id)).filter((type) => type.startsWith("setup."));
const LIMITS = {
  maxIdleTimeMs: 600_000,
  maxLifetimeMs: null,
  maxBudgetNanos: null,
  maxTurns: null,
};

describe("the set-up of a session", () => {
  it("runs before the first command, step by step, with its output in the events", async () => {
    const live = vi.spyOn(Subscribers.prototype, "showLive");
    const { id, machine } = await prepared({ config: aSetup() });
    const events = await eventsOf(id);
    expect(events.map(({ type }) => type)).toEqual(["session.created", ...RAN, "session.started"]);
    expect(events[2]).toMatchObject({ step: 1, steps: 2, exitCode: 0, output: "made" });
    expect(events[4]).toMatchObject({ step: 2, kind: "command", output: "a file" });
    expect(machine.steps).toEqual(["start", "writeFile", "run", "run", "snapshot"]);
    const shown = live.mock.calls.map(([event]: [LiveEvent]) => event);
    expect(shown).toContainEqual({
      type: "setup.output",
      step: 1,
      stream: "stdout",
      text: "made\n",
    });
    expect(await bashIn(id, "cat log.txt notes/a.txt")).toMatch(/once\ntwice\na file/);
  });

  it("is the same workspace in the next session of the owner, in the time of a restore", async () => {
    const secret = { NPM_TOKEN: { secret: "one", hosts: ["registry.npmjs.org"] } };
    const setup = ["echo once >> log.txt", 'echo "$NPM_TOKEN" > token.txt'];
    const config = aSetup({ setup, env: secret });
    const first = await prepared({ config });
    const again = { ...config.env, NPM_TOKEN: { ...secret.NPM_TOKEN, secret: "two" } };
    const next = await prepared({ pattern: "ephemeral", config: { ...config, env: again } });
    expect(next.machine.steps).toEqual(["start", "restore"]);
    expect((await eventsOf(next.id))[1]).toMatchObject({ type: "setup.reused", repositories: [] });
    // What the set-up has written of a secret is right in every session.
    const look = 'cat log.txt; [ "$(cat token.txt)" = "$NPM_TOKEN" ] && echo same';
    expect(await bashIn(next.id, look)).toMatch(/once\nsame/);
    value(await sessionOf(first.id).remove(ALICE));
    await until(async () => (await savedKeys(first.id)).length === 0);
    expect((await prepared({ config })).machine.steps).toEqual(["start", "restore"]);
  });

  it("is made again for another owner, other commands, files or variables, or another provider", async () => {
    const config = aSetup();
    await prepared({ config });
    const others: SessionConfig[] = [
      { ...config, setup: [...(config.setup ?? []), "true"] },
      { ...config, files: [{ path: "notes/a.txt", text: "another\n" }] },
      { ...config, env: { ...config.env, MORE: "1" } },
      { ...config, sandbox: { provider: "embedded", size: "large" } },
    ];
    for (const other of others) {
      const { id } = await prepared({ config: other });
      expect(await setupTypes(id)).not.toContain("setup.reused");
    }
    const id = await createFor(BOB, { config });
    const { events } = value(await sessionOf(id).events(BOB, { after: 0, limit: 100 }));
    expect(events.map(({ type }) => type)).not.toContain("setup.reused");
  });

  it("is made again after a week, and what it has made is removed then", async () => {
    const config = aSetup();
    const { id } = await prepared({ config });
    const records = async () => (await keysUnder("setups/")).length;
    const [before, later] = [await records(), Date.now() + SETUP_MS + 2 * 86_400_000];
    await at(later, async () => {
      expect(await setupTypes((await prepared({ config })).id)).toEqual(RAN);
    });
    await removeExpiredSetups(env.SNAPSHOTS, later);
    expect(await records()).toBeLessThan(before);
    expect(await bashIn(id, "cat log.txt")).toMatch(/once\ntwice/);
  });

  it("ends the session with what its failing command has said", async () => {
    const config = aSetup({ setup: ["true", "echo not found >&2; exit 3", "echo never"] });
    const { id, machine } = await create({ config });
    const message = aMessage(bash("ls"));
    value(await sessionOf(id).send(ALICE, message));
    const failed = await ended(id, message.id);
    const error = {
      type: "upstream_error",
      reason: "setup_failed",
      message:
        'The set-up failed at step 2 of 3, "echo not found >&2; exit 3": exit code 3.\nnot found',
    };
    expect(failed).toMatchObject({ status: "failed", error });
    expect(await read(id)).toMatchObject({ status: "error", error });
    expect(await setupTypes(id)).toEqual([...RAN.slice(0, 3), "setup.failed"]);
    expect((await typesOf(id)).at(-1)).toBe("session.failed");
    await until(() => machine.name === null);
    expect(await keysUnder(`workspaces/${id}/`)).toEqual([]);
  });

  it("is not made again when the session wakes, or loses its container, or is resumed or copied", async () => {
    const { id, machine } = await prepared({ config: aSetup(), limits: LIMITS });
    // Nothing was saved but what the set-up has made.
    loseContainer(machine);
    expect(await bashIn(id, "cat log.txt")).toContain("with the files as they were at");
    expect(await bashIn(id, "cat log.txt")).toMatch(/once\ntwice$/m);
    await bashIn(id, "echo more >> log.txt");
    await sleep(id);
    expect(await bashIn(id, "cat log.txt")).toMatch(/once\ntwice\nmore$/m);
    const resumed = await prepared({ config: { resumeSessionId: id } });
    expect(await bashIn(resumed.id, "cat log.txt")).toMatch(/once\ntwice\nmore$/m);
    expect(await setupTypes(id)).toEqual(RAN);
    expect(await setupTypes(resumed.id)).toEqual([]);
  });

  it("is tried again in another container if the container or the storage fails", async () => {
    const lost = await withoutPauses(async () => {
      let runs = 0;
      const made = await create({ config: aSetup() }, (machine) => {
        machine.before = (step) => {
          if (step !== "run") return;
          runs += 1;
          if (runs === 2) loseContainer(machine);
        };
      });
      await isIn(made.id, "active");
      return made;
    }, FASTER);
    expect(lost.machine.names).toHaveLength(2);
    expect(await bashIn(lost.id, "cat log.txt")).toMatch(/once\ntwice$/m);
    expect(await losses(lost.id)).toEqual([]);
    const unsaved = await create({ config: aSetup() }, (machine) => {
      machine.before = (step) => {
        if (step === "snapshot") throw containerError("the storage is full");
      };
    });
    await isIn(unsaved.id, "active");
    expect(await bashIn(unsaved.id, "cat log.txt")).toMatch(/once\ntwice$/m);
    // It is saved like any other workspace, and the next session has to make it itself.
    await until(async () => unsaved.machine.steps.includes("checkpoint"));
  });

  it("is stopped at once when the session ends, and is not copied before it is done", async () => {
    let running = false;
    const { id, machine } = await create({ config: aSetup() }, (made) => {
      made.before = (step) => {
        if (step !== "run") return;
        running = true;
        return new Promise(() => {});
      };
    });
    await until(() => running);
    const copied = await sessionOf(id).snapshot(ALICE);
    expect(copied).toMatchObject({ ok: false, failure: { code: "unavailable" } });
    value(await sessionOf(id).terminate(ALICE, "enough"));
    await until(() => machine.name === null);
    expect((await typesOf(id)).at(-1)).toBe("session.terminated");
    value(await sessionOf(id).remove(ALICE));
    await until(async () => (await tablesOf(objectOf(id))).length === 0);
  });
});

describe("the files of a session", () => {
  const files = [
    { path: "a.txt", text: "one\n" },
    { path: "deep/b.bin", base64: btoa("\0two") },
  ];

  it("are there before the first command, in a container and without one", async () => {
    const { id, machine } = await prepared({ config: { files }, limits: LIMITS });
    const look = "cat a.txt; wc -c < deep/b.bin";
    expect(await bashIn(id, look)).toMatch(/one\n4/);
    expect(await setupTypes(id)).toEqual([]);
    const embedded = await createSession({ config: { files } });
    expect(await bashIn(embedded, look)).toMatch(/one\n4/);
    // One that was not used is written again, and one that was is saved.
    await bashIn(id, "echo more >> a.txt");
    await sleep(id);
    loseContainer(machine);
    expect(await bashIn(id, look)).toMatch(/one\nmore\n4/);
    const fork = await createSession({ config: { resumeSessionId: embedded } });
    expect(await bashIn(fork, look)).toMatch(/one\n4/);
  });

  it("may be artifacts of the owner, of which the session has copies", async () => {
    const [a, b] = await Promise.all(["one\n", "\0two"].map(anArtifact));
    const config: SessionConfig = {
      files: [
        { path: "a.txt", artifactId: a ?? "" },
        { path: "deep/b.bin", artifactId: b ?? "" },
        { path: "c.txt", text: "c" },
      ],
    };
    const { id } = await prepared({ config });
    const spec = aSpec({ config, requestHash: "hash" });
    value(await sessionOf(spec.id).create(ALICE, spec));
    const theirs = aSpec({ config });
    expect(await sessionOf(theirs.id).create(BOB, theirs)).toMatchObject(REFUSED);
    expect(await tablesOf(objectOf(theirs.id))).toEqual([]);
    await Promise.all([a, b].map((one) => artifacts.remove(one ?? "")));
    const look = "cat a.txt c.txt; wc -c < deep/b.bin";
    for (const one of [id, spec.id]) expect(await bashIn(one, look)).toMatch(/one\nc4/);
    // A repeat is answered, another session is refused.
    value(await sessionOf(spec.id).create(ALICE, spec));
    const late = aSpec({ config });
    expect(await sessionOf(late.id).create(ALICE, late)).toMatchObject(REFUSED);
  });

  const REFUSED = {
    failure: { code: "invalid_request", details: { path: "config.files.0.artifactId" } },
  };

  it("that a sandbox can't hold are refused, and nothing is left of the session", async () => {
    const artifactId = await anArtifact("x".repeat(8 * 1024 ** 2 + 1));
    const spec = aSpec({ config: { files: [{ path: "a", artifactId }] } });
    expect(await sessionOf(spec.id).create(ALICE, spec)).toMatchObject({
      failure: { ...REFUSED.failure, message: expect.stringContaining("8 MiB") },
    });
    expect(await tablesOf(objectOf(spec.id))).toEqual([]);
    expect(await tablesOf(env.EMBEDDED_SANDBOXES.getByName(spec.id))).toEqual([]);
  });

  it.runIf(HAS_CONTAINERS)("may be large artifacts, which a container gets in pieces", async () => {
    const artifactId = await anArtifact("0123456789abcde\n".repeat(350_000));
    const id = newSessionId();
    await useRealContainer(id);
    const config = { files: [{ path: "deep/big", artifactId }] };
    value(await sessionOf(id).create(ALICE, aSpec({ id, pattern: "hybrid", config })));
    expect(await bashIn(id, "wc -c < deep/big; sort -u deep/big")).toMatch(
      /5600000\n0123456789abcde$/,
    );
    value(await sessionOf(id).remove(ALICE));
  });

  it.each([
    { when: "before", setup: ["true"] },
    { when: "after", setup: [] },
  ])("end the session if one is deleted $when the container is there", async ({ setup }) => {
    const artifactId = await anArtifact(`one ${setup}`);
    const config = { files: [{ path: "a.txt", artifactId }], setup };
    const { id } = await create({ config }, (machine) => {
      machine.before = (step) => (step === "start" ? artifacts.remove(artifactId) : undefined);
    });
    await isIn(id, "error");
    const message = `A file of config.files can't be written: the artifact ${artifactId} is not there.`;
    expect((await read(id)).error).toMatchObject({ reason: "setup_failed", message });
  });

  it("count by their content for what is kept of a set-up", async () => {
    const [one, other, third] = await Promise.all(["same", "same", "third"].map(anArtifact));
    const { env: variables, setup } = aSetup();
    const withFile = (artifactId = "") =>
      prepared({
        config: { env: variables, setup, files: [{ path: "notes/a.txt", artifactId }] },
      });
    expect(await setupTypes((await withFile(one)).id)).toEqual(RAN);
    expect(one).not.toBe(other);
    expect(await setupTypes((await withFile(other)).id)).toEqual(["setup.reused"]);
    expect(await setupTypes((await withFile(third)).id)).toEqual(RAN);
  });

  it("are written once by a creation that is repeated after a crash, which leaves nothing otherwise", async () => {
    const spec = aSpec({ config: { files }, requestHash: "hash" });
    const creating = sessionOf(spec.id)
      .create(ALICE, spec)
      .catch(() => "lost");
    await lose(spec.id);
    await creating;
    value(await sessionOf(spec.id).create(ALICE, spec));
    expect(await bashIn(spec.id, "cat a.txt")).toMatch(/one$/m);
    const bad = newSessionId();
    const conflict = [...files, { path: "a.txt/b", text: "" }];
    const refused = await sessionOf(bad).create(ALICE, {
      ...spec,
      id: bad,
      config: { files: conflict },
    });
    expect(refused).toMatchObject({ ok: false, failure: { code: "unavailable" } });
    expect(await tablesOf(objectOf(bad))).toEqual([]);
    expect(await tablesOf(env.EMBEDDED_SANDBOXES.getByName(bad))).toEqual([]);
  });
});

describe("a session that is lost while it is set up", () => {
  let artifactId = "";
  beforeAll(async () => {
    artifactId = await anArtifact("a file\n");
  });
  const machines = new Map<string, FakeContainer>();
  /** A session in a fake container. Each play has a set-up of its own, unless it is `known`. */
  const scenario = (known?: SessionConfig): Scenario => ({
    get config() {
      return known ?? aSetup({ files: [{ path: "notes/a.txt", artifactId }] });
    },
    get spec() {
      const id = newSessionId();
      machines.set(id, addFakeContainer(id));
      return { id };
    },
    prompts: [bash("cat log.txt notes/a.txt")],
    async lose(id, loss) {
      const machine = machines.get(id);
      if (loss === "everything" && machine) loseContainer(machine);
      await lose(id);
    },
  });
  it.each<[string, Loss, boolean]>([
    ["is made", "object before its next commit", false],
    ["is taken over", "everything", true],
  ])("after any commit has one whole set-up: one that %s (%s)", async (_, loss, isKnown) => {
    const known = isKnown ? aSetup() : undefined;
    if (known) await prepared({ config: known });
    const end = plantFaults();
    const { fault, outcome } = await play(scenario(known), null, loss);
    expect(outcome.messages[0]?.result).toMatch(/returned: once\ntwice\na file$/);
    // Messages are sent after the start. A container that is lost then is another matter.
    const commits = [...fault.commits];
    const started = commits.indexOf("session.started #1") + (loss === "everything" ? 0 : 1);
    const points = commits.slice(0, started);
    expect(points.length).toBeGreaterThan(isKnown ? 2 : 5);
    const lossesOf = () =>
      forEachSideBySide(points, async (point) => {
        const one = await play(scenario(known), point, loss);
        const { messages, conversations, events } = one.outcome;
        expect(messages, `lost after ${point}`).toEqual(outcome.messages);
        expect(conversations, `lost after ${point}`).toEqual(outcome.conversations);
        // Its steps may have begun again.
        const others = (all: string[]) => all.filter((event) => !event.startsWith("setup."));
        expect(others(events), `lost after ${point}`).toEqual(others(outcome.events));
      });
    await withoutPauses(lossesOf, FASTER).finally(end);
  });
});

it("a session without a set-up makes no request, event or row for one", async () => {
  const head = vi.spyOn(env.SNAPSHOTS, "head");
  const { id, machine } = await prepared({ config: {} });
  expect(head).not.toHaveBeenCalled();
  expect(machine.steps).toEqual(["start"]);
  expect(await typesOf(id)).toEqual(["session.created", "session.started"]);
  expect((await ask(id, "hello")).status).toBe("completed");
});
