import { listen } from "./channels.ts";
import type { Settings } from "./options.ts";
import type { Place } from "./place.ts";

/** Hears what the others who share a session do, for as long as somebody here wants to know. */
export interface Ear {
  /** Whether anybody wants to hear of saves: a session does. */
  isWanted(): boolean;
  /** Keeps listening. Calls `told` when others have saved, or may have unheard. Returns the undo. */
  onSaved(told: () => void): () => void;
  /** Calls `told` when the section may have become free, as far as the ear listens. Returns the undo. */
  onFreed(told: () => void): () => void;
  /** Keeps listening. Where that begins only now, all are told as soon as it has. Returns the undo. */
  listen(): () => void;
}

/** `self`: whose own messages say nothing new, whatever follows a `/` in the sender's name. */
export function createEar(settings: Settings, self: string, place: () => Promise<Place>): Ear {
  const saved = new Set<() => void>();
  const freed = new Set<() => void>();
  let reasons = 0;
  let leave = () => {};

  function heard(message: string): void {
    const [what, sender = ""] = message.split(" ");
    if (sender.split("/")[0] === self) return;
    tell(what === "saved" ? saved : freed);
  }

  function joined(): void {
    tell(saved);
    tell(freed);
  }

  function join(): () => void {
    let undo = () => {};
    let isOver = false;
    void place().then(({ channel }) => {
      if (!isOver) undo = listen(settings.listening, channel, { heard, joined }, settings.clock);
    });
    return () => {
      isOver = true;
      undo();
    };
  }

  function stay(): () => void {
    if (reasons++ === 0) leave = join();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (--reasons === 0) leave();
    };
  }

  return {
    isWanted: () => saved.size > 0,
    onSaved(told) {
      // Its own function, so that one that listens twice hears twice, and each undo is its own.
      const listener = () => told();
      const undo = stay();
      saved.add(listener);
      return () => {
        saved.delete(listener);
        undo();
      };
    },
    onFreed(told) {
      freed.add(told);
      return () => freed.delete(told);
    },
    listen: stay,
  };
}

// One that throws harms no other.
function tell(listeners: ReadonlySet<() => void>): void {
  for (const listener of [...listeners]) {
    try {
      listener();
    } catch {}
  }
}
