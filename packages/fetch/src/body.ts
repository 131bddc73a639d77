/** Tells whether a body can be sent a second time. A stream cannot, nor can what is read piece by piece. */
export function isReplayable(body: unknown): boolean {
  if (typeof body !== "object" || body === null) return true;
  const isStream = tagOf(body) === "ReadableStream" || Symbol.asyncIterator in body;
  return !isStream && typeof (body as { pipe?: unknown }).pipe !== "function";
}

/** Keeps a body as it is now, as fetch does: its owner may change it while the request waits. */
export function snapshot<B>(body: B): B {
  if (typeof body !== "object" || body === null) return body;
  if (ArrayBuffer.isView(body)) return bytesOf(body) as B;
  switch (tagOf(body)) {
    case "ArrayBuffer":
      return (body as ArrayBuffer & B).slice(0) as B;
    case "URLSearchParams":
    case "FormData":
      // The npm package form-data is no FormData, though it says so: it is a stream.
      return Symbol.iterator in body ? (copyEntries(body as FormData & B) as B) : body;
    default:
      return body;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

// Of the same kind, which may be another implementation's: undici's own FormData is not the global one.
function copyEntries(body: FormData): FormData {
  const copy = new (body.constructor as new () => FormData)();
  for (const [name, value] of body) copy.append(name, value as string);
  return copy;
}

export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
