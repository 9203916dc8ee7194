import type {
  CreateSandbox,
  ListSandboxesResponse,
  Sandbox,
  SandboxListItem,
  SandboxState,
  SnapshotDto,
  UpdateSandboxNetworkSettings,
} from "@daytona/api-client";
import { daemonProblem, intervalProblemOf, networkProblemOf, problem } from "./daytona-problems.ts";
import { DaytonaToolbox } from "./daytona-toolbox.ts";
import { LocalMachine } from "./local-machine.ts";

export interface SandboxOptions {
  /** The time that a change of state takes. */
  changeMs?: number;
  /** The length of a minute of the intervals of sandboxes. */
  minuteMs?: number;
}

/** A sandbox of the stand-in. */
export interface Box {
  dto: Sandbox;
  machine: LocalMachine;
  toolbox: DaytonaToolbox;
  /** True while its state changes. */
  pending: boolean;
  activeAt: number;
  destroyAt: number;
}

interface Snapshot {
  dto: SnapshotDto;
  machine: LocalMachine;
}

/** The sandboxes and snapshots of an organization. */
export class Sandboxes {
  readonly #boxes = new Map<string, Box>();
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #changeMs: number;
  readonly #minuteMs: number;
  readonly #clock: NodeJS.Timeout;

  constructor({ changeMs = 20, minuteMs = 60_000 }: SandboxOptions) {
    this.#changeMs = changeMs;
    this.#minuteMs = minuteMs;
    this.#clock = setInterval(() => this.#enforceIntervals(), Math.min(1_000, minuteMs / 4));
    this.#clock.unref();
  }

  all(): Sandbox[] {
    return [...this.#boxes.values()].filter(isKnown).map((box) => box.dto);
  }

  find(idOrName: string): Box | undefined {
    const boxes = [...this.#boxes.values()];
    return this.#boxes.get(idOrName) ?? boxes.find(({ dto }) => dto.name === idOrName);
  }

  /** Returns the sandbox of a request to its toolbox, or the error of Daytona's proxy. */
  boxOfToolbox(request: Request): Box | Response {
    const id = new URL(request.url).pathname.split("/")[2] ?? "";
    const box = this.#boxes.get(id);
    // The proxy does not tell an unknown sandbox from a wrong key.
    if (!box || !isKnown(box))
      return daemonProblem(request, 401, "authentication failed: Bearer token is invalid");
    if (box.dto.state !== "started") {
      const message = "no IP address found. Is the Sandbox started?";
      return daemonProblem(request, 400, message);
    }
    if (request.headers.get("X-Daytona-Skip-Last-Activity-Update") !== "true")
      box.activeAt = Date.now();
    return box;
  }

  async create(request: Request): Promise<Response> {
    const asked: CreateSandbox = await request.json();
    const { origin } = new URL(request.url);
    const wrong = networkProblemOf(asked) ?? intervalProblemOf(asked);
    if (wrong) return problem(request, 400, wrong);
    if (asked.name !== undefined && this.find(asked.name))
      return problem(request, 409, `Sandbox with name ${asked.name} already exists`);
    const { snapshot = DEFAULT_SNAPSHOT } = asked;
    const source = this.#snapshots.get(snapshot);
    const isVm = snapshot === VM_SNAPSHOT;
    if (!source && !isVm && snapshot !== DEFAULT_SNAPSHOT) {
      const message = `Snapshot ${snapshot} not found. Did you add it through the Daytona Dashboard?`;
      return problem(request, 400, message);
    }
    const id = crypto.randomUUID();
    const now = new Date().toISOString();
    const dto: Sandbox = {
      id,
      organizationId: "organization",
      name: asked.name ?? id,
      ...(!asked.buildInfo && { snapshot }),
      user: asked.user ?? "daytona",
      env: asked.env ?? {},
      labels: asked.labels ?? {},
      public: asked.public ?? false,
      networkBlockAll: asked.networkBlockAll ?? false,
      ...(asked.networkAllowList && { networkAllowList: asked.networkAllowList }),
      ...(asked.domainAllowList && { domainAllowList: asked.domainAllowList }),
      target: asked.target ?? "us",
      // A snapshot has sizes of its own.
      cpu: (asked.buildInfo && asked.cpu) ?? 1,
      gpu: 0,
      memory: (asked.buildInfo && asked.memory) ?? 1,
      disk: (asked.buildInfo && asked.disk) ?? 3,
      state: asked.buildInfo ? "pending_build" : "creating",
      desiredState: "started",
      autoStopInterval: asked.autoStopInterval ?? (isVm ? 0 : 15),
      autoPauseInterval: asked.autoPauseInterval ?? (isVm ? 60 : 0),
      autoArchiveInterval: asked.autoArchiveInterval || 7 * 24 * 60,
      autoDeleteInterval: asked.autoDeleteInterval ?? -1,
      createdAt: now,
      updatedAt: now,
      sandboxClass: isVm ? "linux-vm" : "container",
      toolboxProxyUrl: `${origin}/toolbox`,
    };
    const destroyAt = asked.ttlMinutes
      ? Date.now() + asked.ttlMinutes * this.#minuteMs
      : Number.POSITIVE_INFINITY;
    if (asked.ttlMinutes) dto.autoDestroyAt = new Date(destroyAt).toISOString();
    const machine = new LocalMachine(source?.machine);
    const toolbox = new DaytonaToolbox(machine, dto.env);
    const box = { dto, machine, toolbox, pending: true, activeAt: Date.now(), destroyAt };
    this.#boxes.set(id, box);
    this.#settle(box, "started");
    return Response.json(dto);
  }

  async list(request: Request): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const labels: Record<string, string> = JSON.parse(query.get("labels") ?? "{}");
    const limit = Number(query.get("limit") ?? 100);
    const from = Number(query.get("cursor") ?? 0);
    const found = [...this.#boxes.values()].filter(({ dto }) =>
      Object.entries(labels).every(([name, value]) => dto.labels[name] === value),
    );
    const items = found.slice(from, from + limit).map(({ dto }) => {
      const { env: _, ...item } = dto;
      return item as SandboxListItem;
    });
    const nextCursor = from + limit < found.length ? String(from + limit) : null;
    return Response.json({ items, nextCursor } satisfies ListSandboxesResponse);
  }

  /** Answers a request that concerns the state of a sandbox; undefined for any other. */
  changeState(request: Request, box: Box, act: string): Response | Promise<Response> | undefined {
    const { dto, machine } = box;
    const refuse = (message: string) => problem(request, 400, message);
    if (box.pending && BUSY.includes(act))
      return problem(request, 409, "Sandbox state change in progress");
    switch (act) {
      case "GET":
        return Response.json(dto);
      case "DELETE":
        return Response.json(this.#destroy(box));
      case "POST start":
        if (dto.state === "started") return Response.json(dto);
        if (dto.state === "paused")
          return this.#change(box, "resuming", "started", () => machine.thaw());
        return this.#change(box, dto.state === "archived" ? "restoring" : "starting", "started");
      case "POST stop":
        if (dto.state !== "started" && dto.state !== "paused")
          return refuse("Sandbox is not in a stoppable state");
        return this.#stop(box);
      case "POST pause":
        if (dto.state !== "started") return refuse("Sandbox must be in started state to pause");
        if (dto.sandboxClass !== "linux-vm")
          return problem(request, 422, "Pausing is not supported for this sandbox");
        return this.#pause(box);
      case "POST archive":
        if (dto.state !== "stopped") return refuse("Sandbox is not stopped");
        return this.#change(box, "archiving", "archived");
      case "POST snapshot":
        return this.#takeSnapshot(request, box);
      case "POST network-settings":
        return setNetwork(request, box);
      default:
        return undefined;
    }
  }

  async #takeSnapshot(request: Request, box: Box): Promise<Response> {
    const { dto, machine } = box;
    const { name } = await request.json();
    const before = dto.state;
    if (before !== "started" && before !== "stopped") {
      const message = "Sandbox must be in started or stopped state to create a snapshot";
      return problem(request, 400, message);
    }
    if (this.#snapshots.has(name))
      return problem(request, 409, `Snapshot with name "${name}" already exists`);
    dto.state = "snapshotting";
    this.#settle(box, before, () => {
      const { cpu, gpu, memory: mem, disk, id: sourceSandboxId } = dto;
      const [createdAt, id] = [new Date(), crypto.randomUUID()];
      const times = { createdAt, updatedAt: createdAt, lastUsedAt: null };
      const none = { size: null, entrypoint: null, errorReason: null };
      const sizes = { cpu, gpu, mem, disk };
      const snapshot = { id, name, general: false, state: "active", sourceSandboxId } as const;
      this.#snapshots.set(name, {
        machine: new LocalMachine(machine),
        dto: { ...snapshot, ...sizes, ...times, ...none },
      });
    });
    return Response.json(dto);
  }

  async snapshot(request: Request, idOrName: string): Promise<Response> {
    const found = [...this.#snapshots.values()].find(
      ({ dto }) => dto.name === idOrName || dto.id === idOrName,
    );
    if (!found) return problem(request, 404, `Snapshot with ID or name ${idOrName} not found`);
    if (request.method === "GET") return Response.json(found.dto);
    this.#snapshots.delete(found.dto.name);
    found.machine.destroy();
    return new Response();
  }

  /** Loses a sandbox, as if it had never been. */
  vanish(idOrName: string): void {
    const box = this.find(idOrName);
    if (!box) return;
    this.#boxes.delete(box.dto.id);
    box.toolbox.destroy();
  }

  /** Ends the followed logs of all sandboxes, as a broken connection does. */
  cutLogs(): void {
    for (const { toolbox } of this.#boxes.values()) toolbox.cutLogs();
  }

  close(): void {
    clearInterval(this.#clock);
    for (const { toolbox } of this.#boxes.values()) toolbox.destroy();
    for (const { machine } of this.#snapshots.values()) machine.destroy();
  }

  /** Changes the state of a sandbox after a while. The answer shows the state before. */
  #change(
    box: Box,
    through: SandboxState,
    to: "started" | "stopped" | "paused" | "archived",
    act?: () => void,
  ): Response {
    const before = { ...box.dto, desiredState: to };
    Object.assign(box.dto, { state: through, desiredState: to });
    this.#settle(box, to, act);
    return Response.json(before);
  }

  #settle(box: Box, to: SandboxState, act: () => void = () => {}): void {
    box.pending = true;
    setTimeout(() => {
      if (!this.#boxes.has(box.dto.id)) return;
      act();
      box.dto.state = to;
      box.pending = false;
      box.activeAt = Date.now();
      if (to === "destroyed") this.#boxes.delete(box.dto.id);
    }, this.#changeMs).unref();
  }

  #stop(box: Box): Response {
    // An ephemeral sandbox is destroyed when it stops.
    if (box.dto.autoDeleteInterval === 0) return Response.json(this.#destroy(box));
    return this.#change(box, "stopping", "stopped", () => box.toolbox.stop());
  }

  #pause(box: Box): Response {
    return this.#change(box, "pausing", "paused", () => box.machine.freeze());
  }

  /** Destroys a sandbox after a while. Its name is free at once. */
  #destroy(box: Box): Sandbox {
    box.dto.name = `DESTROYED_${box.dto.name}_${Date.now()}`;
    box.dto.desiredState = "destroyed";
    const before = { ...box.dto };
    box.dto.state = "destroying";
    this.#settle(box, "destroyed", () => box.toolbox.destroy());
    return before;
  }

  /** Stops and destroys the sandboxes whose time has come. */
  #enforceIntervals(): void {
    for (const box of this.#boxes.values()) {
      const { state, autoStopInterval, autoPauseInterval, ...dto } = box.dto;
      const idle = (Date.now() - box.activeAt) / this.#minuteMs;
      const isDue = (minutes = 0) => minutes > 0 && idle >= minutes;
      if (box.pending) continue;
      if (Date.now() >= box.destroyAt) this.#destroy(box);
      else if (state === "started" && isDue(autoStopInterval)) this.#stop(box);
      else if (state === "started" && isDue(autoPauseInterval)) this.#pause(box);
      else if (state === "stopped" && isDue(dto.autoDeleteInterval)) this.#destroy(box);
      else if (state === "stopped" && isDue(dto.autoArchiveInterval))
        this.#change(box, "archiving", "archived");
    }
  }
}

const DEFAULT_SNAPSHOT = "daytona-small";
/** A snapshot whose sandboxes are virtual machines. */
const VM_SNAPSHOT = "vm";
/** What is refused while the state of a sandbox changes. */
const BUSY = ["DELETE", "POST start", "POST stop", "POST pause", "POST archive", "POST snapshot"];

const isKnown = ({ dto }: Box): boolean => dto.desiredState !== "destroyed";

async function setNetwork(request: Request, { dto }: Box): Promise<Response> {
  const asked: UpdateSandboxNetworkSettings = await request.json();
  const wrong = networkProblemOf(asked);
  if (wrong) return problem(request, 400, wrong);
  return Response.json(Object.assign(dto, asked));
}
