import { Area, Choice, type FieldsProps, Part, Rows, Text } from "./fields.tsx";
import type { SessionForm } from "./session-form.ts";

// The parts of the form of a new session.

const PATTERNS = {
  ephemeral: {
    title: "Ephemeral",
    about: "For one task. The session ends with its message and is removed soon after.",
  },
  "long-running": {
    title: "Long-running",
    about:
      "A service that is always available. It stays awake between messages and ends when it was idle for too long.",
  },
  hybrid: {
    title: "Hybrid",
    about: "For a user who comes back. It sleeps when it is idle, and the next message wakes it.",
  },
  "single-container": {
    title: "Single container",
    about:
      "Several agents share one sandbox and work at once. Otherwise it is like a long-running session.",
  },
};

/** Where the form differs from an empty one there, the part is open. */
const OF_AGENT = [
  "model",
  "systemPrompt",
  "allowedTools",
  "askTools",
  "disallowedTools",
  "runtime",
  "effort",
] as const;

const OF_OTHERS = ["mcpServers", "clientTools"] as const;
const OF_WORKSPACE = ["repositories", "setup", "artifacts"] as const;

export const Patterns = ({ form, set }: FieldsProps) => (
  <fieldset class="patterns">
    <legend>Pattern</legend>
    {Object.entries(PATTERNS).map(([name, { title, about }]) => (
      <div class="pattern card" key={name}>
        <input
          type="radio"
          id={`pattern-${name}`}
          name="pattern"
          value={name}
          checked={form.pattern === name}
          aria-describedby={`pattern-${name}-about`}
          onChange={() => set("pattern", name as SessionForm["pattern"])}
        />
        <label for={`pattern-${name}`}>{title}</label>
        <p class="hint" id={`pattern-${name}-about`}>
          {about}
        </p>
      </div>
    ))}
  </fieldset>
);

export const Limits = (fields: FieldsProps) => (
  <fieldset class="card">
    <legend>Limits</legend>
    <p class="hint">
      Empty is the default of the deployment; <code>none</code> is no limit.
    </p>
    <div class="pair">
      <Text {...fields} name="maxBudgetUsd" label="Budget in dollars" example="0.50" />
      <Text {...fields} name="maxTurns" label="Turns" example="20" />
      <Text {...fields} name="maxIdleTimeMs" label="Idle time" example="15 min" />
      <Text {...fields} name="maxLifetimeMs" label="Lifetime" example="2 h" />
    </div>
    <Choice
      {...fields}
      name="onLimit"
      label="When budget, turns or lifetime are used up"
      options={{
        "": "End the session (default)",
        pause: "Pause until the limit is raised",
        terminate: "End the session",
      }}
    />
  </fieldset>
);

export const Agent = (fields: FieldsProps) => (
  <Part title="Agent" isOpen={OF_AGENT.some((name) => fields.form[name] !== "")}>
    <Area
      {...fields}
      name="systemPrompt"
      label="System prompt"
      rows={3}
      hint="Replaces the short default."
    />
    <div class="pair">
      <Text {...fields} name="model" label="Model" hint="Empty: the default model." />
      <Choice
        {...fields}
        name="effort"
        label="Effort"
        options={{
          "": "Default",
          low: "Low",
          medium: "Medium",
          high: "High",
          xhigh: "Very high",
          max: "Maximum",
        }}
      />
    </div>
    <Area
      {...fields}
      name="allowedTools"
      label="Allowed tools"
      rows={2}
      isCode
      hint="Rules such as Read or Bash(git *), by commas or lines. Empty: all tools."
    />
    <Area {...fields} name="askTools" label="Tools that ask for approval" rows={2} isCode />
    <Area {...fields} name="disallowedTools" label="Tools that are not allowed" rows={2} isCode />
    <Choice
      {...fields}
      name="runtime"
      label="Runtime"
      options={{
        "": "Default",
        loop: "Loop: in the session itself",
        "claude-code": "Claude Code: in the container",
      }}
    />
  </Part>
);

/** What the workspace begins with. */
export const Workspace = (fields: FieldsProps) => (
  <Part title="Workspace" isOpen={OF_WORKSPACE.some((name) => fields.form[name].length > 0)}>
    <Rows
      {...fields}
      name="repositories"
      label="Repositories"
      noun="a repository"
      labels={{ url: "URL", ref: "Branch, tag or commit", token: "Token" }}
      hint="Are cloned before the first command. A token is for a private repository, and is never in the sandbox."
    />
    <Area
      {...fields}
      name="setup"
      label="Set-up commands"
      rows={3}
      isCode
      hint="One in each line, such as npm ci. What they make is kept for the next sessions with the same set-up. Repositories and commands need a container."
    />
    <Area
      {...fields}
      name="artifacts"
      label="Artifacts"
      rows={2}
      isCode
      hint="Files to publish when a message ends, such as dist/** or *.pdf, by commas or lines. They stay when the workspace is gone."
    />
  </Part>
);

/** Tools that are not the session's own. */
export const OtherTools = (fields: FieldsProps) => (
  <Part title="More tools" isOpen={OF_OTHERS.some((name) => fields.form[name].length > 0)}>
    <Rows
      {...fields}
      name="mcpServers"
      label="MCP servers"
      noun="an MCP server"
      labels={{ name: "Name", url: "URL", header: "Secret header", secret: "Its value" }}
      hint="Over Streamable HTTP. The header is Authorization unless you name another one. Its value is never shown again."
    />
    <Area
      {...fields}
      name="clientTools"
      label="Tools that you answer yourself, as JSON"
      rows={6}
      isCode
      hint='A list such as [{"name": "lookup_order", "description": "Returns an order.", "inputSchema": {"type": "object"}}]. A call waits until its result is given, here or by your app.'
    />
  </Part>
);
