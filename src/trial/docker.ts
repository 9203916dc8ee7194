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

/** Runs a script in a container. Returns its output. */
export const inside = (container: string, script: string, user = "root"): string =>
  docker("exec", "-u", user, container, "bash", "-c", script).said;

/**
 * Searches all files of a container for a text. Returns what the search prints, and the variables and arguments of all
 * processes with what the container has logged. Without privileges over other users' processes, root does not see
 * everything of `user`.
 */
export function traces(container: string, text: string, user: string): string[] {
  // The text is split, so that the search does not find itself.
  const parts = `${text.slice(0, 12)}''${text.slice(12)}`;
  const files = `grep -rlsaF -e ${parts} / --exclude-dir=proc --exclude-dir=sys; echo searched`;
  const look = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'";
  const processes = inside(container, look) + inside(container, look, user);
  return [inside(container, files), processes + docker("logs", container).said];
}
