import type { StoredText } from "../../shared/encryption";
import { errorText, log } from "../../shared/log";
import type { SessionContext } from "../context";
import { encryption } from "../deployment";
import type { McpOauth, McpServerConfig } from "../rpc";
import type { NewMcpServer, StoredMcpServer } from "../storage/mcp-servers";
import { replaceServerConfig } from "../transactions/mcp";

/** Returns the MCP servers of a new session, ready to be stored. */
export const newMcpServers = (
  id: string,
  given: Readonly<Record<string, McpServerConfig>> = {},
): Promise<NewMcpServer[]> =>
  Promise.all(
    Object.entries(given).map(async ([name, config]) => ({
      name,
      config: await encrypt(id, name, config),
      origin: new URL(config.url).origin,
      authorization: authorizationOf(config),
    })),
  );

/** A config of a server, and the row that it was read from. */
export interface KnownConfig {
  stored: StoredMcpServer;
  config: McpServerConfig;
}

/** The configs of a session's MCP servers. They are stored encrypted, and cached in memory decrypted after the first use. */
export class McpConfigs {
  readonly #context: SessionContext;
  readonly #known = new Map<string, { text: string; config: McpServerConfig }>();

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** Returns the config of a server. Rejects with a `DecryptionError` if a key is missing. */
  async read(name: string): Promise<KnownConfig> {
    const { identity, mcpServers } = this.#context.store;
    const stored = mcpServers.get(name);
    if (!stored) throw new Error(`there is no MCP server ${name}`);
    const text = JSON.stringify(stored.config);
    const known = this.#known.get(name);
    if (known?.text === text) return { stored, config: known.config };
    const json = await encryption.decrypt(stored.config, place(identity.id, name));
    const config = JSON.parse(json) as McpServerConfig;
    this.#known.set(name, { text, config });
    return { stored, config };
  }

  /**
   * Replaces how the access to a server is renewed, if its config is still the one that was read. Returns whether it was
   * replaced. It is on disk when this resolves.
   */
  async saveOauth({ stored, config }: KnownConfig, oauth: McpOauth): Promise<boolean> {
    const { store, storage } = this.#context;
    const isSaved = await this.#replace(stored, { ...config, oauth });
    if (isSaved && store.exists()) await storage.sync();
    return isSaved;
  }

  /** Encrypts the configs that are not encrypted with the first key. If one can't be decrypted, it stays. Never rejects. */
  async reencrypt(): Promise<void> {
    const { store } = this.#context;
    for (const { name, config } of store.mcpServers.every()) {
      if (encryption.isCurrent(config)) continue;
      try {
        const known = await this.read(name);
        await this.#replace(known.stored, known.config);
      } catch (error) {
        log("env.renewal_failed", { session: this.#context.id, error: errorText(error) });
      }
    }
  }

  async #replace(stored: StoredMcpServer, config: McpServerConfig): Promise<boolean> {
    const { store, commit } = this.#context;
    const { name } = stored;
    const authorization = authorizationOf(config);
    const changes = { config: await encrypt(store.identity.id, name, config), authorization };
    // Meanwhile the session may have been deleted.
    return store.exists() && commit(() => replaceServerConfig(store, stored, changes));
  }
}

const encrypt = (id: string, name: string, config: McpServerConfig): Promise<StoredText> =>
  encryption.encrypt(JSON.stringify(config), place(id, name));

/** Returns the place where a config is stored. Its ciphertext is bound to this place. */
const place = (id: string, name: string) => ["mcpServers", id, name];

const authorizationOf = ({ oauth, headers }: McpServerConfig): NewMcpServer["authorization"] => {
  if (oauth) return "oauth";
  return Object.keys(headers ?? {}).length > 0 ? "headers" : "none";
};

/** Names of headers and parameters whose values are secrets, also if they are not given as such. */
const SECRET_NAME = /auth|cookie|key|pass|secret|sig|token/i;

/** Returns the texts of a config that neither the model nor a client may read. */
export function secretsOf({ url, headers = {}, oauth }: McpServerConfig): string[] {
  const parameters = [...new URL(url).searchParams].map(([name, value]) =>
    SECRET_NAME.test(name) ? value : undefined,
  );
  const values = Object.entries(headers).map(([name, value]) => {
    if (typeof value === "object") return value.secret;
    return SECRET_NAME.test(name) ? value : undefined;
  });
  const { clientSecret, refreshToken, accessToken } = oauth ?? {};
  return [...parameters, ...values, clientSecret, refreshToken, accessToken].flatMap((secret) =>
    // A server may repeat a token without its scheme.
    secret === undefined ? [] : [secret, secret.replace(/^(Basic|Bearer) +/i, "")],
  );
}
