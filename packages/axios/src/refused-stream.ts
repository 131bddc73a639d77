// What is kept of a refused answer, and for how long its rest is waited for.
const LIMIT = 64 * 1024;
const PATIENCE = 1_000;

/** A stream of Node, or of the platform. */
interface Source {
  next(): Promise<{ readonly done?: boolean | undefined; readonly value?: Uint8Array | undefined }>;
  cancel(): unknown;
  replacement(chunks: readonly Uint8Array[]): unknown;
}

/**
 * Gives the socket of a refused answer back: reads a stream into memory, and cancels it where it is larger than
 * 64 KiB or takes longer than a second. Returns a stream of what was kept. Other data was read already.
 */
export async function kept(data: unknown): Promise<unknown> {
  const source = sourceOf(data);
  if (!source) return data;
  const timer: unknown = setTimeout(() => source.cancel(), PATIENCE);
  (timer as { unref?(): void }).unref?.();
  const chunks = await read(source);
  clearTimeout(timer as number);
  return source.replacement(chunks);
}

async function read(source: Source): Promise<readonly Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  let left = LIMIT;
  try {
    while (left > 0) {
      const { done, value } = await source.next();
      if (done || !value) return chunks;
      chunks.push(value.subarray(0, left));
      left -= value.byteLength;
    }
    source.cancel();
  } catch {
    // Broken off: what came before is what there is.
  }
  return chunks;
}

function sourceOf(data: unknown): Source | undefined {
  const stream = Object(data);
  if (typeof stream.getReader === "function") return webSource(stream);
  return typeof stream.pipe === "function" ? nodeSource(stream) : undefined;
}

function webSource(stream: ReadableStream<Uint8Array>): Source {
  const reader = stream.getReader();
  return {
    next: () => reader.read(),
    cancel: () => reader.cancel().catch(() => {}),
    replacement: (chunks) => new Response(new Blob([...chunks] as BlobPart[])).body,
  };
}

interface NodeStream extends AsyncIterable<Uint8Array> {
  destroy(): void;
  readonly constructor: { from(chunks: readonly Uint8Array[]): unknown };
}

function nodeSource(stream: NodeStream): Source {
  const chunks = stream[Symbol.asyncIterator]();
  return {
    next: () => chunks.next(),
    cancel: () => stream.destroy(),
    // Its own class makes it, so that no module of Node is imported.
    replacement: (kept) => stream.constructor.from(kept),
  };
}
