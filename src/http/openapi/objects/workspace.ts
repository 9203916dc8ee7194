import { z } from "zod";
import * as examples from "../examples";
import { count, instant } from "./values";

// What is in a session's workspace, what agents have published of it, and what is reached in its sandbox.

export const Artifact = z
  .object({
    id: z.string().describe("The id of the artifact, `art_…`."),
    sessionId: z.string().describe("The `id` of its session."),
    messageId: z.string().describe("The message that it is a result of."),
    toolUseId: z
      .string()
      .nullable()
      .describe("The call of Publish; null if `config.artifacts` names the file."),
    agent: z.string().describe("The agent that published it; `main` is the main agent."),
    path: z.string().describe("The path in the workspace at that time."),
    description: z.string().nullable().describe("What the agent said of it."),
    contentType: z.string().describe("By the ending of its name."),
    sizeBytes: count.describe("The size of its content."),
    sha256: z.string().describe("The SHA-256 of its content, as hex."),
    createdAt: instant,
  })
  .meta({
    id: "Artifact",
    description:
      "A file that an agent has published. Its content never changes: a file that is published again with another one is another artifact.",
    examples: [examples.artifact],
  });

export const FileEntry = z
  .object({
    path: z
      .string()
      .describe(
        "Relative to the workspace. A byte of a name that is not UTF-8 is shown as U+FFFD; such a file is read in an archive.",
      ),
    type: z.enum(["file", "directory", "symlink", "other"]),
    size: count.describe("In bytes; 0 for a directory."),
    modifiedAt: instant,
    mode: z.string().describe("The permission bits, as four octal digits."),
    target: z.string().exactOptional().describe("Where a link leads, as it was made."),
  })
  .meta({
    id: "FileEntry",
    description: "What is at a path of a session's workspace.",
    examples: [examples.file],
  });

const preview = {
  id: z.string().describe("The id of the preview, `prev_…`."),
  port: z.int().min(1).max(65_535).describe("The port of the sandbox."),
  createdAt: instant,
  expiresAt: instant.describe("From when on the address leads nowhere."),
};

export const Preview = z.object(preview).meta({
  id: "Preview",
  description: "An address at which a server in the session's sandbox is reached.",
  examples: [examples.preview],
});

export const NewPreview = z
  .object({
    ...preview,
    url: z
      .url()
      .describe(
        "The address. Whoever knows it reaches the server, without a key. Shown here only.",
      ),
  })
  .meta({ id: "NewPreview", examples: [examples.newPreview] });
