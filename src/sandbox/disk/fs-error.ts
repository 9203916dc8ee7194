const MEANING = {
  ENOENT: "no such file or directory",
  EACCES: "outside of the workspace",
  ENOTDIR: "not a directory",
  EISDIR: "illegal operation on a directory",
  EEXIST: "file already exists",
  ENOTEMPTY: "directory not empty",
  EINVAL: "invalid argument",
  ELOOP: "too many levels of symbolic links",
  EFBIG: "file too large",
  ENOSPC: "no space left on device",
  ENAMETOOLONG: "name too long",
  EOPNOTSUPP: "hard links are not supported",
} as const;

type ErrorCode = keyof typeof MEANING;

/** An error of the file system. just-bash recognises it by the code at the beginning of the message. */
export class FsError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, operation: string, path: string, detail?: string) {
    super(`${code}: ${MEANING[code]}${detail ? ` (${detail})` : ""}, ${operation} '${path}'`);
    this.code = code;
  }
}
