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
