import { DurableObject } from "cloudflare:workers";
import type { Env } from "../env";

export class Session extends DurableObject<Env> {}
