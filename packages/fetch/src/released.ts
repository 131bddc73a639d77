// What is kept of a refused answer, and for how long its rest is waited for.
const LIMIT = 64 * 1024;
const PATIENCE = 1_000;

/**
 * Gives the socket of a response back: reads its body into memory, from now on and by itself, and cancels it
 * where it is larger than 64 KiB or takes longer than a second. Returns a response that reads what was kept.
 */
export function released(response: Response): Response {
  const reader = response.body?.getReader();
  if (!reader) return response;
  const timer: unknown = setTimeout(() => void reader.cancel().catch(() => {}), PATIENCE);
  (timer as { unref?(): void }).unref?.();
  const kept = new ReadableStream<Uint8Array>({
    async start(controller) {
      try {
        await pump(reader, controller);
        controller.close();
      } catch (error) {
        controller.error(error);
      } finally {
        clearTimeout(timer as number);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return likeness(response, kept);
}

async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  controller: ReadableStreamDefaultController<Uint8Array>,
): Promise<void> {
  let left = LIMIT;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    controller.enqueue(value.subarray(0, left));
    left -= value.byteLength;
    // Not waited for: where the caller's fetch kept a clone, it never settles.
    if (left <= 0) return void reader.cancel().catch(() => {});
  }
}

function likeness(response: Response, body: ReadableStream): Response {
  const { status, statusText, headers } = response;
  const Kind = response.constructor as typeof Response;
  return dressedAs(response, new Kind(body, { status, statusText, headers }));
}

// A constructed response has no URL, and forgets that it was redirected; so does each clone of it.
function dressedAs({ url, redirected, type }: Response, copy: Response): Response {
  const clone = () => dressedAs(copy, Object.getPrototypeOf(copy).clone.call(copy));
  for (const [name, value] of Object.entries({ url, redirected, type, clone })) {
    Object.defineProperty(copy, name, { value, configurable: true, enumerable: name !== "clone" });
  }
  return copy;
}
