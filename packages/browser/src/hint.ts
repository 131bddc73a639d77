import { listen } from "./page.ts";

// How pages and workers tell each other to load again.

/** Tells all others, as far as the browser can. */
export function tell(name: string): void {
  const channel = join(name);
  // It says no more: any page of the origin can send a message, so nobody would believe what is in it.
  channel?.postMessage(0);
  channel?.close();
}

/** Calls `changed` when another tells, and when the page may have missed it. Returns the undo. */
export function subscribe(name: string, changed: () => void): () => void {
  const over = new AbortController();
  let channel: BroadcastChannel | undefined;

  function enter(): void {
    leave();
    channel = join(name);
    if (channel) channel.onmessage = hear;
  }

  // A message to a page in the back-forward cache would put it out of there.
  function leave(): void {
    channel?.close();
  }

  // A page that is hidden may be about to be left. It looks when it is visible again.
  function look(): void {
    if (globalThis.document?.hidden) return;
    enter();
    hear();
  }

  function hear(): void {
    try {
      changed();
    } catch {}
  }

  enter();
  listen(over, leave, "pagehide");
  listen(over, look, "pageshow", "visibilitychange", "online");
  return () => {
    over.abort();
    leave();
  };
}

function join(name: string): BroadcastChannel | undefined {
  try {
    // On a server nobody shares anything.
    if (!globalThis.indexedDB) return;
    const channel: BroadcastChannel & { unref?(): void } = new BroadcastChannel(name);
    // Nor does it keep a process alive, where something stands for the database there.
    channel.unref?.();
    return channel;
  } catch {
    // Without it the others look when they are shown, and before they refresh.
  }
}
