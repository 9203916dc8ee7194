import { spawnSync } from "node:child_process";

const DOCKER = process.env.WRANGLER_DOCKER_BIN ?? "docker";

/** Runs the Docker command line. Returns its output. */
export function docker(...args: string[]): { ok: boolean; said: string } {
  const { status, stdout, stderr } = spawnSync(DOCKER, args, { encoding: "utf8" });
  return { ok: status === 0, said: `${stdout}${stderr}` };
}

/** Returns the names of the running containers of sessions. */
export function containers(): string[] {
  const { said } = docker("ps", "--format", "{{.Names}}", "--filter", "name=workerd-rigger-");
  return said.split("\n").filter((name) => name !== "" && !name.endsWith("-proxy"));
}

/** Kills every container of sessions with SIGKILL. */
export function killContainers(): void {
  docker("kill", ...containers());
}
