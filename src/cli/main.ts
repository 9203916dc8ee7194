import { version } from "../../package.json";
import { RiggerError } from "../client/rigger.ts";
import * as account from "./account.ts";
import * as artifacts from "./artifacts.ts";
import { chat } from "./chat.ts";
import { type Command, command, UsageError } from "./command.ts";
import { dev } from "./dev.ts";
import * as files from "./files.ts";
import * as mcpServers from "./mcp-servers.ts";
import { run } from "./run.ts";
import { SESSION_OPTIONS } from "./session-options.ts";
import * as sessions from "./sessions.ts";
import { clean, note, print } from "./terminal.ts";
import * as waiting from "./waiting.ts";

const COMMANDS: Readonly<Record<string, Command>> = {
  chat,
  run,
  new: sessions.create,
  ls: sessions.ls,
  show: sessions.show,
  tail: sessions.tail,
  export: sessions.exportSession,
  "artifacts ls": artifacts.ls,
  "artifacts get": artifacts.get,
  interrupt: sessions.interrupt,
  update: sessions.update,
  terminate: sessions.terminate,
  rm: sessions.remove,
  "files ls": files.ls,
  "files get": files.get,
  "files put": files.put,
  "files rm": files.remove,
  "files archive": files.archive,
  approve: waiting.approve,
  answer: waiting.answer,
  "mcp ls": mcpServers.ls,
  "mcp authorize": mcpServers.authorize,
  share: account.share,
  preview: account.preview,
  stats: account.stats,
  keys: account.keys,
  "keys create": account.createKey,
  "keys rotate": account.rotateKey,
  "keys revoke": account.revokeKey,
  acp: command({
    summary: "Serves sessions to an editor over the Agent Client Protocol, on stdio",
    options: SESSION_OPTIONS,
    details: "The options are those of the sessions that the editor creates.",
    // No other command has to load the protocol.
    run: async (call) => (await import("./acp.ts")).serve(call),
  }),
  dev,
};

const USAGE = `Usage: rigger <command> [options]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(13)} ${summary}`)
  .join("\n")}

rigger help <command> shows its options. RIGGER_URL and RIGGER_KEY name the deployment and the key.`;

/** Runs a command line and returns its exit code: 0, 1 for an error, 2 for wrong arguments, or the command's own. */
async function main(argv: readonly string[]): Promise<number> {
  const options = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const isHelp = argv[0] === "help" || options.includes("--help") || options.includes("-h");
  const words = argv[0] === "help" ? argv.slice(1) : argv;
  const { name, rest } = split(words);
  const found = COMMANDS[name];
  try {
    if (argv[0] === "--version" || argv[0] === "-v") {
      print(version);
      return 0;
    }
    if (isHelp && (found || words.length === 0 || words[0]?.startsWith("-"))) {
      print(found ? found.help(name) : USAGE);
      return 0;
    }
    if (argv.length === 0) {
      note(USAGE);
      return 2;
    }
    if (!found) throw new UsageError(`"${name}" is no command.`);
    return await found.start(name, rest, process.env);
  } catch (error) {
    if (error instanceof UsageError) {
      const help = `rigger help${found ? ` ${name}` : ""}`;
      note(`rigger: ${clean(error.message)} See: ${help}`);
      return 2;
    }
    note(`rigger: ${clean(messageOf(error))}`);
    return 1;
  }
}

/** Returns the command that the first words name, and the other words. */
function split(words: readonly string[]): { name: string; rest: readonly string[] } {
  const two = words.slice(0, 2).join(" ");
  if (COMMANDS[two]) return { name: two, rest: words.slice(2) };
  return { name: words[0] ?? "", rest: words.slice(1) };
}

function messageOf(error: unknown): string {
  if (!(error instanceof RiggerError)) return error instanceof Error ? error.message : `${error}`;
  if (error.type === "connection_error") {
    return `${error.message} Is it running? RIGGER_URL or --url says where; rigger dev starts a server.`;
  }
  // A request that was not sent has neither.
  const of = [error.status, error.requestId].filter(Boolean).join(", ");
  const hint = error.status === 401 ? " Set RIGGER_KEY, or use --key." : "";
  return `${error.message}${of && ` (${of})`}${hint}`;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever reads has enough.
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
