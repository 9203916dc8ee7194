import { describe, expect, it } from "vitest";
import { fromBase64 } from "./bytes";
import { imageProblem } from "./image";

const PNG = fromBase64(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
);
const GIF = fromBase64("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7");

const wide = (width: number) => {
  const image = PNG.slice();
  new DataView(image.buffer).setUint32(16, width);
  return image;
};

describe("an image", () => {
  it.each([
    ["image/png", PNG],
    ["image/gif", GIF],
    ["image/png", wide(8_000)],
  ])("is accepted as %s", (mediaType, bytes) => {
    expect(imageProblem(bytes, mediaType)).toBeUndefined();
  });

  it.each<[string, Uint8Array, string, string]>([
    ["of another format", PNG, "image/jpeg", "is image/png, not image/jpeg"],
    ["that is none", new Uint8Array(3), "image/png", "is not a PNG, JPEG, GIF or WebP image"],
    [
      "of too many pixels",
      wide(8_001),
      "image/png",
      "has 8001 x 1 pixels, and may have 8000 a side",
    ],
    ["without pixels", wide(0), "image/png", "has no pixels"],
    ["that is cut off", PNG.slice(0, -12), "image/png", "ends too early"],
    ["that is cut off", GIF.slice(0, -1), "image/gif", "ends too early"],
  ])("%s is refused", (_, bytes, mediaType, problem) => {
    expect(imageProblem(bytes, mediaType)).toBe(problem);
  });
});
