import { randomBytes } from "node:crypto";
import type { ModalClient } from "modal";
import { Faults } from "./faults.ts";
import { LocalMachine, type Spawned } from "./local-machine.ts";
import { accepts, freePort } from "./served-proxy.ts";

// A workspace of Modal, by the calls that its clients make over gRPC: messages and codes are those of Modal's protocol.
// Sandboxes run real programs in local folders.

type Client = ModalClient["cpClient"];
type Asked<Method extends keyof Client> = Parameters<Client[Method]>[0];

/** The numbers of gRPC's codes that the stand-in answers. */
const CODES = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  FAILED_PRECONDITION: 9,
};

/** An error of a call, as Modal's own client sees it. */
export class ModalError extends Error {
  override readonly name = "ClientError";
  readonly "@@nice-grpc" = true;
  readonly status: keyof typeof CODES;
  readonly details: string;
  readonly code: number;
  constructor(status: keyof typeof CODES, details: string) {
    super(`${status}: ${details}`);
    this.status = status;
    this.details = details;
    this.code = CODES[status];
  }
}

interface Image {
  /** The files of a snapshot; a new machine has none of its own. */
  disk?: LocalMachine;
  /** Whether it has the programs that Rigger needs. */
  isBare?: boolean;
}

interface Sandbox {
  id: string;
  taskId: string;
  appId: string;
  name: string | undefined;
  tags: Record<string, string>;
  createdAt: number;
  disk: LocalMachine;
  /** The port on which its program listens in place of 8080. */
  port: number;
  program: Spawned;
  stderr: string;
  result?: { status: number; exitcode: number };
  ended: Promise<void>;
}

const STATUS = { success: 1, failure: 2, terminated: 3, timeout: 4 };

const newId = (kind: string) => `${kind}-${randomBytes(11).toString("hex")}`;

/** A workspace of Modal. */
export class ModalCloud {
  readonly faults = new Faults();
  /** The calls that were made, and whether they failed. */
  readonly requests: { call: string; message: object; failed?: string }[] = [];
  readonly #apps = new Map<string, string>();
  readonly #images = new Map<string, Image>();
  readonly #secrets = new Map<string, Record<string, string>>();
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #tokens = new Map<string, Sandbox>();

  /** The images of snapshots that were not deleted. */
  get snapshots(): string[] {
    return [...this.#images].filter(([, { disk }]) => disk).map(([id]) => id);
  }

  /** The sandboxes that run. */
  get running(): Sandbox[] {
    return [...this.#sandboxes.values()].filter(({ result }) => !result);
  }

  /** Returns the sandbox that a connect token is for; undefined if it has ended. */
  connected(token: string): Sandbox | undefined {
    const sandbox = this.#tokens.get(token);
    return sandbox?.result ? undefined : sandbox;
  }

  /** Ends the sandbox of a machine as if its host had failed. */
  vanish(machine: string): void {
    const [name] = machine.split(".");
    for (const one of this.running) if (one.name === name) end(one, STATUS.failure, 137);
  }

  close(): void {
    for (const one of this.running) end(one, STATUS.terminated, 137);
    for (const { disk } of this.#images.values()) disk?.destroy();
  }

  /** Makes a call as a client does, or the fault that strikes it. */
  async call(method: string, message: object): Promise<object> {
    const made: ModalCloud["requests"][number] = { call: method, message };
    this.requests.push(made);
    const request = new Request(`http://cloud/${method}`, { method: "POST" });
    try {
      const response = await this.faults.around(request, async () => {
        const act = (this as unknown as Record<string, unknown>)[method];
        if (typeof act !== "function") throw new Error(`the stand-in has no ${method}`);
        return Response.json(await act.call(this, message));
      });
      const said = await response.json();
      if (!response.ok) throw new ModalError(said.code, said.details);
      return said;
    } catch (error) {
      made.failed = String(error);
      throw error;
    }
  }

  async appGetOrCreate({ appName = "" }: Asked<"appGetOrCreate">) {
    const appId = this.#apps.get(appName) ?? newId("ap");
    this.#apps.set(appName, appId);
    return { appId };
  }

  async environmentGetOrCreate() {
    return { environmentId: "en-1", metadata: { settings: { imageBuilderVersion: "2025.06" } } };
  }

  async imageGetOrCreate({ image }: Asked<"imageGetOrCreate">) {
    const [from = ""] = image?.dockerfileCommands ?? [];
    const imageId = `im-${from.replaceAll(/\W/g, "-")}`;
    if (from.includes("no-such")) {
      const exception = `${from}: not found`;
      return { imageId, result: { status: STATUS.failure, exception } };
    }
    this.#images.set(imageId, { isBare: from.includes("bare") });
    return { imageId, result: { status: STATUS.success } };
  }

  async imageFromId({ imageId = "" }: Asked<"imageFromId">) {
    if (!this.#images.has(imageId)) throw new ModalError("NOT_FOUND", `no image ${imageId}`);
    return { imageId };
  }

  async imageDelete({ imageId = "" }: Asked<"imageDelete">) {
    const image = this.#images.get(imageId);
    if (!image) throw new ModalError("NOT_FOUND", `no image ${imageId}`);
    this.#images.delete(imageId);
    image.disk?.destroy();
    return {};
  }

  async secretGetOrCreate({ envDict = {} }: Asked<"secretGetOrCreate">) {
    const secretId = newId("st");
    this.#secrets.set(secretId, envDict as Record<string, string>);
    return { secretId };
  }

  async sandboxCreate({ appId = "", definition, tags = [] }: Asked<"sandboxCreate">) {
    const { name, imageId = "", secretIds = [], timeoutSecs = 300 } = definition ?? {};
    const image = this.#images.get(imageId);
    if (!image) throw new ModalError("NOT_FOUND", `no image ${imageId}`);
    const env = Object.assign({}, ...secretIds.map((id) => this.#secrets.get(id)));
    const port = await freePort();
    if (name !== undefined && this.#named(appId, name)) {
      throw new ModalError("ALREADY_EXISTS", `Sandbox with name '${name}' already exists`);
    }
    const disk = new LocalMachine(image.disk);
    const [command = "", ...args] = definition?.entrypointArgs ?? [];
    const program = disk.spawn(command === "bash" ? "/bin/bash" : command, args, {
      // All machines share the ports of this computer.
      env: { ...env, RIGGER_PORT: String(port), ...(image.isBare && { PATH: "/nowhere" }) },
    });
    const sandbox: Sandbox = {
      ...{ id: newId("sb"), taskId: newId("ta"), appId, name, disk, port, program, stderr: "" },
      tags: Object.fromEntries(tags.map(({ tagName = "", tagValue = "" }) => [tagName, tagValue])),
      createdAt: Date.now() / 1000,
      ended: program.exit.then(({ code }) =>
        end(sandbox, code === 0 ? STATUS.success : STATUS.failure, code ?? 137),
      ),
    };
    program.stdout.resume();
    program.stderr.on("data", (piece) => {
      sandbox.stderr += piece;
    });
    setTimeout(() => end(sandbox, STATUS.timeout, 124), timeoutSecs * 1000).unref();
    this.#sandboxes.set(sandbox.id, sandbox);
    return { sandboxId: sandbox.id };
  }

  async sandboxGetTaskId({ sandboxId }: Asked<"sandboxGetTaskId">) {
    return { taskId: this.#sandbox(sandboxId).taskId };
  }

  async sandboxGetFromName({ appName = "", sandboxName = "" }: Asked<"sandboxGetFromName">) {
    const found = this.#named(this.#apps.get(appName) ?? "", sandboxName);
    if (!found) throw new ModalError("NOT_FOUND", `no running sandbox ${sandboxName}`);
    return { sandboxId: found.id };
  }

  async sandboxList({ appId, tags = [], beforeTimestamp }: Asked<"sandboxList">) {
    const sandboxes = this.running
      .filter((one) => appId === undefined || one.appId === appId)
      .filter((one) => beforeTimestamp === undefined || one.createdAt < beforeTimestamp)
      .filter((one) => tags.every(({ tagName = "", tagValue }) => one.tags[tagName] === tagValue))
      .sort((a, b) => b.createdAt - a.createdAt)
      .map(({ id, createdAt }) => ({ id, createdAt }));
    return { sandboxes };
  }

  async sandboxTagsGet({ sandboxId }: Asked<"sandboxTagsGet">) {
    const tags = Object.entries(this.#sandbox(sandboxId).tags);
    return { tags: tags.map(([tagName, tagValue]) => ({ tagName, tagValue })) };
  }

  async sandboxWait({ sandboxId, timeout = 0 }: Asked<"sandboxWait">) {
    const sandbox = this.#sandbox(sandboxId);
    await Promise.race([sandbox.ended, pause(timeout * 1000)]);
    return { result: sandbox.result };
  }

  async sandboxTerminate({ sandboxId }: Asked<"sandboxTerminate">) {
    const sandbox = this.#sandbox(sandboxId);
    const { result: existingResult } = sandbox;
    end(sandbox, STATUS.terminated, 137);
    return { existingResult };
  }

  async sandboxCreateConnectToken({ sandboxId, port }: Asked<"sandboxCreateConnectToken">) {
    const sandbox = this.#sandbox(sandboxId);
    if (port !== 8080) throw new ModalError("INVALID_ARGUMENT", "the stand-in knows port 8080");
    const token = randomBytes(24).toString("base64url");
    this.#tokens.set(token, sandbox);
    return { url: `https://${sandbox.taskId}-connect.w.modal.host`, token };
  }

  // The rest goes to the worker of a sandbox, not to Modal's control plane. The JavaScript client has no way to be given
  // another one, so that only the Python side makes these calls here.

  async taskSnapshotFilesystem({ taskId }: { taskId: string }) {
    const { disk } = this.#task(taskId);
    disk.freeze();
    const copy = new LocalMachine(disk);
    disk.thaw();
    const imageId = newId("im");
    this.#images.set(imageId, { disk: copy });
    return { imageId };
  }

  async sandboxWaitUntilReady({ taskId, timeout }: { taskId: string; timeout: number }) {
    const until = Date.now() + timeout * 1000;
    for (;;) {
      const { port } = this.#task(taskId);
      if (await accepts(port)) return {};
      if (Date.now() > until) throw new ModalError("DEADLINE_EXCEEDED", "the probe has not passed");
      await pause(20);
    }
  }

  async sandboxReadStderr({ sandboxId }: { sandboxId: string }) {
    const sandbox = this.#sandbox(sandboxId);
    await sandbox.ended;
    return { data: sandbox.stderr };
  }

  #sandbox(id = ""): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new ModalError("NOT_FOUND", `Sandbox ${id} not found`);
    return sandbox;
  }

  /** Returns the sandbox of a task that has not ended. */
  #task(taskId: string): Sandbox {
    const sandbox = this.running.find((one) => one.taskId === taskId);
    if (!sandbox) throw new ModalError("FAILED_PRECONDITION", "Sandbox already finished");
    return sandbox;
  }

  #named(appId: string, name: string): Sandbox | undefined {
    return this.running.find((one) => one.appId === appId && one.name === name);
  }
}

/** Ends a sandbox, with all its files. */
function end(sandbox: Sandbox, status: number, exitcode: number): void {
  if (sandbox.result) return;
  sandbox.result = { status, exitcode };
  sandbox.disk.destroy();
}

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms).unref());
