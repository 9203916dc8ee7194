import * as schemas from "../../schemas";
import * as examples from "../examples";
import { describe } from "./describe";

// The config of a session.

const toolFields = {
  allowedTools:
    "Permission rules, such as `Read` or `Bash(git *)`. Without them, every tool is allowed.",
  askTools:
    "Permission rules. A call that matches one waits for approval, also if `allowedTools` allows it.",
  disallowedTools:
    "Permission rules. A call that matches one is refused, whatever the other lists say.",
};

describe(
  schemas.CustomAgent,
  {
    id: "CustomAgent",
    description:
      "A type of agents. A field that is absent has the session's value. What the session disallows or asks for holds for its agents too.",
  },
  {
    ...toolFields,
    description: "What the agent is for. The main agent reads it.",
    systemPrompt: "The system prompt of the agent.",
    model: "The model of the agent.",
    maxTurns: "The maximum number of turns of one task of the agent.",
    thinking: "Passed to the Messages API as `thinking`.",
    effort: "Passed to the Messages API.",
  },
);

describe(
  schemas.Secret,
  {
    id: "Secret",
    description:
      "Commands see a placeholder. The value is sent only in headers of requests to the hosts.",
  },
  {
    secret: "The value.",
    hosts: "The hosts that it is sent to, such as `api.github.com` or `*.example.com`.",
  },
);

describe(
  schemas.McpOauth,
  {
    id: "McpOauth",
    description:
      "The access to an MCP server by OAuth 2. Your app has the authorization; the server renews the access token by the refresh token, which the token endpoint may replace. Nothing of it is returned.",
    examples: [
      {
        tokenUrl: "https://auth.example.com/token",
        clientId: "rigger",
        refreshToken: "rt_5f0c6d1e9a2b47c3",
      },
    ],
  },
  {
    tokenUrl:
      "The token endpoint. `https`, with a host on the public internet; `MCP_ALLOW_PRIVATE_HOSTS` of the deployment allows any.",
    clientId: "The id of the client that the refresh token was issued to.",
    clientSecret: "Its secret, if it has one.",
    clientAuth:
      "How the secret is sent: `basic`, in the header `Authorization` (the default), or `post`, in the body.",
    refreshToken: "The refresh token.",
    accessToken: "An access token. Without it, the first request to the server gets one.",
    expiresAt:
      "When the access token expires. It is renewed a minute before, and when the server refuses it.",
    scope: "Is sent as `scope` with each renewal.",
  },
);

describe(
  schemas.McpServer,
  {
    id: "McpServer",
    description: "An MCP server, over Streamable HTTP.",
    examples: [
      {
        url: "https://mcp.example.com/mcp",
        headers: { Authorization: { secret: "Bearer 2f0c6d1e" } },
        tools: ["search", "create_issue"],
      },
    ],
  },
  {
    url: "Its address. `https`, with a host on the public internet and without credentials; `MCP_ALLOW_PRIVATE_HOSTS` of the deployment allows any.",
    headers:
      'Headers of each request: strings, or `{"secret"}`. A secret is also removed from what the server returns.',
    oauth: "How the access is renewed. Requests then have its access token.",
    tools: "The server's names of the tools that are offered; all when absent.",
    timeoutMs: "How long a call may take; 120,000 when absent.",
  },
);

describe(
  schemas.SandboxConfig,
  {
    id: "SandboxConfig",
    description:
      "Where commands run. An option or a network that the provider does not have is refused with 400.",
  },
  {
    provider:
      "`cloudflare`: a container. `embedded`: a shell in the session's object. `daytona`, `e2b`, `fly`, `modal`: a machine of this vendor. The setting `SANDBOX_PROVIDER` when absent, or else a container if the deployment has them. One that the deployment has no settings for is refused with 400.",
    network:
      "The hosts that commands may reach: `none`, `open`, or a list of up to 100 hosts such as `*.example.com`, in which `default` stands for package registries and code hosts. The default depends on the provider.",
    template: "The template that the machine is made from.",
    snapshot: "The vendor's snapshot that the machine is made from.",
    image: "The image that the machine runs.",
    region: "Where the machine runs.",
    size: "A size of machines that the vendor has a name for.",
    cpus: "The number of CPUs.",
    memoryMb: "The memory, in MB.",
    diskGb: "The disk, in GB.",
  },
);

describe(
  schemas.Repository,
  {
    id: "Repository",
    description: "A git repository that is cloned into the workspace before the first command.",
    examples: [{ url: "https://github.com/octocat/Hello-World", ref: "master", depth: 1 }],
  },
  {
    url: "Its address, with `https`, without a port and without credentials. Its host has to be in `sandbox.network`.",
    ref: "A branch, a tag, the full name of a ref, or a full commit. The default branch of the repository when absent.",
    path: "Its directory, relative to the workspace; `.` for the workspace itself. The repository's name when absent.",
    depth: "How many commits of the history are cloned. All when absent.",
    token:
      "With what the repository is read and written. It is sent to the host of the repository only, is never in the container, and is never returned.",
  },
);

const filePath = "Where it is, relative to the workspace.";

describe(
  schemas.TextFile,
  { id: "TextFile", description: "A text that the workspace begins with, in UTF-8." },
  { path: filePath, text: "Its content." },
);

describe(
  schemas.BytesFile,
  { id: "BytesFile", description: "A file of any bytes that the workspace begins with." },
  { path: filePath, base64: "Its content, in base64." },
);

describe(
  schemas.ArtifactFile,
  {
    id: "ArtifactFile",
    description:
      "A file that the workspace begins with, as a session of the same owner has published it.",
  },
  { path: filePath, artifactId: "The artifact that has its content." },
);

describe(
  schemas.ClientTool,
  {
    id: "ClientTool",
    description: "A tool whose calls the caller answers.",
    examples: [examples.clientTool],
  },
  {
    name: "Letters, digits, `_` and `-`. Not the name of a built-in tool, and not `mcp__…`.",
    description: "What the model reads about the tool. Claude Code passes on 4,096 characters.",
    inputSchema:
      "A JSON schema of an object, without `anyOf`, `oneOf` or `allOf` at its top. A call whose input does not match it is an error that the model reads, and is not requested.",
  },
);

describe(
  schemas.Config,
  {
    id: "Config",
    description:
      "The configuration of the agent. 256 KiB of JSON at most. Null means absent. An option that the deployment does not support is refused with 400.",
  },
  {
    ...toolFields,
    model:
      "The name of a model; `claude-sonnet-5-5` when absent. Any other name is a 400 that lists the known ones. The name of a retired model runs on its successor.",
    systemPrompt:
      "Replaces the server's short default prompt. The server appends the working directory and the date.",
    maxTurns:
      "The maximum number of turns of one message. The message then ends with `max_turns`, and the session goes on.",
    thinking:
      "Passed to the Messages API as `thinking`. When absent, models that support it use adaptive thinking. A value that the model does not support fails the first message.",
    effort:
      "Passed to the Messages API. A value that the model does not support fails the first message.",
    approvalTimeoutMs: "How long a call waits for approval; without it, until somebody decides.",
    onApprovalTimeout:
      "What happens then: the call is denied (the default), or the session ends with the reason `approval_timeout`.",
    clientTools:
      "Tools whose calls the caller answers, 64 at most, with 100,000 characters of JSON. Agents have them too, by their rules.",
    clientToolTimeoutMs:
      "How long a call of a client tool waits for its result. Then the model reads that nobody has answered. Without it, until the result is given.",
    warnAt:
      "The parts of budget and turns at which `limit.warned` is sent; `[0.5, 0.8, 1]` when absent, none for `[]`.",
    customAgents:
      "Additional agents by their names, 50 at most. A name has up to 64 letters, digits, `_` and `-`, and is not `main`.",
    resumeSessionId:
      "Starts with the history and the workspace of this session, by its `id` or `sessionId`. Of this, `continueSession` and `snapshotId`, the first one present is used.",
    continueSession:
      "Starts from the newest session of the same `conversationId` that is not ephemeral.",
    forkSession:
      "With one of the two above: a branch with its own `sessionId`. It is not part of the returned `config`.",
    snapshotId: "Starts from this snapshot, as a branch with its own `sessionId`.",
    artifacts:
      "Globs of files of the workspace, such as `dist/**`, up to 20. Files that match are published when a message ends. Agents also get the tool Publish, for `[]` too.",
    retentionDays:
      "For how many days the session is kept after its end; the setting `SESSION_RETENTION_DAYS` when absent.",
    runtime:
      "Where the agent runs. `loop` (the default): in the session's object. `claude-code`: as Claude Code in its container, which has to be there.",
    sandbox: "Where commands run.",
    env: "Environment variables of commands: strings, and secrets for some hosts only. They are never returned, and are stored encrypted if the deployment has an encryption key.",
    repositories:
      "Repositories that are cloned into the workspace, 10 at most. A session that starts from another one has that one's workspace: nothing is cloned, and tokens replace those of the same addresses.",
    setup:
      "Commands that run once in the workspace, after the repositories are cloned and before the first command of the agent: 20 at most, of up to 10,000 characters and 30 minutes each. What they make of the workspace is kept for sessions with the same set-up. If one fails, the session ends. Not run in a session that starts from another one.",
    files:
      "Files that the workspace begins with, 100 at most. Not written in a session that starts from another one.",
    mcpServers:
      "MCP servers whose tools the agents use, by their names, 20 at most. A name has up to 64 letters, digits, `_` and `-`, no `__`, and no `_` at its end. They are never returned, and are stored encrypted if the deployment has an encryption key.",
    outputSchema:
      "A JSON schema: the reply to each message is JSON that matches it, and `output` of the message is the parsed value.",
  },
);
