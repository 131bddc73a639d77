/** What can be seen of a request, or of a refresh. */
export type What = "held" | "refused" | "refresh" | "replayed" | "answered" | "lost";

/** Something that was seen; times are ms since its burst began. What has no duration ends when it begins. */
export interface Mark {
  readonly what: What;
  readonly at: number;
  readonly until: number;
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
  /** Writes down what began at `since` and ends now, both by `performance.now()`. */
  note(what: What, since?: number, until?: number): void;
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
    note(what, since = performance.now(), until = performance.now()) {
      const entry = entries.at(-1);
      entry?.marks.push({ what, at: since - entry.start, until: until - entry.start });
    },
  };
}

/** Counts what was seen, in one burst or in several. */
export function count(entries: readonly Entry[], what: What): number {
  return entries.flatMap(({ marks }) => marks).filter((mark) => mark.what === what).length;
}
