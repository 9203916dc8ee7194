import { openSandbox, type SandboxAddress } from "../../sandbox/providers";
import type { Sandbox } from "../../sandbox/sandbox";
import type { SessionContext } from "../context";
import { sandboxOptions } from "../machines";

/** The sandboxes through which a session reaches its container. Each is kept, since calls are ordered only on one stub. */
export class ContainerHandles {
  readonly #context: SessionContext;
  #atAddress: Sandbox | null = null;
  #newest: { name: string; sandbox: Sandbox } | null = null;
  /** The name of the last container that was destroyed. */
  #closed: string | null = null;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** The name of the container that `named` was last called with; null before the first call. */
  get newestName(): string | null {
    return this.#newest?.name ?? null;
  }

  /** Returns the sandbox at the session's address, whichever container is there. */
  atAddress(): Sandbox {
    this.#atAddress ??= this.#open({ session: this.#context.store.identity.id });
    return this.#atAddress;
  }

  /** Returns the sandbox of the container with a name, and of no other. */
  named(name: string): Sandbox {
    if (this.#newest?.name !== name) {
      const isOpen = () => this.#closed !== name;
      this.#newest = { name, sandbox: this.#open({ machine: name, isOpen }) };
    }
    return this.#newest.sandbox;
  }

  #open(more: Partial<SandboxAddress>): Sandbox {
    const { env, store } = this.#context;
    const { provider, id } = store.state.sandbox;
    const { sandbox: config } = store.identity.config;
    return openSandbox(env, { provider, id, config, ...more }, sandboxOptions);
  }

  /** Closes the sandbox of the newest container, which is about to be destroyed. */
  close(): void {
    this.#closed = this.newestName;
  }

  /** Opens the sandbox of a container that was closed, and continues. */
  reopen(): void {
    this.#closed = null;
    this.#newest = null;
  }

  /** Forgets the sandboxes, after the session was erased. */
  forget(): void {
    this.#atAddress = null;
    this.#newest = null;
  }
}
