import { spawnSync } from "node:child_process";

const DOCKER = process.env.WRANGLER_DOCKER_BIN ?? "docker";

/** Runs Docker's program; answers what it says. */
export function docker(...args: string[]): { ok: boolean; said: string } {
  const { status, stdout, stderr } = spawnSync(DOCKER, args, { encoding: "utf8" });
  return { ok: status === 0, said: `${stdout}${stderr}` };
}

/** Returns the names of the containers of sessions that run. */
export function containers(): string[] {
  const { said } = docker("ps", "--format", "{{.Names}}", "--filter", "name=workerd-rigger-");
  return said.split("\n").filter((name) => name !== "" && !name.endsWith("-proxy"));
}

/** Kills every container of sessions as the kernel would. */
export function killContainers(): void {
  docker("kill", ...containers());
}
