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
