import type { McpConnection } from "../../agent/mcp/client";
import { McpFailure } from "../../agent/mcp/failure";
import { serverIn } from "../../agent/mcp/names";
import { INTERRUPTED, toolResultOf } from "../../agent/mcp/results";
import { type McpTool, type McpTools, toolsOffered } from "../../agent/mcp/tools";
import type { ToolResult } from "../../agent/tool";
import { counted, failed } from "../../agent/tools/result";
import { reachProblem } from "../../shared/address";
import { DecryptionError } from "../../shared/encryption";
import { type Redact, redactor } from "../../shared/redact";
import { ok, type Result, refuse } from "../../shared/result";
import type { SessionContext } from "../context";
import { lookup, mcpAllowsPrivate } from "../deployment";
import type { McpOauth, McpServerConfig, McpServerRow } from "../rpc";
import { isEnded } from "../rules/lifecycle";
import { mcpServerRow, noteFailure, noteTools } from "../transactions/mcp";
import { type KnownConfig, McpConfigs, secretsOf } from "./configs";
import { AuthorizationLost, type NetworkDeps, renewed, validToken } from "./oauth";

/** How long listing the tools of a server may take, in ms: a message waits for it. */
const LIST_MS = 10_000;
/** Tools are listed again after this time, in ms: then the prompt is in no cache of the model any more. */
const RELIST_MS = 3_600_000;
/** How long a call may take, in ms, unless the config says otherwise. */
const CALL_MS = 120_000;

const network: NetworkDeps = {
  fetch: (input, init) => fetch(input, init),
  lookup,
  allowPrivate: mcpAllowsPrivate,
};

/**
 * The MCP servers of a session. Their tools are stored. A connection to a server begins with its first use in a message, and
 * ends with the message: no object is kept awake by one.
 */
export class McpServers implements McpTools {
  readonly #context: SessionContext;
  readonly #configs: McpConfigs;
  readonly #connections = new Map<string, Promise<McpConnection>>();
  /** The servers that said that their tools have changed. */
  readonly #changed = new Set<string>();
  /** The renewals of tokens that are under way, by the servers. */
  readonly #renewals = new Map<string, Promise<string>>();
  /** The message that uses the servers. */
  #messageId: string | null = null;

  constructor(context: SessionContext) {
    this.#context = context;
    this.#configs = new McpConfigs(context);
  }

  /** Encrypts what is stored with the first key. Never rejects. */
  reencrypt(): Promise<void> {
    return this.#configs.reencrypt();
  }

  every(): readonly McpTool[] {
    return this.#context.store.mcpServers.every().flatMap(({ tools }) => tools);
  }

  /**
   * Makes the servers ready for a message: lists the tools of those that were not listed yet, or long ago. A server that
   * can't be listed is tried once a message. Never rejects.
   */
  async prepare(messageId: string, signal: AbortSignal): Promise<void> {
    this.#messageId = messageId;
    await this.#configs.reencrypt();
    const due = this.#context.store.mcpServers.every().filter(({ listedAt, error, triedIn }) => {
      if (error !== null) return triedIn !== messageId;
      return listedAt === null || Date.now() - listedAt >= RELIST_MS;
    });
    await Promise.all(due.map(({ name }) => this.#list(name, signal)));
  }

  async call(
    { name, input, interrupted }: { name: string; input: unknown; interrupted: boolean },
    signal: AbortSignal,
  ): Promise<ToolResult> {
    const server = serverIn(name) ?? "";
    const known = this.#context.store.mcpServers.get(server);
    const tool = known?.tools.find((one) => one.name === name);
    if (!tool) {
      const why = known?.error
        ? ` The tools of "${server}" could not be listed: ${known.error}.`
        : "";
      return { ...failed(`There is no tool "${name}".${why}`), refused: true };
    }
    if (interrupted && !tool.repeatable) {
      return failed(INTERRUPTED);
    }
    const result = await this.#callTool(server, tool, input, signal);
    if (this.#changed.delete(server) && !signal.aborted) await this.#list(server, signal);
    return result;
  }

  /** Replaces how the access to a server is renewed. Refused for a server that does not exist, and after the session's end. */
  async authorize(server: string, oauth: McpOauth): Promise<Result<McpServerRow>> {
    const { store } = this.#context;
    for (;;) {
      if (!store.mcpServers.get(server)) {
        return refuse("not_found", `The session has no MCP server "${server}".`);
      }
      if (isEnded(store.state.lifecycle)) return refuse("session_ended", "The session has ended.");
      const known = await this.#configs.read(server);
      // A renewal that ends at this moment changes the config too.
      if (await this.#configs.saveOauth(known, oauth)) break;
      if (!store.exists()) return refuse("not_found", "There is no such session.");
    }
    const stored = store.mcpServers.get(server);
    if (!stored) throw new Error(`there is no MCP server ${server}`);
    return ok(mcpServerRow(stored));
  }

  /** Ends the connections of a message. Never rejects. */
  close(messageId: string): void {
    if (this.#messageId !== messageId) return;
    this.#messageId = null;
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    this.#changed.clear();
    const closed = connections.map((connection) => connection.then((one) => one.close()));
    this.#context.waitUntil(Promise.allSettled(closed));
  }

  async #callTool(
    server: string,
    { remote, inputSchema }: McpTool,
    input: unknown,
    signal: AbortSignal,
  ): Promise<ToolResult> {
    let before: McpServerConfig | undefined;
    let timeoutMs = CALL_MS;
    let timeout: AbortSignal | undefined;
    try {
      before = (await this.#configs.read(server)).config;
      timeoutMs = before.timeoutMs ?? CALL_MS;
      timeout = AbortSignal.timeout(timeoutMs);
      const connection = await this.#connectionTo(server);
      const given = typeof input === "object" && input !== null ? { ...input } : {};
      const both = AbortSignal.any([signal, timeout]);
      const result = await connection.call({ name: remote, inputSchema }, given, both);
      return toolResultOf(result, await this.#redactorOf(server, before));
    } catch (error) {
      if (signal.aborted) return failed("The call was interrupted.");
      if (timeout?.aborted) {
        return failed(
          `The call took longer than ${counted(timeoutMs / 1_000, "second")} and was stopped. What it had done until then is not known.`,
        );
      }
      if (error instanceof McpFailure && error.isUnknownTool) this.#changed.add(server);
      const redact = await this.#redactorOf(server, before);
      const words = redact(wordsOf(error));
      if (error instanceof AuthorizationLost) this.#noteEnd(server, words);
      return failed(`The MCP server "${server}" failed: ${words}.`);
    }
  }

  /** Records once that the access to a server has ended: otherwise only the model would be told. */
  #noteEnd(server: string, words: string): void {
    const { store, commit } = this.#context;
    const messageId = this.#messageId;
    if (messageId === null || !store.exists()) return;
    if (store.mcpServers.get(server)?.error === words) return;
    commit((now) => noteFailure({ store, server, messageId, now }, words));
  }

  /** Returns what removes the secrets of a server from what it has said: a renewal may have replaced those of `before`. */
  async #redactorOf(server: string, before: McpServerConfig | undefined): Promise<Redact> {
    const now = await this.#configs.read(server).catch(() => undefined);
    return redactor([before, now?.config].flatMap((config) => (config ? secretsOf(config) : [])));
  }

  /** Lists the tools of a server and stores them, or why that failed. Never rejects. */
  async #list(server: string, signal: AbortSignal): Promise<void> {
    const { store, commit } = this.#context;
    const messageId = this.#messageId;
    const isOver = () => signal.aborted || messageId === null || !store.exists();
    let config: McpServerConfig | undefined;
    const timeout = AbortSignal.timeout(LIST_MS);
    try {
      ({ config } = await this.#configs.read(server));
      const connection = await this.#connectionTo(server);
      const listed = await connection.list(AbortSignal.any([signal, timeout]));
      const offered = toolsOffered(server, listed, config.tools);
      if (isOver() || messageId === null) return;
      commit((now) => noteTools({ store, server, messageId, now }, offered));
    } catch (error) {
      if (isOver() || messageId === null) return;
      const late = timeout.aborted ? `it did not answer within ${LIST_MS / 1_000} s` : undefined;
      const redact = await this.#redactorOf(server, config);
      if (isOver()) return;
      const words = redact(late ?? wordsOf(error));
      commit((now) => noteFailure({ store, server, messageId, now }, words));
    }
  }

  #connectionTo(server: string): Promise<McpConnection> {
    const known = this.#connections.get(server);
    if (known) return known;
    const connection = this.#configs.read(server).then(async ({ config }) => {
      const { connectionTo } = await import("../../agent/mcp/client");
      return connectionTo({
        url: config.url,
        fetch: (input, init) => this.#fetch(server, input, init),
        onToolsChanged: () => void this.#changed.add(server),
      });
    });
    this.#connections.set(server, connection);
    connection.catch(() => this.#connections.delete(server));
    return connection;
  }

  /**
   * Sends a request to a server, with its headers and access token. Redirects are not followed. If the token is refused, it
   * is renewed once.
   */
  async #fetch(
    server: string,
    input: RequestInfo | URL,
    init: RequestInit = {},
  ): Promise<Response> {
    const { config } = await this.#configs.read(server);
    const signal = init.signal ?? AbortSignal.timeout(CALL_MS);
    const problem = await reachProblem(config.url, network, signal);
    if (problem !== null) throw new McpFailure(problem.replace(/\.$/, ""));
    const token = config.oauth && (await this.#token(server));
    const response = await send(config, token);
    if (response.status !== 401 || token === undefined) return response;
    await response.body?.cancel();
    return send(config, await this.#token(server, token));

    async function send({ headers: own = {} }: McpServerConfig, token: string | undefined) {
      const headers = new Headers(init.headers ?? undefined);
      for (const [name, value] of Object.entries(own)) {
        headers.set(name, typeof value === "string" ? value : value.secret);
      }
      if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
      const response = await network
        .fetch(input, { ...init, headers, redirect: "manual" })
        .catch((error) => {
          signal.throwIfAborted();
          const why = error instanceof Error ? error.message : String(error);
          throw new McpFailure(`it could not be reached (${why})`, { cause: error });
        });
      if (response.status >= 300 && response.status < 400) {
        await response.body?.cancel();
        throw new McpFailure(
          `it answered with a redirect (${response.status}), which is not followed`,
        );
      }
      return response;
    }
  }

  /** Returns an access token of a server other than the one that was refused. At most one renewal is under way. */
  async #token(server: string, refused?: string): Promise<string> {
    const known = await this.#configs.read(server);
    const { oauth } = known.config;
    if (!oauth) throw new McpFailure("its access is no longer configured");
    const token = validToken(oauth, Date.now());
    if (token !== undefined && token !== refused) return token;
    if (oauth.ended !== undefined) throw new AuthorizationLost(oauth.ended);
    const underWay = this.#renewals.get(server);
    if (underWay) return underWay;
    // It goes on if the message is interrupted: the new refresh token must not be lost.
    const renewal = this.#renew(known, oauth).finally(() => this.#renewals.delete(server));
    this.#renewals.set(server, renewal);
    this.#context.waitUntil(renewal.catch(() => {}));
    return renewal;
  }

  async #renew(known: KnownConfig, oauth: McpOauth): Promise<string> {
    try {
      const fresh = await renewed(oauth, known.config.url, network);
      // The earlier refresh token may be of no more use, so the new one is stored before anything is done with it.
      const isSaved = await this.#configs.saveOauth(known, fresh);
      // Somebody has authorized anew meanwhile, or the session was deleted.
      if (!isSaved) throw new McpFailure("its access was changed meanwhile: try again");
      return fresh.accessToken ?? "";
    } catch (error) {
      if (!(error instanceof AuthorizationLost)) throw error;
      const ended = `its access has ended and has to be authorized again (${error.message})`;
      await this.#configs.saveOauth(known, { ...oauth, ended });
      throw new AuthorizationLost(ended, { cause: error });
    }
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof McpFailure) return error.message;
  if (error instanceof DecryptionError) return `its config can't be read: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
