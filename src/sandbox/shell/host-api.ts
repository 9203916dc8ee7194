// The operations that the guest may call on its host, with their arguments and results. Both sides are typed by
// it. Arguments and results cross as JSON, in which an absent argument becomes null; an operation's bytes
// travel beside its arguments, and a result of bytes as it is.

import type { CpOptions, FsStat, IFileSystem, MkdirOptions, RmOptions } from "just-bash/browser";
import type { Script, ScriptResult } from "./script";

/** The state of a file, its time in ms since 1970. */
export type HostStat = Omit<FsStat, "mtime"> & { mtime: number };

type Entries = Awaited<ReturnType<NonNullable<IFileSystem["readdirWithFileTypes"]>>>;
type Optional<T> = T | null | undefined;

/** The operations of the host. Those that say so also take bytes. */
export interface HostApi {
  // The script that the engine runs

  script(): Script;
  finish(result: ScriptResult): null;
  /** Reports when the guest's next timer is due, in ms from now; -1 for none. */
  wake(ms: number): null;
  /** Returns why a command may not run; null if it may. */
  refuseCommand(name: string, args: string[]): string | null;
  /** Returns why a redirection may not write a file; null if it may. */
  refuseRedirection(): string | null;

  // Files

  readFileBuffer(path: string): Uint8Array;
  /** Takes the content as bytes. */
  writeFile(path: string): void;
  /** Takes the content as bytes. */
  appendFile(path: string): void;
  exists(path: string): boolean;
  stat(path: string): HostStat;
  lstat(path: string): HostStat;
  readlink(path: string): string;
  realpath(path: string): string;
  readdir(path: string): string[];
  readdirWithFileTypes(path: string): Entries;
  getAllPaths(): string[];
  mkdir(path: string, options: Optional<MkdirOptions>): void;
  rm(path: string, options: Optional<RmOptions>): void;
  cp(source: string, destination: string, options: Optional<CpOptions>): void;
  mv(source: string, destination: string): void;
  chmod(path: string, mode: number): void;
  symlink(target: string, path: string): void;
  link(existing: string, path: string): void;
  utimes(path: string, atime: number, mtime: number): void;

  // What a JavaScript platform has and the engine lacks

  encode(text: string): Uint8Array;
  /** Takes the encoded text as bytes. */
  decode(encoding: string, options: { fatal: boolean; ignoreBOM: boolean }): string;
  atob(text: string): string;
  btoa(text: string): string;
  random(): number;
  randomUUID(): string;
  /** Takes the data as bytes. */
  digest(algorithm: string): Uint8Array;
  dateFormat(
    locale: Optional<string>,
    options: Optional<object>,
    at: number,
  ): { type: string; value: string }[];
  /** Takes the data as bytes. Throws when more than `maxBytes` come out. */
  gzip(maxBytes: Optional<number>): Uint8Array;
  /** Takes the data as bytes. Throws when more than `maxBytes` come out. */
  gunzip(maxBytes: Optional<number>): Uint8Array;
}

/** The name of an operation. */
export type Operation = keyof HostApi;
