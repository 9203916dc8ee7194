import { z } from "zod";
import {
  type CreateDocumentOptions,
  createDocument,
  createSchema,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
} from "zod-openapi";
import packageJson from "../../../package.json";
import { scopeOf } from "../auth";
import { ERRORS, type ErrorStatus } from "./errors";
import { WebhookMessage } from "./events";
import { FILE_HEADERS, OPERATIONS, type Operation } from "./operations";
import "./requests/bodies";
import { objectOf } from "./requests/describe";
import { PARAMETERS } from "./requests/parameters";

const DESCRIPTION = `Rigger hosts sessions of AI agents. A client creates a session and sends it messages; the agent of the session thinks with
Claude and works in a sandbox.

JSON has keys in camelCase. Unknown keys are rejected by name. Instants are ISO 8601 strings in UTC, durations are integers
in milliseconds with names that end in \`Ms\`, and money is a number of US dollars. In a request, \`null\` means "none" for a
limit and "absent" for any other field. Ids are opaque.

An endpoint that accepts \`Idempotency-Key\` returns the result of the first request to a request with the same key and body.
\`HEAD\` works wherever \`GET\` does. Every answer has the header \`X-Request-Id\`.`;

const TAGS: Record<string, string> = {
  Sessions: "Create, read, change and end sessions.",
  Messages: "Send messages to the agent of a session.",
  Events: "What happened in a session, as a log and live.",
  Approvals: "Decide about tool calls that wait.",
  "Client tools": "Answer the calls of tools that you run yourself.",
  "MCP servers": "Give agents the tools of other services.",
  Schedules: "Send a session prompts at set times.",
  Files: "Read and write the workspace of a session.",
  Artifacts: "Files that agents have published.",
  Snapshots: "Keep a session's transcript and workspace.",
  "Share links": "Give access to one session.",
  Previews: "Servers in sandboxes, reached at an address.",
  Conversations: "Sessions that belong together.",
  Webhooks: "Send events to other services.",
  Automations: "Start sessions by themselves.",
  Keys: "Who may call.",
  Owners: "Limits over many sessions, and who changed what.",
  Usage: "What sessions have used.",
  Deployment: "The state of the deployment.",
};

/** Returns the OpenAPI document of the API. */
export function openApi() {
  const options = { override: render };
  // A webhook's message is a request, of which the library would write every event a second time.
  const { components } = createSchema(WebhookMessage, { io: "output", opts: options });
  const document = createDocument(
    {
      openapi: "3.1.1",
      info: {
        title: "Rigger",
        version: packageJson.version,
        summary: packageJson.description,
        description: DESCRIPTION,
        license: { name: "MIT", identifier: "MIT" },
      },
      servers: [{ url: "/", description: "This deployment." }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      paths: paths(),
      webhooks: { event: { post: webhookMessage() } },
      components: {
        responses: Object.fromEntries(STATUSES.map((status) => [nameOf(status), errorOf(status)])),
        securitySchemes: {
          bearer: {
            type: "http",
            scheme: "bearer",
            description:
              "An API key (`rk_…`), the token of a share link (`rs_…`) or of an automation (`rf_…`), or a token of single sign-on. Roles are scopes of the key: the endpoint needs this one. `admin` has all of them, and `sessions:write` has `sessions:read`.",
          },
          token: {
            type: "apiKey",
            in: "query",
            name: "token",
            description: "The token of a share link, in a `GET`.",
          },
        },
        headers: {
          RequestId: {
            description: "Names the request in the server's log.",
            schema: { type: "string" },
          },
          RetryAfter: {
            description: "For how many seconds to wait before another try.",
            schema: { type: "integer" },
          },
        },
      },
    },
    options,
  );
  const schemas = { ...document.components?.schemas, ...components };
  return simplify({ ...document, components: { ...document.components, schemas } });
}

/** Returns the paths of the document. A route's `:name` is `{name}` there, and `*` is `{path}`. */
function paths(): ZodOpenApiPathsObject {
  const all: ZodOpenApiPathsObject = {};
  for (const [route, operation] of Object.entries(OPERATIONS)) {
    const [method = "", path = ""] = route.split(" ");
    const name = path.replaceAll(/:(\w+)/g, "{$1}").replace("*", "{path}");
    all[name] = { ...all[name], [method.toLowerCase()]: describe(method, path, operation) };
  }
  return all;
}

function describe(method: string, path: string, operation: Operation): ZodOpenApiOperationObject {
  const { id, tag, summary, description, body, query, answers } = operation;
  const scope = scopeOf(method, path);
  const isOpen = !path.startsWith("/api/");
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
  if (path.endsWith("*")) names.push("path");
  const parameters = [
    ...names.map((name) => ({
      name,
      in: "path" as const,
      required: true,
      schema: {
        type: path.startsWith("/api/conversations") ? ("integer" as const) : ("string" as const),
      },
      ...(path.startsWith("/api/conversations")
        ? { description: "Your number for the conversation.", example: 123 }
        : PARAMETERS[name]),
    })),
    ...(operation.idempotent ? [IDEMPOTENCY_KEY] : []),
    ...(operation.resumable ? [LAST_EVENT_ID] : []),
    ...(operation.traced ? [TRACEPARENT] : []),
    ...(operation.headers ?? []).map((name) => ({
      name,
      in: "header" as const,
      description: FILE_HEADERS[name],
      schema: { type: "string" as const },
    })),
  ];
  const input = body && objectOf(body);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description && { description }),
    security: isOpen ? [] : securityOf(method, path, scope === null ? [] : [scope]),
    parameters,
    ...(query && { requestParams: { query: objectOf(query) } }),
    ...(input && {
      requestBody: {
        required: !body.safeParse(undefined).success,
        content: { "application/json": { schema: input } },
      },
    }),
    ...(operation.isUpload && {
      requestBody: {
        required: true,
        content: {
          "application/octet-stream": { schema: { type: "string" as const, format: "binary" } },
        },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description: said, content }]) => [
          status,
          { description: said, headers: HEADERS, ...(content && { content: contentOf(content) }) },
        ]),
      ),
      ...Object.fromEntries(
        errorsOf(path, operation, isOpen).map((status) => [
          status,
          { $ref: `#/components/responses/${nameOf(status)}` } as const,
        ]),
      ),
    },
  };
}

/** What a share link may read. */
const SHARED =
  /^\/api\/sessions\/:id(\/messages(\/:messageId)?|\/events|\/artifacts(\/:artifactId(\/content)?)?|\/archive|\/files(\/\*)?)?$/;

const securityOf = (method: string, path: string, scopes: string[]) => [
  { bearer: scopes },
  ...(method === "GET" && SHARED.test(path) ? [{ token: [] }] : []),
];

const contentOf = (content: z.ZodType | Record<string, z.ZodType>) =>
  content instanceof z.ZodType
    ? { "application/json": { schema: content } }
    : Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]));

/** Returns the statuses of the errors that an endpoint may answer with. */
function errorsOf(path: string, { body, query, errors = [] }: Operation, isOpen: boolean) {
  if (isOpen) return [];
  const isGiven = body !== undefined || query !== undefined || path.includes(":");
  const statuses: ErrorStatus[] = [401, 403, 429, 500, 503, ...errors];
  if (isGiven) statuses.push(400);
  if (path.includes(":")) statuses.push(404);
  if (body) statuses.push(413);
  return [...new Set(statuses)].sort((a, b) => a - b);
}

const STATUSES = Object.keys(ERRORS).map(Number) as ErrorStatus[];
const nameOf = (status: ErrorStatus): string => String(z.globalRegistry.get(ERRORS[status])?.id);

const errorOf = (status: ErrorStatus) => ({
  description: z.globalRegistry.get(ERRORS[status])?.description ?? "",
  headers: {
    ...HEADERS,
    ...((status === 429 || status === 503) && {
      "Retry-After": { $ref: "#/components/headers/RetryAfter" } as const,
    }),
  },
  content: { "application/json": { schema: ERRORS[status] } },
});

const HEADERS = { "X-Request-Id": { $ref: "#/components/headers/RequestId" } as const };

const IDEMPOTENCY_KEY = {
  name: "Idempotency-Key",
  in: "header" as const,
  description:
    "1 to 255 printable ASCII characters. A repeat with the same key and body creates nothing new.",
  schema: { type: "string" as const, minLength: 1, maxLength: 255 },
  example: "job-42",
};

const LAST_EVENT_ID = {
  name: "Last-Event-ID",
  in: "header" as const,
  description: "The `seq` of the last event of the stream that you have.",
  schema: { type: "integer" as const, minimum: 0 },
};

const TRACEPARENT = {
  name: "traceparent",
  in: "header" as const,
  description:
    "The span of the caller that the message belongs to, as W3C Trace Context has it. An invalid one is ignored.",
  schema: { type: "string" as const },
  example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
};

/** Returns what a webhook is sent. */
const webhookMessage = (): ZodOpenApiOperationObject => ({
  operationId: "receiveEvent",
  summary: "An event that is sent to a webhook",
  description: "Signed as [Standard Webhooks](https://www.standardwebhooks.com) are.",
  tags: ["Webhooks"],
  parameters: ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => ({
    name,
    in: "header" as const,
    required: true,
    schema: { type: "string" as const },
  })),
  requestBody: {
    content: {
      "application/json": {
        schema: { $ref: "#/components/schemas/WebhookMessage" },
      },
    },
  },
  responses: { "2XX": { description: "The event was accepted." } },
});

type Rendered = Parameters<NonNullable<CreateDocumentOptions["override"]>>[0];

/** Changes how a schema is written: a number in a query is a number, and no bound says only that it is safe. */
function render({ zodSchema, jsonSchema, io }: Rendered) {
  const json = jsonSchema as Record<string, unknown>;
  const schema: unknown = zodSchema;
  // The library drops the examples and the defaults of what is parsed from something else.
  const examples = zodSchema instanceof z.ZodType && z.globalRegistry.get(zodSchema)?.examples;
  if (examples) json.examples = examples;
  if (schema instanceof z.ZodPipe && schema.out instanceof z.ZodNumber) {
    const { minValue, maxValue } = schema.out;
    Object.assign(json, { type: "integer", minimum: minValue, maximum: maxValue });
    delete json.pattern;
  }
  if (schema instanceof z.ZodDefault && schema.unwrap() instanceof z.ZodPipe) {
    const value = schema.def.defaultValue;
    if (typeof value === "number" || Array.isArray(value)) json.default = value;
  }
  // An answer may get further fields.
  if (io === "output" && json.additionalProperties === false) delete json.additionalProperties;
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
}

interface Written {
  $ref?: string;
  description?: string;
  in?: string;
  schema?: Written;
  type?: string;
  anyOf?: Record<string, unknown>[];
}

/**
 * Returns the document as people write one: a reference says nothing of its own but a description, what is a string or
 * null has the type `["string", "null"]`, and a list in a query has commas.
 */
function simplify<T>(value: T): T {
  if (Array.isArray(value)) return value.map(simplify) as T;
  if (typeof value !== "object" || value === null) return value;
  const written = value as Written;
  if (typeof written.$ref === "string") {
    const { $ref, description } = written;
    return { $ref, ...(description && { description }) } as T;
  }
  if (written.in === "query" && written.schema) {
    const { description: _, ...schema } = written.schema;
    const list = schema.type === "array" && { style: "form", explode: false };
    return { ...written, ...list, schema } as T;
  }
  const { anyOf, ...rest }: Written = written;
  const [inner, none, ...others] = anyOf ?? [];
  if (inner && typeof inner.type === "string" && none?.type === "null" && others.length === 0) {
    const { type, const: only, enum: some, ...bounds } = inner;
    const values = only === undefined ? some : [only];
    const enums = Array.isArray(values) && { enum: [...values, null] };
    return simplify({ ...bounds, type: [type, "null"], ...enums, ...rest }) as T;
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, simplify(one)])) as T;
}
