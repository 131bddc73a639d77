// Shorter than an attempt of a session, which can then say that it was the key.
const DEADLINE = 5_000;

/** Waits for a key as long as a request may. Rejects when that is over. */
export async function inTime<R>(ask: () => Promise<R>): Promise<R> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took longer than ${DEADLINE} ms`)), DEADLINE);
  });
  try {
    return await Promise.race([ask(), late]);
  } finally {
    clearTimeout(timer);
  }
}
