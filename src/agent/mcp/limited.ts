import { McpFailure } from "./failure";

/** Returns a response whose body fails after so many bytes. Then `onExceeded` is called with the error. */
export function limited(
  response: Response,
  maxBytes: number,
  onExceeded: (error: McpFailure) => void = () => {},
): Response {
  if (!response.body) return response;
  let left = maxBytes;
  const counting = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      left -= chunk.byteLength;
      if (left >= 0) return controller.enqueue(chunk);
      const error = new McpFailure(`it answered with more than ${maxBytes >> 10} KiB`);
      controller.error(error);
      onExceeded(error);
    },
  });
  return new Response(response.body.pipeThrough(counting), response);
}
