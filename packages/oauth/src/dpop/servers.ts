/** What one server wants to see in a proof. */
export interface Terms {
  /** The newest nonce that it gave; absent: none so far. */
  readonly nonce?: string | undefined;
  /** How far its clock is ahead of ours, in s. */
  readonly ahead: number;
}

/** The terms of the servers that were asked last. */
export interface Servers {
  of(origin: string): Terms;
  adopt(origin: string, terms: Terms): void;
}

const MOST = 100;

/**
 * Remembers what each server wants, by its origin: a nonce is good only where it came from.
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-8.2
 */
export function createServers(): Servers {
  const known = new Map<string, Terms>();

  return {
    of: (origin) => known.get(origin) ?? { ahead: 0 },
    adopt(origin, terms) {
      known.delete(origin);
      known.set(origin, terms);
      for (const oldest of known.keys()) if (known.size > MOST) known.delete(oldest);
    },
  };
}
