/** Returns the path from the root, without `.`, `..` and doubled slashes. `..` is taken as written: links are not looked at. */
export function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** Returns the absolute path that `path` means to somebody who stands in `base`. */
export function resolveFrom(base: string, path: string): string {
  return normalize(path.startsWith("/") ? path : `${base}/${path}`);
}

/** Returns the directory above a normal path; the root is above itself. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** Returns the entry `name` of a directory. */
export function join(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** True for `directory` itself and for everything below it; both paths are normal. */
export function isWithin(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}
