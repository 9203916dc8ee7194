/** Why a server could not be used. The message is a part of a sentence, and may contain what the server has said. */
export class McpFailure extends Error {
  override readonly name = "McpFailure";
  /** Says whether the server does not know the tool. */
  readonly isUnknownTool: boolean;

  constructor(message: string, options: { isUnknownTool?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.isUnknownTool = options.isUnknownTool ?? false;
  }
}
