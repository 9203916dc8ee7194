// Images are recognised by their bytes and not by their names, and measured before they are shown: the API
// rejects a whole conversation for one image that it does not support.

/** An image in a format that the API supports. */
export interface Image {
  mediaType: "image/png" | "image/jpeg" | "image/gif" | "image/webp";
  width: number;
  height: number;
}

/** Returns the format and the size in pixels of an image; undefined for anything else, a broken image included. */
export function imageOf(bytes: Uint8Array): Image | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return pngOf(view) ?? gifOf(view) ?? webpOf(view) ?? jpegOf(view);
  } catch (error) {
    // The file ends before its size.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function pngOf(view: DataView): Image | undefined {
  if (view.getUint32(0) !== 0x89504e47) return undefined;
  return { mediaType: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
}

function gifOf(view: DataView): Image | undefined {
  if (textAt(view, 0) !== "GIF8") return undefined;
  const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  return { mediaType: "image/gif", width, height };
}

function webpOf(view: DataView): Image | undefined {
  if (textAt(view, 0) !== "RIFF" || textAt(view, 8) !== "WEBP") return undefined;
  const size = webpSize(view);
  return size && { mediaType: "image/webp", width: size[0], height: size[1] };
}

function webpSize(view: DataView): [number, number] | undefined {
  switch (textAt(view, 12)) {
    case "VP8 ":
      return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
    case "VP8L": {
      const bits = view.getUint32(21, true);
      return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
    }
    case "VP8X":
      return [
        (view.getUint32(24, true) & 0xffffff) + 1,
        view.getUint16(27, true) + (view.getUint8(29) << 16) + 1,
      ];
    default:
      return undefined;
  }
}

function jpegOf(view: DataView): Image | undefined {
  if (view.getUint16(0) !== 0xffd8) return undefined;
  // Segments follow each other, each with its length, up to the frame with the size.
  for (let at = 2; view.getUint8(at) === 0xff; at += 2 + view.getUint16(at + 2)) {
    if (isFrame(view.getUint8(at + 1))) {
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return { mediaType: "image/jpeg", width, height };
    }
  }
  return undefined;
}

/** Returns whether a marker starts a frame: C0 to CF, but for three that are tables. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

function textAt(view: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((offset) => view.getUint8(at + offset)));
}

/** The most pixels of an image's side that the Messages API accepts. */
export const MAX_IMAGE_PIXELS = 8_000;

/**
 * Returns why the Messages API would not accept bytes as an image of a media type: another format, too many pixels, or a
 * file that ends too early. Undefined if it would.
 */
export function imageProblem(bytes: Uint8Array, mediaType: string): string | undefined {
  const image = imageOf(bytes);
  if (!image) return "is not a PNG, JPEG, GIF or WebP image";
  if (image.mediaType !== mediaType) return `is ${image.mediaType}, not ${mediaType}`;
  const { width, height } = image;
  if (width === 0 || height === 0) return "has no pixels";
  if (Math.max(width, height) > MAX_IMAGE_PIXELS) {
    return `has ${width} x ${height} pixels, and may have ${MAX_IMAGE_PIXELS} a side`;
  }
  return isWhole(bytes, image.mediaType) ? undefined : "ends too early";
}

/** Returns whether an image has its end. What lies between is not decoded. */
function isWhole(bytes: Uint8Array, mediaType: Image["mediaType"]): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (mediaType) {
    case "image/png":
      return hasPngEnd(view);
    case "image/webp":
      return view.getUint32(4, true) + 8 <= bytes.length;
    case "image/gif":
      return bytes.lastIndexOf(0x3b) > 12;
    case "image/jpeg":
      for (let at = bytes.length - 2; at > 3; at--) {
        if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
      }
      return false;
  }
}

/** Returns whether the chunks of a PNG, each with its length, lead to the last one. */
function hasPngEnd(view: DataView): boolean {
  for (let at = 8; at + 12 <= view.byteLength; at += 12 + view.getUint32(at)) {
    if (textAt(view, at + 4) === "IEND") return true;
  }
  return false;
}
