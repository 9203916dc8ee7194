import { z } from "zod";
import { fromBase64 } from "../shared/bytes";
import { imageProblem } from "../shared/image";

// The Messages API rejects text that contains only white space.
const text = z.string().refine((value) => value.trim() !== "", "must not be empty");
const url = z.strictObject({
  type: z.literal("url"),
  url: z.url({ protocol: /^https?$/, error: "must be a URL" }),
});
const base64 = <T extends string>(mediaTypes: readonly [T, ...T[]]) =>
  z.strictObject({
    type: z.literal("base64"),
    media_type: z.enum(mediaTypes),
    // Its bytes are looked at only if it is base64.
    data: z.base64({ error: "must be base64", abort: true }).min(1),
  });

const imageBytes = base64(["image/jpeg", "image/png", "image/gif", "image/webp"]).superRefine(
  ({ data, media_type }, context) => {
    const problem = imageProblem(fromBase64(data), media_type);
    if (problem) context.addIssue({ code: "custom", path: ["data"], message: problem });
  },
);

const Image = z.strictObject({
  type: z.literal("image"),
  source: z.discriminatedUnion("type", [imageBytes, url]),
});

const Document = z.strictObject({
  type: z.literal("document"),
  source: z.discriminatedUnion("type", [
    base64(["application/pdf"]),
    z.strictObject({ type: z.literal("text"), media_type: z.literal("text/plain"), data: text }),
    url,
  ]),
  title: z.string().exactOptional(),
  context: z.string().exactOptional(),
});

const Text = z.strictObject({ type: z.literal("text"), text });

const Block = z.discriminatedUnion("type", [Text, Image, Document]);

/** A prompt of a client: text, or content blocks as in the Messages API. */
export const Prompt = z.union([text, z.array(Block).min(1)], {
  error: "must be text, or a list of content blocks",
});

/** The result of a call of a client tool: text, or blocks of text and images. Images are given as bytes. */
export const ToolContent = z.union(
  [
    z.string(),
    z
      .array(
        z.discriminatedUnion("type", [
          Text,
          z.strictObject({ type: z.literal("image"), source: imageBytes }),
        ]),
      )
      .min(1),
  ],
  { error: "must be text, or a list of text and image blocks" },
);
