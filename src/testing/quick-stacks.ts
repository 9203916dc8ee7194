interface Frame {
  getFileName(): string | null;
}

type TracedError = typeof Error & {
  prepareStackTrace?: (error: unknown, frames: Frame[]) => unknown;
};

/**
 * Leaves a library's frames out of the stacks of errors. Vitest maps every frame through source maps,
 * and workerd takes the stack of each abort's reason, of which just-bash has one for every command:
 * that is 30 ms apiece in tests, and nothing elsewhere.
 */
export function leaveOutFramesOf(directory: string): void {
  const errors: TracedError = Error;
  const prepare = errors.prepareStackTrace;
  if (!prepare) return;
  errors.prepareStackTrace = (error, frames) =>
    prepare(
      error,
      frames.filter((frame) => !frame.getFileName()?.includes(directory)),
    );
}
