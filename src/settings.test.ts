import { describe, expect, it } from "vitest";
import { readSettings } from "./settings";

describe("readSettings", () => {
  it("gives the defaults of the hosting document", () => {
    expect(readSettings({})).toMatchObject({
      DEFAULT_MAX_IDLE_TIME_MS: 1_800_000,
      DEFAULT_MAX_LIFETIME_MS: 86_400_000,
      DEFAULT_MAX_BUDGET_USD: 5,
      AGENT_WORKSPACE: "/workspace",
      API_KEYS: [],
      ALLOW_ANONYMOUS: false,
      OFFLINE_MODEL: false,
      CONTAINERS: false,
      WARM_POOL_TARGET: 0,
      SESSION_RETENTION_DAYS: null,
      DNS_RESOLVER: "https://cloudflare-dns.com/dns-query",
      INDEX_DATABASES: [{ name: "DB", isLeaving: false }],
    });
  });

  it("interprets none and null as no limit", () => {
    expect(readSettings({ DEFAULT_MAX_BUDGET_USD: "none" }).DEFAULT_MAX_BUDGET_USD).toBeNull();
    expect(readSettings({ DEFAULT_MAX_LIFETIME_MS: "null" }).DEFAULT_MAX_LIFETIME_MS).toBeNull();
  });

  it("takes a number of days as the retention", () => {
    expect(readSettings({ SESSION_RETENTION_DAYS: "30" }).SESSION_RETENTION_DAYS).toBe(30);
    expect(readSettings({ SESSION_RETENTION_DAYS: "none" }).SESSION_RETENTION_DAYS).toBeNull();
  });

  it("interprets none as no resolver", () => {
    expect(readSettings({ DNS_RESOLVER: "none" }).DNS_RESOLVER).toBeNull();
  });

  it("takes OpenTelemetry's settings as they are written elsewhere", () => {
    const settings = readSettings({
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector.example/otlp/",
      OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Basic%20YTpi, x-tenant = a=b",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=prod,team=a%2Cb",
    });
    expect(settings).toMatchObject({
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector.example/otlp",
      OTEL_EXPORTER_OTLP_HEADERS: { Authorization: "Basic YTpi", "x-tenant": "a=b" },
      OTEL_RESOURCE_ATTRIBUTES: { "deployment.environment.name": "prod", team: "a,b" },
    });
  });

  it.each([
    ["INDEX_DATABASES", ""],
    ["INDEX_DATABASES", "DB,"],
    ["INDEX_DATABASES", "DB, DB_2"],
    ["INDEX_DATABASES", "DB,DB_2,-DB"],
    ["INDEX_DATABASES", "-DB"],
    ["DNS_RESOLVER", ""],
    ["DNS_RESOLVER", "1.1.1.1"],
    ["DNS_RESOLVER", "ftp://dns.example.com/"],
    ["DEFAULT_MAX_IDLE_TIME_MS", "soon"],
    ["DEFAULT_MAX_IDLE_TIME_MS", "1.5"],
    ["DEFAULT_MAX_LIFETIME_MS", "-1"],
    ["DEFAULT_MAX_BUDGET_USD", ""],
    ["AGENT_WORKSPACE", "workspace"],
    ["WARM_POOL_TARGET", "1.5"],
    ["WARM_POOL_TARGET", ""],
    ["WARM_POOL_TARGET", "1000"],
    ["SESSION_RETENTION_DAYS", "0"],
    ["SESSION_RETENTION_DAYS", ""],
    ["SESSION_RETENTION_DAYS", "1.5"],
    ["SESSION_RETENTION_DAYS", "36601"],
    ["API_KEYS", "not json"],
    ["API_KEYS", '[{"name":"a","owner":"b","sha256":"short"}]'],
    ["MODEL_PRICES", '{"m":{"input":-1,"output":1}}'],
    ["ANTHROPIC_BASE_URL", "not a url"],
    ["ALLOW_ANONYMOUS", "perhaps"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "no-value"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "=value"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "name=%zz"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "bad name=value"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "name=line%0Abreak"],
    ["OTEL_METRICS_EXPORTER", "prometheus"],
    ["OTEL_RESOURCE_ATTRIBUTES", "no-value"],
  ])("refuses a bad %s by its name: %s", (name, value) => {
    expect(() => readSettings({ [name]: value })).toThrow(name);
  });
});
