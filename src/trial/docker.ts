import { spawnSync } from "node:child_process";

const DOCKER = process.env.WRANGLER_DOCKER_BIN ?? "docker";

/** Runs the Docker command line. Returns its output. */
export function docker(...args: string[]): { ok: boolean; said: string } {
  const { status, stdout, stderr } = spawnSync(DOCKER, args, { encoding: "utf8" });
  return { ok: status === 0, said: `${stdout}${stderr}` };
}

/** A running container. The containers of one session have one name, one after the other, but ids of their own. */
interface Running {
  id: string;
  name: string;
}

/** Returns the running containers of sessions. */
export const containers = (): Running[] => running().filter((one) => !isSidecar(one));

/** Returns the containers through which those of sessions reach the network. */
export const sidecars = (): Running[] => running().filter(isSidecar);

/** Starts to observe a list. Returns a function for the ids of those that were started since then and run. */
export function startedSince(list: () => Running[]): () => string[] {
  const ids = () => list().map(({ id }) => id);
  const before = ids();
  return () => ids().filter((id) => !before.includes(id));
}

const isSidecar = ({ name }: Running) => name.endsWith("-proxy");

function running(): Running[] {
  const format = "{{.ID}} {{.Names}}";
  const { said } = docker("ps", "--format", format, "--filter", "name=workerd-rigger-");
  return [...said.matchAll(/^(\w+) (\S+)$/gm)].map(([, id = "", name = ""]) => ({ id, name }));
}

/** Kills every container of sessions with SIGKILL. */
export function killContainers(): void {
  docker("kill", ...containers().map(({ id }) => id));
}
