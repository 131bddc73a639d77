import { NotReplayableError } from "@freshtoken/core";
import { AxiosError, type InternalAxiosRequestConfig } from "axios";

/** A body as it was at the call: its owner may change it while the request waits. */
export interface Body {
  readonly data: unknown;
  /** What a form says of itself; other bodies are described by the caller's own fields. */
  readonly fields?: Readonly<Record<string, string>>;
}

// Streams that went out once.
const spent = new WeakSet<object>();

export function bodyOf(data: unknown): Body {
  if (data instanceof ArrayBuffer) return { data: data.slice(0) };
  // Of the same class, which a Buffer's own slice does not copy.
  if (data instanceof Uint8Array) return { data: Uint8Array.prototype.slice.call(data) };
  if (isForm(data)) return { data: copyEntries(data) };
  return formBytes(data as NodeForm) ?? { data };
}

/** Tells whether serialised data can be sent a second time. A stream cannot. */
export function isReplayable(data: unknown): boolean {
  const { pipe, getReader } = Object(data);
  return (
    typeof pipe !== "function" && typeof getReader !== "function" && !(Symbol.asyncIterator in Object(data))
  );
}

interface NodeStream {
  readonly destroyed?: boolean;
  readonly errored?: Error | null;
  on?(type: "error", listener: () => void): unknown;
}

/**
 * Looks after a body that can be sent only once, until it is. Returns what notes that it goes out, and throws where
 * axios would send an empty body in its place, or wait for it for ever.
 */
export function sendableOnce(config: InternalAxiosRequestConfig): () => void {
  const stream = config.data as NodeStream;
  // A stream that fails while it waits would end the process: axios listens only from when it is sent.
  stream.on?.("error", () => {});
  return () => {
    if (spent.has(stream)) {
      throw new NotReplayableError(
        "The body, a stream, was sent already, and is empty now. Make the request with a new body",
      );
    }
    if (stream.destroyed) {
      const why = stream.errored ?? new Error("The body, a stream, was destroyed before it was sent");
      throw AxiosError.from(why, undefined, config);
    }
    spent.add(stream);
  };
}

// The npm package form-data is no FormData, though it says so: it has no entries. React Native's has none either.
function isForm(data: unknown): data is FormData {
  const tag = Object.prototype.toString.call(data);
  return tag === "[object FormData]" && Symbol.iterator in Object(data);
}

// Of the same kind, which may be another implementation's.
function copyEntries(form: FormData): FormData {
  const copy = new (form.constructor as new () => FormData)();
  for (const [name, value] of form) copy.append(name, value as string);
  return copy;
}

/** A form of the npm package form-data, which axios makes of an object in Node. */
interface NodeForm {
  getBuffer(): Uint8Array;
  getLengthSync(): number;
  getHeaders(): Record<string, string>;
}

// A form is a stream, but of parts that may all be at hand. Where one is a stream there are no bytes of the whole.
function formBytes(form: NodeForm | null | undefined): Body | undefined {
  if (typeof form?.getBuffer !== "function") return undefined;
  try {
    const data = form.getBuffer();
    return data.byteLength === form.getLengthSync() ? { data, fields: form.getHeaders() } : undefined;
  } catch {
    return undefined;
  }
}
