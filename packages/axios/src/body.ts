import { NotReplayableError } from "@freshtoken/core";

// Streams that went out once.
const spent = new WeakSet<object>();

/** Tells whether serialised data can be sent a second time. A stream cannot, nor a form of the `form-data` package. */
export function isReplayable(data: unknown): boolean {
  const { pipe, getReader } = Object(data);
  return (
    typeof pipe !== "function" && typeof getReader !== "function" && !(Symbol.asyncIterator in Object(data))
  );
}

/**
 * Notes that a stream goes out. Throws where it has been out before, by a retry of axios-retry for instance:
 * axios would send an empty body in its place.
 */
export function markSent(stream: object): void {
  if (spent.has(stream)) {
    throw new NotReplayableError(
      "The body, a stream, was sent already, and is empty now. Make the request with a new body",
    );
  }
  spent.add(stream);
}

/** Keeps a body as it is now: its owner may change it while the request waits. */
export function snapshot(data: unknown): unknown {
  if (data instanceof ArrayBuffer) return data.slice(0);
  // Of the same class, which a Buffer's own slice does not copy.
  if (data instanceof Uint8Array) return Uint8Array.prototype.slice.call(data);
  return isForm(data) ? copyEntries(data) : data;
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
