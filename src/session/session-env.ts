import type { Ending } from "../agent/agent-deps";
import type { PublicError } from "../events/event";
import { commandEnv, type EnvValue, isSecret, takeOverEnv } from "../sandbox/egress";
import { gitVariables, isTokenName, tokenOptions, tokenSecrets } from "../sandbox/git/tokens";
import { addressByProxy, proxyOptions, proxyVariables } from "../sandbox/machines/proxy-variables";
import { DecryptionError, type StoredText } from "../shared/encryption";
import { errorText, log } from "../shared/log";
import { redactor } from "../shared/redact";
import { type Refusal, refuse } from "../shared/result";
import type { SessionContext } from "./context";
import { encryption } from "./deployment";
import type { SessionConfig } from "./rpc";
import type { Manifest } from "./storage/snapshot-bucket";
import type { StoredEnv } from "./storage/store";
import { machineAccess } from "./transactions/machine-access";

/** An environment with decrypted values, as clients give it and commands use it. */
export type ClearEnv = Record<string, EnvValue>;

/** Returns the environment that a config gives: its `env`, and the tokens of its repositories. */
export const givenEnv = ({ env = {}, repositories = [] }: SessionConfig): ClearEnv => ({
  ...env,
  ...tokenSecrets(repositories),
});

/**
 * Returns the environment of a new session, ready to be stored: the given one, supplemented by that of the copy it
 * starts from. Rejects with a `DecryptionError` if the copy's environment can't be decrypted. With an `owner`, secrets have
 * the same placeholders in each session of that owner.
 */
export async function newEnv(
  id: string,
  given: ClearEnv = {},
  copied: Pick<Manifest, "id" | "env"> = { id, env: {} },
  owner?: string,
): Promise<StoredEnv> {
  const hashes = owner === undefined ? {} : await placeholderHashes(owner, Object.keys(given));
  const merged = takeOverEnv<StoredText>(copied.env, given, hashes);
  return encryptEnv(id, await decryptEnv(copied.id, merged));
}

/** Returns a hash for the placeholder of each variable. */
async function placeholderHashes(
  owner: string,
  names: readonly string[],
): Promise<Record<string, string>> {
  const hashed = names.map(async (name): Promise<[string, string]> => {
    const hash = await encryption.digest(JSON.stringify(["placeholder", owner, name]));
    return [name, hash.slice(0, 32)];
  });
  return Object.fromEntries(await Promise.all(hashed));
}

/** Returns whether a config has values that are stored encrypted. */
export const hasSecrets = (config: SessionConfig): boolean =>
  [givenEnv(config), config.mcpServers].some((values) => Object.keys(values ?? {}).length > 0);

/** Returns a request hash, ready to be stored. It is encrypted if the request has secrets, which could be guessed from it. */
export async function newRequestHash(
  id: string,
  hash: string | null,
  isSecret: boolean,
): Promise<StoredText | null> {
  if (hash === null || !isSecret) return hash;
  return encryption.encrypt(hash, hashPlace(id));
}

/**
 * The environment of an existing session. It is stored encrypted, and cached in memory decrypted after the first use.
 */
export class SessionEnv {
  readonly #context: SessionContext;
  #read: { stored: StoredEnv; env: ClearEnv } | undefined;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** Returns the decrypted environment. Rejects with a `DecryptionError` if a key is missing. */
  async read(): Promise<ClearEnv> {
    const { id, config } = this.#context.store.identity;
    const stored = config.env;
    if (stored === undefined) return {};
    if (this.#read?.stored !== stored) this.#read = { stored, env: await decryptEnv(id, stored) };
    return this.#read.env;
  }

  /**
   * Returns the environment of commands: with placeholders for secrets, the options by which git sends those of
   * repositories, and, if the session has secrets in a vendor's machine, the variables of the proxy that replaces them.
   * Rejects as `read` does.
   */
  async ofCommands(): Promise<Record<string, string>> {
    const env = await this.read();
    const access = machineAccess(this.#context.store);
    const isVariable = ([name]: [string, unknown]) => !isTokenName(name);
    const variables = {
      ...(access && proxyVariables(access, env)),
      ...commandEnv(Object.fromEntries(Object.entries(env).filter(isVariable))),
    };
    const options = [
      ...(access ? proxyOptions(access, env) : []),
      ...tokenOptions(env, (url) => (access ? addressByProxy(access, url) : url)),
    ];
    return { ...variables, ...gitVariables(options, variables) };
  }

  /** Returns the hash of the request that created the session; null if it had none. Rejects as `read` does. */
  async requestHash(): Promise<string | null> {
    const { id, requestHash } = this.#context.store.identity;
    return requestHash === null ? null : encryption.decrypt(requestHash, hashPlace(id));
  }

  /**
   * Encrypts the environment and the request hash with the first key if they are stored as plaintext or under another
   * key. If they can't be decrypted, they stay as they are. Never rejects.
   */
  async reencrypt(): Promise<void> {
    const { store, commit } = this.#context;
    const { identity } = store;
    const { id, config, requestHash, hasMcpServers } = identity;
    const hasAny = config.env !== undefined || hasMcpServers === true;
    if (!hasAny || isCurrent(config.env ?? {}, requestHash)) return;
    try {
      const clear = await this.read();
      const env = await encryptEnv(id, clear);
      const hash = await newRequestHash(id, await this.requestHash(), true);
      // Another call may have done the same meanwhile, or the session may have been deleted.
      if (!store.exists() || store.identity !== identity) return;
      commit(() => store.saveEnv(env, hash));
      this.#read = { stored: env, env: clear };
    } catch (error) {
      log("env.renewal_failed", { session: id, error: errorText(error) });
    }
  }
}

/** Returns the error for clients if an environment can't be decrypted; undefined for any other error. */
export const problemOf = (error: unknown): PublicError | undefined =>
  error instanceof DecryptionError
    ? { type: "unavailable_error", message: `The session's env can't be read: ${error.message}.` }
    : undefined;

/** Returns the error of `problemOf` as a refusal. Throws any other error. */
export function refusalOf(error: unknown): Refusal {
  const problem = problemOf(error);
  if (!problem) throw error;
  return refuse("unavailable", problem.message);
}

/** Removes the secrets of an environment from the error of a message's end. */
export function withoutSecrets(ending: Ending, env: ClearEnv): Ending {
  if (!ending.error) return ending;
  const secrets = Object.values(env).flatMap((value) => (isSecret(value) ? [value.secret] : []));
  const message = redactor(secrets)(ending.error.message);
  return { ...ending, error: { ...ending.error, message } };
}

const isCurrent = (env: StoredEnv, requestHash: StoredText | null): boolean =>
  [...Object.values(env).map(textOf), ...(requestHash === null ? [] : [requestHash])].every(
    (text) => encryption.isCurrent(text),
  );

const textOf = <Text>(value: EnvValue<Text>): Text => (isSecret(value) ? value.secret : value);

const encryptEnv = (id: string, env: ClearEnv): Promise<StoredEnv> =>
  mapTexts<string, StoredText>(env, (text, name) => encryption.encrypt(text, envPlace(id, name)));

const decryptEnv = (id: string, env: StoredEnv): Promise<ClearEnv> =>
  mapTexts(env, (text, name) => encryption.decrypt(text, envPlace(id, name)));

/** Returns the place where a text is stored. Its ciphertext is bound to this place. */
const envPlace = (id: string, name: string) => ["env", id, name];
const hashPlace = (id: string) => ["requestHash", id];

async function mapTexts<A, B>(
  env: Readonly<Record<string, EnvValue<A>>>,
  change: (text: A, name: string) => Promise<B>,
): Promise<Record<string, EnvValue<B>>> {
  const changed = Object.entries(env).map(async ([name, value]): Promise<[string, EnvValue<B>]> => {
    const text = await change(textOf(value), name);
    return [name, isSecret(value) ? { ...value, secret: text } : text];
  });
  return Object.fromEntries(await Promise.all(changed));
}
