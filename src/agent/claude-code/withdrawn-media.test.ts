import { describe, expect, it } from "vitest";
import { RefusedMedia, type SentMessage, withdrawnMedia } from "./withdrawn-media";

const image = (data: string) => ({ type: "image", source: { type: "base64", data } });
const note = {
  type: "text",
  text: "[The image that was here was refused by the model's API and removed: bad]",
};
const user = (...content: object[]): SentMessage => ({ role: "user", content });
const assistant = (text: string): SentMessage => ({ role: "assistant", content: text });

describe("what is withdrawn from a refused call of Claude Code", () => {
  it("is nothing of a call without images and documents", () => {
    expect(withdrawnMedia([{ role: "user", content: "hi" }], "bad")).toEqual([]);
  });

  it("is first what came after the newest reply, then everything", () => {
    const messages = [user(image("a")), assistant("ok"), user(image("b"))];
    expect(withdrawnMedia(messages, "bad")).toEqual([
      [user(image("a")), assistant("ok"), user(note)],
      [user(note), assistant("ok"), user(note)],
    ]);
  });

  it("is everything at once if nothing came before the newest reply", () => {
    expect(withdrawnMedia([user(image("a"))], "bad")).toEqual([[user(note)]]);
  });
});

describe("media that was refused", () => {
  it("is left out of later calls, wherever it is and however the cache is marked", async () => {
    const refused = new RefusedMedia();
    const before = [user(image("a")), assistant("ok"), user(image("b"))];
    const [after = []] = withdrawnMedia(before, "bad");
    expect(await refused.removeFrom(before)).toBe(before);
    await refused.add(before, after, "bad");
    const marked = { ...image("b"), cache_control: { type: "ephemeral" } };
    const result = { type: "tool_result", tool_use_id: "t", content: [marked] };
    expect(await refused.removeFrom([...before, user(result)])).toEqual([
      user(image("a")),
      assistant("ok"),
      user(note),
      user({ ...result, content: [note] }),
    ]);
  });
});
