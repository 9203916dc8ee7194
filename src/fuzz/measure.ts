import type { Random } from "../soak/random.ts";
export async function measure(_random: Random): Promise<void> {}
