import type {
  CpOptions,
  FileContent,
  FsStat,
  IFileSystem,
  MkdirOptions,
  RmOptions,
} from "just-bash/browser";
import { toByteString, toBytes, toText } from "../../bytes";
import { resolveFrom } from "../../paths";
import { call } from "./host";

type Encoding = { encoding?: string | null } | string;

/** The host's file system, in just-bash's interface. */
export const hostFiles: IFileSystem = {
  async readFile(path, encoding?: Encoding) {
    return toText(read(path), encodingOf(encoding));
  },
  readFileBytes: async (path) => toByteString(read(path)),
  readFileBuffer: async (path) => read(path),
  async writeFile(path, content: FileContent, encoding?: Encoding) {
    call("writeFile", [path], toBytes(content, encodingOf(encoding)));
  },
  async appendFile(path, content: FileContent, encoding?: Encoding) {
    call("appendFile", [path], toBytes(content, encodingOf(encoding)));
  },
  exists: async (path) => call("exists", [path]),
  stat: async (path) => stat("stat", path),
  lstat: async (path) => stat("lstat", path),
  readlink: async (path) => call("readlink", [path]),
  realpath: async (path) => call("realpath", [path]),
  readdir: async (path) => call("readdir", [path]),
  readdirWithFileTypes: async (path) => call("readdirWithFileTypes", [path]),
  getAllPaths: () => call("getAllPaths", []),
  resolvePath: resolveFrom,
  async mkdir(path, options?: MkdirOptions) {
    call("mkdir", [path, options]);
  },
  async rm(path, options?: RmOptions) {
    call("rm", [path, options]);
  },
  async cp(source, destination, options?: CpOptions) {
    call("cp", [source, destination, options]);
  },
  async mv(source, destination) {
    call("mv", [source, destination]);
  },
  async chmod(path, mode) {
    call("chmod", [path, mode]);
  },
  async symlink(target, path) {
    call("symlink", [target, path]);
  },
  async link(existing, path) {
    call("link", [existing, path]);
  },
  async utimes(path, atime, mtime) {
    call("utimes", [path, atime.getTime(), mtime.getTime()]);
  },
};

const read = (path: string) => call("readFileBuffer", [path]);

function stat(operation: "stat" | "lstat", path: string): FsStat {
  const found = call(operation, [path]);
  return { ...found, mtime: new Date(found.mtime) };
}

function encodingOf(option: Encoding | undefined): string | undefined {
  return (typeof option === "string" ? option : option?.encoding) ?? undefined;
}
