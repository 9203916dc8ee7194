import { DurableObject } from "cloudflare:workers";

export class EmbeddedSandbox extends DurableObject {}
