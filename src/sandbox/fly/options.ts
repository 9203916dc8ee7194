import { z } from "zod";
import type { Network } from "../egress";

/** The kinds of processors, and the memory of a machine for each processor of the kind, in MB. */
const KINDS = {
  shared: { step: 256, min: 256, max: 2_048 },
  performance: { step: 2_048, min: 2_048, max: 8_192 },
} as const;

/** The sizes of machines, as Fly names them. */
const SIZES = [
  "shared-cpu-1x",
  "shared-cpu-2x",
  "shared-cpu-4x",
  "shared-cpu-6x",
  "shared-cpu-8x",
  "performance-1x",
  "performance-2x",
  "performance-4x",
  "performance-6x",
  "performance-8x",
  "performance-10x",
  "performance-12x",
  "performance-14x",
  "performance-16x",
] as const;

/** The most that can be suspended with its memory. */
const DEFAULT_MEMORY_MB = 2_048;
const DEFAULT_SIZE = "shared-cpu-2x";
const DEFAULT_IMAGE = "registry-1.docker.io/library/node:24-bookworm";

/** The options of `config.sandbox` for machines of Fly. */
export const flyOptions = z
  .strictObject({
    /** The address of an image with Node, Perl, bash and tar. */
    image: z.string().min(1).max(500).exactOptional(),
    /** The code of a region of Fly. */
    region: z
      .string()
      .regex(/^[a-z]{3}$/, "must be the three letters of a region")
      .exactOptional(),
    size: z.enum(SIZES).exactOptional(),
    memoryMb: z.int().exactOptional(),
  })
  .check(({ value, issues }) => {
    const { kind, cpus } = partsOf(value.size ?? DEFAULT_SIZE);
    const { step, min, max } = KINDS[kind];
    const { memoryMb } = value;
    if (memoryMb === undefined) return;
    if (memoryMb % step === 0 && memoryMb >= min * cpus && memoryMb <= max * cpus) return;
    const message = `must be a multiple of ${step}, from ${min * cpus} to ${max * cpus}, with this size`;
    issues.push({ code: "custom", path: ["memoryMb"], message, input: memoryMb });
  });

export type FlyOptions = z.infer<typeof flyOptions>;

/** Returns what a machine is made of. */
export function placeOf({ image, region, size = DEFAULT_SIZE, memoryMb }: FlyOptions) {
  const { kind, cpus } = partsOf(size);
  const least = KINDS[kind].min * cpus;
  return {
    region,
    image: image ?? DEFAULT_IMAGE,
    guest: {
      cpu_kind: kind,
      cpus,
      memory_mb: memoryMb ?? (size === DEFAULT_SIZE ? DEFAULT_MEMORY_MB : least),
    },
  };
}

/** Returns why machines of Fly can't have a network; null if they can. */
export function flyNetworkProblem(network: Network): string | null {
  if (network === "open") return null;
  return 'a machine of "fly" reaches every host: Fly can restrict ports, but not hosts; only "open" is possible';
}

function partsOf(size: string): { kind: keyof typeof KINDS; cpus: number } {
  return {
    kind: size.startsWith("shared") ? "shared" : "performance",
    cpus: Number(size.match(/(\d+)x$/)?.[1]),
  };
}
