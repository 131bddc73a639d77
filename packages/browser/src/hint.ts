import type { SessionRecord, SessionStore } from "@freshtoken/core";
import { listen } from "./page.ts";

/** How pages and workers tell each other to load again. */
export interface Hint extends Required<Pick<SessionStore, "subscribe">> {
  /** Tells all others, as far as the browser can. */
  tell(record: SessionRecord | null): void;
}

export function createHint(name: string): Hint {
  return {
    tell(record) {
      const channel = join(name);
      // What a message says is believed by nobody: any page of the origin can send one.
      channel?.postMessage(record?.generation ?? null);
      channel?.close();
    },
    subscribe(changed) {
      const over = new AbortController();
      let channel: BroadcastChannel | undefined;

      function enter(): void {
        if (channel) return;
        channel = join(name);
        if (channel) channel.onmessage = hear;
      }

      // A message to a page in the back-forward cache would put it out of there.
      function leave(): void {
        channel?.close();
        channel = undefined;
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
      listen(globalThis, "pagehide", leave, over);
      for (const type of ["pageshow", "visibilitychange", "online"]) listen(globalThis, type, look, over);
      return () => {
        over.abort();
        leave();
      };
    },
  };
}

function join(name: string): BroadcastChannel | undefined {
  // On a server nobody shares anything, and a channel would keep the process alive.
  if (!globalThis.indexedDB) return;
  try {
    return new BroadcastChannel(name);
  } catch {
    // Without it the others look when they are shown, and before they refresh.
  }
}
