import { createClock, createServer, settled } from "@freshtoken/testing";
import { expect, onTestFinished, test, vi } from "vitest";
import { sessionFetch } from "../src/index.ts";
import { sessionOn } from "./support.ts";

test("reads no further than 64 KiB into a refusal, and cancels it at once", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin], clock: createClock() });
  await session.signIn(server.signIn());
  const [half, cancelled] = [new Uint8Array(32 * 1024), vi.fn()];
  let pulled = 0;
  const pull = (controller: ReadableStreamDefaultController) =>
    ++pulled < 100 ? controller.enqueue(half) : controller.close();
  const body = () => new ReadableStream({ pull, cancel: cancelled }, { highWaterMark: 0 });
  server.next("/me", { alter: () => new Response(body(), { status: 401 }) });
  // Its patience of a second never ends.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());

  const answer = await sessionFetch(session, { fetch: server.fetch })(`${server.origin}/me`);
  await settled();

  expect([answer.status, pulled, cancelled.mock.calls.length]).toStrictEqual([200, 2, 1]);
});
