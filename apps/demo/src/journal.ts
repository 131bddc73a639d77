import type { Transport } from "./turns.ts";

/** What can be seen of a request, or of a refresh. */
export type What = "held" | "refused" | "refresh" | "replayed" | "answered" | "lost" | "unhandled";

/** Something that was seen; times are ms since its burst began. What has no duration ends when it begins. */
export interface Mark {
  readonly what: What;
  readonly at: number;
  readonly until: number;
  /** Whose it was, where that was noted. */
  readonly transport?: Transport | undefined;
}

/** What was seen of one burst. */
export interface Entry {
  readonly title: string;
  readonly marks: readonly Mark[];
}

/** Writes down what is seen of one client, burst after burst. */
export interface Journal {
  readonly entries: readonly Entry[];
  begin(title: string): Entry;
  /** Writes down what began at `since`, by `performance.now()`, and ends now. */
  note(what: What, since?: number, transport?: Transport): void;
}

export function createJournal(): Journal {
  const entries: { title: string; start: number; marks: Mark[] }[] = [];
  return {
    entries,
    begin(title) {
      const entry = { title, start: performance.now(), marks: [] };
      entries.push(entry);
      return entry;
    },
    note(what, since = performance.now(), transport) {
      const entry = entries.at(-1);
      entry?.marks.push({ what, at: since - entry.start, until: performance.now() - entry.start, transport });
    },
  };
}

/** Counts what was seen, in one burst or in several, of all transports or of one. */
export function count(entries: readonly Entry[], what: What, transport?: Transport): number {
  return entries
    .flatMap(({ marks }) => marks)
    .filter((mark) => mark.what === what && (transport === undefined || mark.transport === transport)).length;
}
