import { type CreateKey, pagesOf } from "../client/rigger.ts";
import { money, relative } from "../shared/readable.ts";
import { command, durationOf, numberOf, oneOf, UsageError } from "./command.ts";
import { clean, jsonLine, note, print, printTable } from "./terminal.ts";

// Commands about keys, share links, previews and usage.

export const keys = command({
  summary: "Lists API keys",
  options: { owner: { type: "string", value: "owner", help: "those of another owner (admins)" } },
  json: "each key as a line of JSON",
  async run({ values, isJson, rigger }) {
    const rows: string[][] = [];
    const load = (cursor?: string) =>
      rigger.get("/api/keys", {
        query: {
          ...(values.owner !== undefined && { owner: values.owner }),
          ...(cursor !== undefined && { cursor: Number(cursor) }),
        },
      });
    for await (const page of pagesOf(load)) {
      for (const key of page.keys) {
        if (isJson) print(jsonLine(key));
        else rows.push([key.id, key.name, key.owner, key.scopes.join(" "), stateOf(key)]);
      }
    }
    if (!isJson) printTable(["KEY", "NAME", "OWNER", "SCOPES", "STATE"], rows);
    return 0;
  },
});

function stateOf({
  expiresAt,
  lastUsedAt,
  revokedAt,
}: {
  expiresAt: string | null;
  lastUsedAt: string | null;
  revokedAt: string | null;
}): string {
  if (revokedAt !== null) return `revoked ${relative(revokedAt, Date.now())}`;
  if (expiresAt !== null && Date.parse(expiresAt) <= Date.now()) return "expired";
  return lastUsedAt === null ? "never used" : `used ${relative(lastUsedAt, Date.now())}`;
}

const SCOPES = [
  ...(["sessions:read", "sessions:write", "approvals:write", "webhooks:write"] as const),
  ...(["automations:write", "usage:read", "keys:write", "admin"] as const),
];

export const createKey = command({
  summary: "Creates an API key and prints it; it is shown only once",
  args: "<name>",
  options: {
    scope: { type: "string", multiple: true, value: "scope", help: SCOPES.join(", ") },
    tool: { type: "string", multiple: true, value: "rule", help: "limits sessions to this tool" },
    owner: { type: "string", value: "owner", help: "for another owner (admins)" },
    expires: { type: "string", value: "duration", help: "when it ends: 12h, 30d" },
  },
  json: "the key as one JSON object",
  async run({ values, args: [name = ""], isJson, rigger }) {
    const body: CreateKey = {
      name,
      ...(values.scope && { scopes: values.scope.map((one) => oneOf("scope", SCOPES, one)) }),
      ...(values.tool && { tools: values.tool }),
      ...(values.owner !== undefined && { owner: values.owner }),
      ...(values.expires !== undefined && {
        expiresAt: new Date(Date.now() + durationOf("expires", values.expires)).toISOString(),
      }),
    };
    return printKey(await rigger.post("/api/keys", { body }), isJson);
  },
});

export const rotateKey = command({
  summary: "Replaces the secret of an API key and prints the new one",
  args: "<key>",
  options: {
    grace: { type: "string", value: "duration", help: "how long the old one still works: 1h" },
  },
  json: "the key as one JSON object",
  async run({ values, args: [keyId = ""], isJson, rigger }) {
    const body = {
      ...(values.grace !== undefined && { graceMs: durationOf("grace", values.grace) }),
    };
    const key = await rigger.post("/api/keys/{keyId}/rotate", { path: { keyId }, body });
    return printKey(key, isJson);
  },
});

function printKey(key: { id: string; key: string }, isJson: boolean): number {
  print(isJson ? jsonLine(key) : clean(key.key));
  if (!isJson) note(`This is ${clean(key.id)}. It is not shown again.`);
  return 0;
}

export const revokeKey = command({
  summary: "Revokes API keys",
  args: "<key…>",
  async run({ args, rigger }) {
    for (const keyId of args) await rigger.delete("/api/keys/{keyId}", { path: { keyId } });
    return 0;
  },
});

export const share = command({
  summary: "Creates a link to a session and prints it",
  args: "<session>",
  options: {
    write: { type: "boolean", help: "allows to send messages too" },
    expires: { type: "string", value: "duration", help: "when it ends: 7d, 30d at most" },
    description: { type: "string", value: "text", help: "whom it is for" },
  },
  json: "the link as one JSON object",
  async run({ values, args: [id = ""], isJson, rigger }) {
    const link = await rigger.post("/api/sessions/{id}/shares", {
      path: { id },
      body: {
        access: values.write ? "write" : "read",
        ...(values.expires !== undefined && { expiresInMs: durationOf("expires", values.expires) }),
        ...(values.description !== undefined && { description: values.description }),
      },
    });
    print(isJson ? jsonLine(link) : clean(link.url));
    return 0;
  },
});

export const preview = command({
  summary: "Makes a server in a session's sandbox reachable and prints its address",
  args: "<session> <port>",
  options: {
    expires: { type: "string", value: "duration", help: "when it ends: 1d, 30d at most" },
  },
  json: "the preview as one JSON object",
  async run({ values, args: [id = "", port = ""], isJson, rigger }) {
    const made = await rigger.session(id).previews.create(portOf(port), {
      ...(values.expires !== undefined && { expiresInMs: durationOf("expires", values.expires) }),
    });
    print(isJson ? jsonLine(made) : clean(made.url));
    return 0;
  },
});

function portOf(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new UsageError(`"${text}" is no port.`);
}

const GROUPS = ["day", "owner", "user", "model", "pattern", "tag"] as const;

export const stats = command({
  summary: "Shows what was used and what it cost",
  options: {
    by: { type: "string", multiple: true, value: "group", help: GROUPS.join(", ") },
    from: { type: "string", value: "date", help: "the first day (UTC): 2026-11-01" },
    to: { type: "string", value: "date", help: "the last day (UTC)" },
    owner: { type: "string", value: "owner", help: "of one owner (admins)" },
    limit: { type: "string", short: "n", value: "count", help: "how many rows at most; 100" },
  },
  json: "the report as one JSON object",
  async run({ values, isJson, rigger }) {
    const groups = (values.by ?? ["day"]).map((one) => oneOf("by", GROUPS, one));
    const limit = numberOf("limit", values.limit ?? "100");
    const { now, rows } = await rigger.get("/api/usage", {
      query: {
        groupBy: groups,
        ...(values.from !== undefined && { from: values.from }),
        ...(values.to !== undefined && { to: values.to }),
        ...(values.owner !== undefined && { owner: values.owner }),
      },
    });
    if (isJson) {
      print(jsonLine({ now, rows }));
      return 0;
    }
    const spent = ({ spentUsd, heldUsd, maxUsd }: typeof now.day) =>
      [
        `${money(spentUsd)}${maxUsd === null ? "" : ` of ${money(maxUsd)}`}`,
        ...(heldUsd > 0 ? [`${money(heldUsd)} held`] : []),
      ].join(", ");
    print(`Today:           ${spent(now.day)}`);
    print(`This month:      ${spent(now.month)}`);
    print(`Active sessions: ${now.activeSessions}`);
    if (rows.length === 0) return 0;
    const keyOf = (group: (typeof GROUPS)[number]) => (group === "user" ? "userId" : group);
    const amounts = ["COST", "TOKENS", "INPUT", "OUTPUT", "CACHE READ", "CACHE WRITE"];
    print("");
    printTable(
      [...groups.map((group) => group.toUpperCase()), ...amounts],
      rows
        .slice(0, limit)
        .map((row) => [
          ...groups.map((group) => row[keyOf(group)] ?? ""),
          money(row.cost),
          ...[row.tokens, row.inputTokens, row.outputTokens].map(String),
          ...[row.cacheReadTokens, row.cacheWriteTokens].map(String),
        ]),
    );
    if (rows.length > limit) note(`There are ${rows.length - limit} more rows.`);
    return 0;
  },
});
