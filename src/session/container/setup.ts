import type { EventBody } from "../../events/event";
import { resolveRevision } from "../../sandbox/git/resolve";
import { tokenOf } from "../../sandbox/git/tokens";
import { canonicalUrl } from "../../sandbox/git/urls";
import { writeFiles } from "../../sandbox/initial-files";
import { joinOutput } from "../../sandbox/output";
import { imageOf, optionsOf } from "../../sandbox/providers";
import { type CommandResult, type Sandbox, SandboxError } from "../../sandbox/sandbox";
import { errorText, log } from "../../shared/log";
import { ArtifactBucket } from "../artifact-bucket";
import type { SessionContext } from "../context";
import { encryption, workspace } from "../deployment";
import { sandboxOptions } from "../machines";
import type { InitialFile } from "../rpc";
import type { SavedWorkspace } from "../rules/container-state";
import type { ClearEnv, SessionEnv } from "../session-env";
import { keepSetup, setupKey, takeSetup } from "../storage/setups";
import { savedKey } from "../storage/snapshot-bucket";
import { containerOf } from "../transactions/state";
import { isLoss } from "./sandbox";
import type { Saves } from "./saves";
import {
  beginsWithFiles,
  endOf,
  failureText,
  hasSetup,
  type PlannedRepository,
  type PlannedStep,
  plannedRepository,
  setupText,
  stepsOf,
} from "./setup-plan";

/** Maximum time of a step, in ms. */
const STEP_MS = 30 * 60_000;
/** The bytes of a step's stdout and stderr, each, that are sent while it runs, and kept until its end. */
const MAX_OUTPUT_BYTES = 256 * 1024;
/** How often a step is reported as progress, in ms. Calls wait for the container as long as there is some. */
const PROGRESS_MS = 30_000;

/** What a session's workspace begins with, besides its files. */
export interface SetupPlan {
  repositories: PlannedRepository[];
  /** The key under which the result is kept for other sessions; null if there is nothing that is worth it. */
  key: string | null;
  /** What another session's set-up has made, copied to a key of this session; null if there is none. */
  reused: SavedWorkspace | null;
}

/** The error of a set-up that would fail again. The session ends with its message, after `event`. */
export class SetupFailed extends SandboxError {
  readonly event: EventBody | null;
  constructor(message: string, event: EventBody | null = null) {
    super(message, { transient: false });
    this.event = event;
  }
}

/** The parts of the container's lifecycle that a set-up uses. */
interface SetupDeps {
  sessionEnv: SessionEnv;
  saves: Saves;
  /** Returns the sandbox of the container with a name. */
  sandboxOf(name: string): Sandbox;
  onProgress(): void;
}

/**
 * Sets up the workspace of a session's first container: clones its repositories, writes its files and runs its commands, or
 * takes over what another session of the owner with the same set-up has made. The session has the container only after the
 * last step. If it is lost before that, another container is set up from the beginning.
 */
export class Setup {
  readonly #context: SessionContext;
  readonly #deps: SetupDeps;
  readonly #artifacts: ArtifactBucket;
  /** Ends the wait for a step; null while there is none. */
  #stop: (() => void) | null = null;

  constructor(context: SessionContext, deps: SetupDeps) {
    this.#context = context;
    this.#deps = deps;
    this.#artifacts = new ArtifactBucket(context.env.SNAPSHOTS);
  }

  /**
   * Finds the commits of the repositories, and what another session's set-up has made of them. Returns null if the workspace
   * begins empty. Rejects with `SetupFailed` if a repository can't be cloned.
   */
  async plan(): Promise<SetupPlan | null> {
    const { config } = this.#context.store.identity;
    if (!beginsWithFiles(config)) return null;
    if (!hasSetup(config)) return { repositories: [], key: null, reused: null };
    const env = await this.#deps.sessionEnv.read();
    const repositories = await this.#resolve(env);
    const key = await this.#keyOf(repositories, env);
    return { repositories, key, reused: await this.#take(key) };
  }

  /**
   * Sets up the workspace of a container. Returns the saved workspace; null if it is not saved yet. Rejects with
   * `SetupFailed` if a step fails, and with another error if another attempt may help.
   */
  async run(name: string, { repositories, key }: SetupPlan): Promise<SavedWorkspace | null> {
    const { setup = [], files = [] } = this.#context.store.identity.config;
    const sandbox = this.#deps.sandboxOf(name);
    const env = await this.#deps.sessionEnv.ofCommands();
    const steps = stepsOf(repositories, setup);
    for (const step of steps.clones) await this.#step(sandbox, step, env);
    const open = async (id: string) => (await this.#artifacts.get(id))?.body ?? null;
    await this.#untilStopped(() => writeFiles(sandbox, workspace, files, open)).catch((error) => {
      if (!(error instanceof SandboxError) || error.transient || error.lost) throw error;
      throw unwritable(error.message);
    });
    for (const step of steps.commands) await this.#step(sandbox, step, env);
    return key === null ? null : this.#save(name, key);
  }

  /** Gives up the running step: the session does not need its container any more. */
  stop(): void {
    this.#stop?.();
  }

  async #resolve(env: ClearEnv): Promise<PlannedRepository[]> {
    const { repositories = [] } = this.#context.store.identity.config;
    const fetcher: typeof fetch = (input, init) => fetch(input, init);
    try {
      return await Promise.all(
        repositories.map(async (repository) => {
          const { ref } = repository;
          const url = canonicalUrl(repository.url);
          const remote = { url, ref, token: tokenOf(env, url) };
          return plannedRepository(repository, await resolveRevision(remote, fetcher));
        }),
      );
    } catch (error) {
      if (!(error instanceof SandboxError) || error.transient) throw error;
      throw new SetupFailed(`A repository can't be cloned: ${error.message}.`);
    }
  }

  async #keyOf(repositories: PlannedRepository[], env: ClearEnv): Promise<string> {
    const { identity, state } = this.#context.store;
    const { owner, config } = identity;
    const { provider } = state.sandbox;
    const options = optionsOf(provider, config.sandbox, sandboxOptions);
    const context = { owner, provider, image: imageOf(provider), options, workspace, env };
    const text = setupText(context, repositories, {
      setup: config.setup,
      files: await Promise.all((config.files ?? []).map((file) => this.#planned(file))),
    });
    const [ownerHash, hash] = await Promise.all([owner, text].map((one) => encryption.digest(one)));
    return setupKey(String(ownerHash), String(hash));
  }

  /** Returns a file with the hash of its artifact, if it is one: other artifacts may have the same content. */
  async #planned(file: InitialFile) {
    if (!("artifactId" in file)) return file;
    const { path, artifactId } = file;
    const sha256 = await this.#artifacts.hashOf(this.#context.store.identity.owner, artifactId);
    if (sha256 === null) throw unwritable(`the artifact ${artifactId} is not there`);
    return { path, sha256 };
  }

  /** Copies what another session's set-up has made. If that fails, the set-up is made again. */
  async #take(key: string): Promise<SavedWorkspace | null> {
    const { env, store } = this.#context;
    const own = savedKey(store.identity.id, 0);
    try {
      const at = await takeSetup(env.SNAPSHOTS, key, own, Date.now());
      return at === null ? null : { key: own, at };
    } catch (error) {
      this.#log("setup.not_reused", error);
      return null;
    }
  }

  async #step(
    sandbox: Sandbox,
    { shown, script }: PlannedStep,
    env: Record<string, string>,
  ): Promise<void> {
    const { publish } = this.#context;
    const { step } = shown;
    this.#append({ type: "setup.started", ...shown });
    const startedAt = Date.now();
    const bounds = { timeoutMs: STEP_MS, maxOutputBytes: MAX_OUTPUT_BYTES };
    const result = await this.#untilStopped(() =>
      sandbox.run({ id: `setup_${step}`, command: script, env, ...bounds }, (stream, text) =>
        publish({ type: "setup.output", step, stream, text }),
      ),
    );
    const { exitCode } = result;
    const output = joinOutput(result);
    const durationMs = Date.now() - startedAt;
    const end = { ...shown, exitCode, durationMs, output: endOf(output) };
    if (exitCode !== 0) {
      const message = failureText(shown, whyOf(result), output);
      throw new SetupFailed(message, { type: "setup.failed", ...end });
    }
    this.#append({ type: "setup.completed", ...end });
  }

  /** Appends an event to the log, unless the session does not need its container any more. */
  #append(event: EventBody): void {
    const { store, commit } = this.#context;
    this.#requireWanted();
    commit((now) => store.log.append(event, {}, now));
  }

  #requireWanted(): void {
    const { store } = this.#context;
    if (containerOf(store)?.phase !== "starting" || store.state.removed) throw STOPPED;
  }

  /**
   * Saves the workspace, for this session and for others with the same set-up. Returns null if that fails: the session goes
   * on, and is saved like any other.
   */
  async #save(name: string, key: string): Promise<SavedWorkspace | null> {
    try {
      const saved = await this.#untilStopped(() => this.#deps.saves.beginning(name));
      await keepSetup(this.#context.env.SNAPSHOTS, saved.key, key, Date.now()).catch((error) =>
        this.#log("setup.not_kept", error),
      );
      return saved;
    } catch (error) {
      if (isLoss(error) || error === STOPPED) throw error;
      this.#log("setup.not_kept", error);
      return null;
    }
  }

  /** Does work on the container, and waits for it until `stop` is called. */
  async #untilStopped<T>(act: () => Promise<T>): Promise<T> {
    this.#requireWanted();
    const work = act();
    const stopped = Promise.withResolvers<never>();
    this.#stop = () => stopped.reject(STOPPED);
    const beat = setInterval(() => this.#deps.onProgress(), PROGRESS_MS);
    try {
      return await Promise.race([work, stopped.promise]);
    } finally {
      clearInterval(beat);
      this.#stop = null;
      // It may fail later, with its container.
      work.catch(() => {});
    }
  }

  #log(event: string, error: unknown): void {
    log(event, { session: this.#context.id, error: errorText(error) });
  }
}

const unwritable = (why: string) =>
  new SetupFailed(`A file of config.files can't be written: ${why}.`);

const STOPPED = new SandboxError("its set-up was stopped", { transient: true });

function whyOf({ ended, exitCode }: CommandResult): string {
  if (ended === "timed_out") return `it took longer than ${STEP_MS / 60_000} minutes`;
  return ended === "killed" ? "it was killed" : `exit code ${exitCode}`;
}
