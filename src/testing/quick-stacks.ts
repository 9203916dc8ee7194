interface Frame {
  getFileName(): string | null;
}

type TracedError = typeof Error & {
  prepareStackTrace?: (error: unknown, frames: Frame[]) => unknown;
};

/**
 * Removes a library's frames from the stacks of errors. Vitest maps every frame through source maps, and
 * workerd reads the stack of each abort reason; just-bash creates one for every command. That takes 30 ms each
 * in tests only.
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
