/**
 * An error of a sandbox. `transient` says that the same call may work later, `lost` that the container is gone
 * and its files with it.
 */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
  readonly transient: boolean;
  readonly lost: boolean;
  constructor(message: string, options: { transient: boolean; lost?: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.transient = options.transient;
    this.lost = options.lost ?? false;
  }
}
