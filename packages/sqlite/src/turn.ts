/** By path: ends when it is the next one's turn. */
const turns = new Map<string, Promise<void>>();

/**
 * Waits for one's turn among those of this thread, in the order they came. Resolves with what gives it on.
 * Rejects with the signal's reason as soon as that aborts: who waits behind then does not wait longer for it.
 */
export async function takeTurn(path: string, signal: AbortSignal): Promise<() => void> {
  const before = turns.get(path);
  let leave = () => {};
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const turn = before ? before.then(() => left) : left;
  turns.set(path, turn);
  void turn.then(() => turns.get(path) === turn && turns.delete(path));
  try {
    signal.throwIfAborted();
    if (before) await orAbort(before, signal);
  } catch (error) {
    leave();
    throw error;
  }
  return leave;
}

function orAbort(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    void promise.then(() => {
      signal.removeEventListener("abort", giveUp);
      resolve();
    });
  });
}
