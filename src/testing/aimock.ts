import { LLMock } from "@copilotkit/aimock";

declare const process: { env: Record<string, string | undefined> };

/**
 * Starts an independent fake of the Messages API in Node for the duration of a test run. Tests reach it at
 * http://aimock.test. Returns a function that stops it.
 */
export async function setup(): Promise<() => Promise<void>> {
  const aimock = new LLMock({ port: 0 });
  aimock.onMessage("hello", { content: "Hi there!", reasoning: "A greeting." });
  const read = { name: "Read", id: "toolu_1", arguments: '{"file_path":"/workspace/a.txt"}' };
  aimock.onToolResult("toolu_1", { content: "The file says one." });
  aimock.onMessage("read the file", { content: "I will look.", toolCalls: [read] });
  process.env.AIMOCK_URL = await aimock.start();
  return () => aimock.stop();
}
