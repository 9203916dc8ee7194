import { z } from "zod";

// The part of the OpenAPI description of the Machines API (docs.machines.dev/spec/openapi3.json) that the stand-in
// follows. The description makes every property optional; the names and the types are its own, and a name that it does
// not have is refused. What nothing here uses is left unknown.

const text = z.string();
const whole = z.int();
const texts = z.array(text);
const byName = z.record(text, text);

const file = z.strictObject({
  guest_path: text.optional(),
  image_config: text.optional(),
  mode: whole.optional(),
  raw_value: z.base64().optional(),
  secret_name: text.optional(),
});

const guest = z.strictObject({
  cpu_kind: text.optional(),
  cpus: whole.optional(),
  gpu_kind: text.optional(),
  gpus: whole.optional(),
  host_dedication_id: text.optional(),
  kernel_args: texts.optional(),
  max_memory_mb: whole.optional(),
  memory_mb: whole.optional(),
  persist_rootfs: z.enum(["never", "always", "restart"]).optional(),
  required_host_features: texts.optional(),
});

const service = z.strictObject({
  autostart: z.boolean().optional(),
  // "off" and "stop" are booleans in answers.
  autostop: z.union([z.enum(["off", "stop", "suspend"]), z.boolean()]).optional(),
  checks: z.array(z.unknown()).optional(),
  concurrency: z
    .strictObject({
      hard_limit: whole.optional(),
      soft_limit: whole.optional(),
      type: text.optional(),
    })
    .optional(),
  force_instance_description: text.optional(),
  force_instance_key: text.nullish(),
  internal_port: whole.optional(),
  min_machines_running: whole.optional(),
  ports: z
    .array(
      z.strictObject({
        end_port: whole.optional(),
        force_https: z.boolean().optional(),
        handlers: texts.optional(),
        http_options: z
          .strictObject({
            compress: z.boolean().optional(),
            h2_backend: z.boolean().optional(),
            headers_read_timeout: whole.optional(),
            idle_timeout: whole.optional(),
            replay_cache: z.array(z.unknown()).optional(),
            response: z.unknown().optional(),
          })
          .optional(),
        port: whole.optional(),
        proxy_proto_options: z.unknown().optional(),
        start_port: whole.optional(),
        tls_options: z.unknown().optional(),
      }),
    )
    .optional(),
  protocol: text.optional(),
});

const machineConfig = z.strictObject({
  auto_destroy: z.boolean().optional(),
  cache_drive: z.unknown().optional(),
  checks: z.unknown().optional(),
  containers: z.unknown().optional(),
  disable_machine_autostart: z.boolean().optional(),
  dns: z.unknown().optional(),
  env: byName.optional(),
  files: z.array(file).optional(),
  guest: guest.optional(),
  image: text.optional(),
  init: z
    .strictObject({
      cmd: texts.optional(),
      entrypoint: texts.optional(),
      exec: texts.optional(),
      kernel_args: texts.optional(),
      swap_size_mb: whole.optional(),
      tty: z.boolean().optional(),
    })
    .optional(),
  metadata: byName.optional(),
  metrics: z.unknown().optional(),
  mounts: z.unknown().optional(),
  processes: z.unknown().optional(),
  restart: z
    .strictObject({
      max_retries: whole.optional(),
      policy: z.enum(["no", "always", "on-failure"]).optional(),
    })
    .optional(),
  rootfs: z
    .strictObject({
      persist: z.enum(["never", "always", "restart"]).optional(),
      size_gb: whole.optional(),
    })
    .optional(),
  schedule: text.optional(),
  services: z.array(service).optional(),
  size: text.optional(),
  spot: z.unknown().optional(),
  standbys: texts.optional(),
  statics: z.unknown().optional(),
  stop_config: z.unknown().optional(),
});
export type MachineConfig = z.infer<typeof machineConfig>;

export const createMachineRequest = z.strictObject({
  config: machineConfig.optional(),
  lease_ttl: whole.optional(),
  min_secrets_version: whole.optional(),
  name: text.optional(),
  region: text.optional(),
  skip_launch: z.boolean().optional(),
  skip_secrets: z.boolean().optional(),
  skip_service_registration: z.boolean().optional(),
});

export const machineEvent = z.strictObject({
  id: text.optional(),
  request: z.unknown().optional(),
  source: text.optional(),
  status: text.optional(),
  timestamp: whole.optional(),
  type: text.optional(),
});
export type MachineEvent = z.infer<typeof machineEvent>;

export const machine = z.strictObject({
  checks: z.array(z.unknown()).optional(),
  config: machineConfig.optional(),
  cordoned: z.boolean().optional(),
  created_at: text.optional(),
  events: z.array(machineEvent).optional(),
  host_features: texts.optional(),
  host_status: z.enum(["ok", "unknown", "unreachable"]).optional(),
  id: text.optional(),
  image_ref: z
    .strictObject({
      digest: text.optional(),
      labels: byName.nullish(),
      registry: text.optional(),
      repository: text.optional(),
      tag: text.optional(),
    })
    .optional(),
  incomplete_config: machineConfig.nullish(),
  instance_id: text.optional(),
  lease: z.unknown().optional(),
  name: text.optional(),
  nonce: text.optional(),
  private_ip: text.optional(),
  region: text.optional(),
  state: text.optional(),
  updated_at: text.optional(),
});
export type MachineAnswer = z.infer<typeof machine>;

export const waitMachineResponse = z.strictObject({
  event_id: text.optional(),
  ok: z.boolean().optional(),
  state: text.optional(),
  version: text.optional(),
});

/** The states of `wait?state=`. */
export const WAIT_STATES = ["started", "stopped", "suspended", "destroyed", "failed", "settled"];

export const stopRequest = z.strictObject({
  signal: z
    .enum(["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM"])
    .optional(),
  timeout: text.optional(),
});

export const machineExecRequest = z.strictObject({
  cmd: text.optional(),
  command: texts.optional(),
  container: text.optional(),
  machine: z.boolean().optional(),
  stdin: text.optional(),
  timeout: whole.optional(),
});

export const execResponse = z.strictObject({
  exit_code: whole.optional(),
  exit_signal: whole.optional(),
  stderr: text.optional(),
  stdout: text.optional(),
});

export const errorResponse = z.strictObject({
  details: z.unknown().optional(),
  error: text.optional(),
  status: z
    .enum(["unknown", "insufficient_capacity", "volume_placement_capacity", "name_taken"])
    .optional(),
});
