import { Duplex, PassThrough, Readable, Transform } from "node:stream";
import { settled } from "@freshtoken/testing";
import { expect, onTestFinished, test, vi } from "vitest";
import { kept } from "../src/refused-stream.ts";
import { text } from "./support.ts";

const encoder = new TextEncoder();

async function read(stream: unknown): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return text(Buffer.concat(chunks));
}

/** Streams that say one word and do not end, and whether they were cancelled. */
const stuck: readonly [string, () => { stream: unknown; isCancelled(): boolean }][] = [
  [
    "a stream of Node",
    () => {
      const stream = new Readable({ read() {} });
      stream.push("word");
      return { stream, isCancelled: () => stream.destroyed };
    },
  ],
  [
    "a stream of the platform",
    () => {
      const cancel = vi.fn();
      const start = (controller: ReadableStreamDefaultController) =>
        controller.enqueue(encoder.encode("word"));
      return {
        stream: new ReadableStream({ start, cancel }),
        isCancelled: () => cancel.mock.calls.length === 1,
      };
    },
  ],
];

test.each(stuck)("cancels after a second %s that does not end, and keeps what came", async (_, make) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const { stream, isCancelled } = make();

  const replacement = kept(stream);
  await settled();
  const before = isCancelled();
  vi.advanceTimersByTime(1000);

  expect(await read(await replacement)).toBe("word");
  expect([before, isCancelled(), vi.getTimerCount()]).toStrictEqual([false, true, 0]);
});

test.each([
  ["a Readable", () => Readable.from([Buffer.from("word")])],
  ["a PassThrough, as progress and decompression make", () => new PassThrough().end("word")],
  ["a Duplex", () => Duplex.from([Buffer.from("word")])],
  ["a Transform", () => new Transform({ transform: (chunk, _, done) => done(null, chunk) }).end("word")],
  ["a ReadableStream", () => new Blob(["word"]).stream()],
  ["an empty Readable", () => Readable.from([])],
])("keeps what is in %s", async (name, make) => {
  expect(await read(await kept(make()))).toBe(name === "an empty Readable" ? "" : "word");
});

test("keeps what came before a stream broke off", async () => {
  const stream = new ReadableStream(
    {
      start: (controller) => controller.enqueue(encoder.encode("word")),
      pull: (controller) => controller.error(new Error("reset")),
    },
    { highWaterMark: 0 },
  );

  expect(await read(await kept(stream))).toBe("word");
});

test("hands back as it is what was read already", async () => {
  const data = { error: "invalid_token" };

  expect(await kept(data)).toBe(data);
  expect(await kept(undefined)).toBeUndefined();
});
