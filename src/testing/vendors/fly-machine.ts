import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import type { MachineAnswer, MachineConfig, MachineEvent } from "./fly-schemas.ts";
import { LocalMachine, type Spawned } from "./local-machine.ts";
import { accepts, freePort } from "./served-proxy.ts";

/** An error as the Machines API answers it. */
export class FlyError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface Birth {
  app: string;
  name: string;
  region: string;
  config: MachineConfig;
  skipLaunch: boolean;
  /** The time that a change of state takes. */
  delayMs: number;
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
const version = () => `01${randomBytes(12).toString("hex").toUpperCase()}`;

/** A machine of the stand-in: its states and its program. */
export class FlyMachine {
  readonly id = randomBytes(7).toString("hex");
  readonly app: string;
  readonly name: string;
  state = "created";
  /** The port on which its program listens in place of the internal port of its service. */
  port = 0;
  /** The end of what its program has written. */
  logs = "";
  readonly #birth: Birth;
  readonly #createdAt = new Date().toISOString();
  readonly #version = version();
  #updatedAt = this.#createdAt;
  readonly #events: MachineEvent[] = [];
  #disk = new LocalMachine();
  #program: Spawned | undefined;
  #isFrozen = false;
  #restarts = 0;
  #onChange: (() => void)[] = [];

  constructor(birth: Birth) {
    this.#birth = birth;
    this.app = birth.app;
    this.name = birth.name;
    this.#event("launch", "created", "user");
    this.#writeFiles();
    this.#later(() => (birth.skipLaunch ? this.#become("stopped", "launch") : this.#launch()));
  }

  get config(): MachineConfig {
    return this.#birth.config;
  }

  get region(): string {
    return this.#birth.region;
  }

  get isDestroyed(): boolean {
    return this.state === "destroyed" || this.state === "destroying";
  }

  /** What its program and its files are in. */
  get disk(): LocalMachine {
    return this.#disk;
  }

  /** Returns the machine as the API shows it. */
  show(): MachineAnswer {
    const { region, config } = this.#birth;
    const [repository = "", tag = "latest"] = (config.image ?? "").split(":");
    return {
      id: this.id,
      name: this.name,
      state: this.state,
      region,
      image_ref: { registry: "registry-1.docker.io", repository, tag, digest: "sha256:0" },
      instance_id: this.#version,
      private_ip: "fdaa:0:18:a7b:196:e274:9ce1:2",
      created_at: this.#createdAt,
      updated_at: this.#updatedAt,
      config,
      events: this.#events.toReversed(),
      host_status: "ok",
    };
  }

  setMetadata(key: string, value: string | null): void {
    const metadata = { ...this.config.metadata };
    if (value === null || value === "") delete metadata[key];
    else metadata[key] = value;
    this.#birth.config = { ...this.config, metadata };
  }

  /** Waits until the machine is in one of the states. Returns false if the time was too short. */
  async waitFor(states: readonly string[], timeoutMs: number): Promise<boolean> {
    const until = Date.now() + timeoutMs;
    const isThere = () =>
      states.includes(this.state) || (states.includes("settled") && !this.state.endsWith("ing"));
    while (!isThere()) {
      const left = until - Date.now();
      if (left <= 0) return false;
      await Promise.race([pause(left), new Promise<void>((done) => this.#onChange.push(done))]);
    }
    return true;
  }

  /** Starts it: a suspended one goes on, a stopped one begins anew. Returns the state before. */
  start(): string {
    const before = this.state;
    if (before === "started") return before;
    if (before !== "stopped" && before !== "suspended" && before !== "failed") {
      throw new FlyError(
        412,
        `failed_precondition: unable to start machine from current state: '${before}'`,
      );
    }
    this.#become("starting", "start", "user");
    this.#later(() => {
      if (this.#isFrozen) {
        this.#isFrozen = false;
        this.#disk.thaw();
        this.#become("started", "start");
      } else {
        if (before === "stopped") this.#reset();
        this.#launch();
      }
    });
    return before;
  }

  /** Stops it. Its files are reset when it starts again, unless its configuration keeps them. */
  stop(signal: NodeJS.Signals = "SIGINT", timeoutMs = 5_000): void {
    if (this.state === "suspended") {
      this.loseSnapshot();
      this.#become("stopped", "stop", "user");
    }
    if (this.state !== "started") return;
    this.#become("stopping", "stop", "user");
    const program = this.#program;
    program?.kill(signal);
    const kill = setTimeout(() => program?.kill("SIGKILL"), timeoutMs);
    kill.unref();
    // Its program's end makes it stopped.
    if (!program) this.#ended(0);
  }

  suspend(): void {
    const { guest, init, schedule } = this.config;
    if (this.state !== "started") {
      throw new FlyError(
        412,
        `failed_precondition: unable to suspend machine from current state: '${this.state}'`,
      );
    }
    if ((guest?.memory_mb ?? 256) > 2048 || init?.swap_size_mb || schedule) {
      throw new FlyError(400, "invalid_argument: machine is not eligible for suspension");
    }
    this.#become("suspending", "suspend", "user");
    this.#later(() => {
      this.#disk.freeze();
      this.#isFrozen = true;
      this.#become("suspended", "suspend");
    });
  }

  /** Loses the memory of a suspended machine, as Fly may: it boots anew, and keeps its files. */
  loseSnapshot(): void {
    this.#isFrozen = false;
    this.#program = undefined;
    this.#disk.stop();
  }

  /** Removes it. One that runs is removed by force only. */
  destroy(isForced: boolean): void {
    if (this.isDestroyed) return;
    if (!isForced && !["stopped", "suspended", "failed"].includes(this.state)) {
      throw new FlyError(
        412,
        "failed_precondition: unable to destroy machine, not currently stopped",
      );
    }
    this.#become("destroying", "destroy", "user");
    this.#later(() => this.vanish());
  }

  /** Ends at once, whatever its state. */
  vanish(): void {
    this.#program = undefined;
    this.#disk.destroy();
    this.#become("destroyed", "destroy");
  }

  /** Returns whether its program accepts connections within the time. */
  async listens(timeoutMs: number): Promise<boolean> {
    const until = Date.now() + timeoutMs;
    while (this.state === "started" && !(await accepts(this.port))) {
      if (Date.now() > until) return false;
      await pause(20);
    }
    return this.state === "started";
  }

  #later(act: () => void): void {
    const timer = setTimeout(() => {
      if (this.state !== "destroyed") act();
    }, this.#birth.delayMs);
    timer.unref();
  }

  #become(state: string, event: string, source = "flyd"): void {
    if (this.state === "destroyed") return;
    this.state = state;
    this.#event(event, state, source);
    for (const tell of this.#onChange.splice(0)) tell();
  }

  #event(type: string, status: string, source: string): void {
    this.#updatedAt = new Date().toISOString();
    this.#events.push({ id: version(), type, status, source, timestamp: Date.now() });
  }

  /** Gives it the files of its image again, unless its configuration keeps its own. */
  #reset(): void {
    const { rootfs, guest } = this.config;
    if (["always", "restart"].includes(rootfs?.persist ?? guest?.persist_rootfs ?? "")) return;
    this.#disk.destroy();
    this.#disk = new LocalMachine();
    this.#writeFiles();
  }

  #writeFiles(): void {
    for (const { guest_path: path = "", raw_value: value = "", mode } of this.config.files ?? []) {
      const local = this.#disk.local(path);
      if (local === path) throw new FlyError(400, `the stand-in has no place for ${path}`);
      const bytes = Buffer.from(value, "base64");
      mkdirSync(dirname(local), { recursive: true });
      // Programs name paths of the machine.
      const isText = Buffer.from(bytes.toString()).equals(bytes);
      writeFileSync(local, isText ? this.#disk.toLocal(bytes.toString()) : bytes);
      if (mode !== undefined) chmodSync(local, mode);
    }
  }

  #launch(): void {
    this.#become("started", "start");
    void this.#run();
  }

  async #run(): Promise<void> {
    const { init, env = {}, services, image } = this.config;
    const [command, ...args] = init?.exec ?? [];
    if (command === undefined) return;
    this.port = await freePort();
    // All machines share the ports of this computer.
    const internal = String(services?.[0]?.internal_port);
    const own = Object.entries(env).map(([name, value]) => [
      name,
      value === internal ? String(this.port) : value,
    ]);
    if (this.state !== "started") return;
    const program = this.#disk.spawn(command, args, {
      cwd: "/",
      env: {
        ...Object.fromEntries(own),
        // All images are the same, but one that is not named after Node has no programs.
        ...(!image?.includes("node") && { PATH: "/nowhere" }),
        FLY_APP_NAME: this.app,
        FLY_MACHINE_ID: this.id,
        FLY_REGION: this.region,
      },
    });
    this.#program = program;
    this.#log(program.stdout);
    this.#log(program.stderr);
    const { code } = await program.exit;
    if (this.#program === program) this.#ended(code ?? 137);
  }

  #log(output: Readable): void {
    output.on("data", (piece) => {
      this.logs = (this.logs + piece).slice(-4096);
    });
  }

  /** Its program has ended: it is started again, or the machine stops. */
  #ended(code: number): void {
    this.#program = undefined;
    const wasAsked = this.state === "stopping";
    const { restart, auto_destroy: isDestroyed } = this.config;
    const { policy = "on-failure", max_retries: retries = 10 } = restart ?? {};
    this.#disk.stop();
    const again = policy === "always" || (policy === "on-failure" && code !== 0);
    if (!wasAsked && again && this.#restarts < retries) {
      this.#restarts += 1;
      this.#become("restarting", "restart");
      this.#later(() => {
        this.#reset();
        this.#launch();
      });
      return;
    }
    this.#become("stopped", "exit");
    if (isDestroyed) this.destroy(true);
  }
}
