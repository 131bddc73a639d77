/** What one grant issued. */
export interface Issued {
  readonly access: string;
  /** Absent where the presented refresh token stays in use, or the sign-in came without one. */
  readonly refresh?: string;
}

/** The status of an answer; or how the request ended without one; or that it has not ended. */
export type Status = number | "pending" | "reset" | "aborted";

/**
 * What the authorization server made of a token request.
 *
 * `untouched`: it has not acted on it, or never will, since a fault answered in its stead. `rotated`: new access and
 * refresh token. `renewed`: new access token, the refresh token stays. `graced`: a rotated refresh token, taken once more
 * within the grace. `reused`: a rotated refresh token; its family is revoked. `revoked`: the current refresh token of a
 * revoked family. `unknown`: never issued. `malformed`: not a token request.
 */
export type TokenOutcome =
  | "untouched"
  | "rotated"
  | "renewed"
  | "graced"
  | "reused"
  | "revoked"
  | "unknown"
  | "malformed";

/** What every request that arrived has in common. Numbers count everything that happens on the server, from 0. */
export interface Arrival {
  /** Its place in the order of everything. */
  readonly arrived: number;
  /** The place at which it was answered, or ended without an answer. Undefined while it is pending. */
  readonly answered: number | undefined;
  readonly status: Status;
  readonly method: string;
  readonly path: string;
  readonly search: string;
  readonly headers: Readonly<Record<string, string>>;
  /** As far as it is read: empty before. */
  readonly body: Uint8Array;
  /** The sign-in that the token came from: 1, 2, 3 …; undefined where the token is unknown. */
  readonly family: number | undefined;
}

/** A request to the token endpoint. */
export interface TokenRequest extends Arrival {
  readonly at: "token";
  /** The refresh token, once the body is read. */
  readonly presented: string | undefined;
  readonly outcome: TokenOutcome;
  readonly issued: Issued | undefined;
}

/** A request to the revocation endpoint. @see RFC 7009 */
export interface RevocationRequest extends Arrival {
  readonly at: "revoke";
  readonly presented: string | undefined;
  readonly outcome: "untouched" | "revoked" | "unknown" | "malformed";
}

/** A request to the resource server. */
export interface ResourceRequest extends Arrival {
  readonly at: "resource";
  /** The access token as it was sent, known or not; undefined without one. */
  readonly token: string | undefined;
  /** 0 for `a0`, 1 for `a1` …; undefined where the token is unknown. */
  readonly generation: number | undefined;
  /** True once the server took the token and did what was asked, whatever became of the answer. */
  readonly accepted: boolean;
}

/** The test called `signIn`. */
export interface SignedIn {
  readonly at: "signIn";
  readonly happened: number;
  readonly family: number;
  readonly issued: Issued;
}

/** The test called `expire`. */
export interface Expired {
  readonly at: "expire";
  readonly happened: number;
  readonly tokens: readonly string[];
}

/** The test called `withdraw`. */
export interface Withdrawn {
  readonly at: "withdraw";
  readonly happened: number;
  readonly families: readonly number[];
}

export type RequestEntry = TokenRequest | RevocationRequest | ResourceRequest;
/** One thing that happened on the server. Entries are never changed, but replaced when their request moves on. */
export type Entry = RequestEntry | SignedIn | Expired | Withdrawn;

/** The entries of one kind, in the order they arrived. */
export function entriesAt<Kind extends Entry["at"]>(
  log: readonly Entry[],
  at: Kind,
): Extract<Entry, { at: Kind }>[] {
  return log.filter((entry): entry is Extract<Entry, { at: Kind }> => entry.at === at);
}

/** The written half of one entry. */
export interface Line<E extends RequestEntry> {
  read(): E;
  amend(change: Partial<E>): void;
  /** Says how the request ended, and at which place in the order of everything. */
  end(status: Status): void;
}

export interface Log {
  readonly entries: readonly Entry[];
  note(entry: Omission<SignedIn> | Omission<Expired> | Omission<Withdrawn>): void;
  arrive<E extends RequestEntry>(entry: Omit<E, "arrived">): Line<E>;
  when(holds: (entries: readonly Entry[]) => boolean): Promise<void>;
}

type Omission<E> = Omit<E, "happened">;

export function createLog(): Log {
  const entries: Entry[] = [];
  const watchers = new Set<() => void>();
  let place = 0;

  function write(index: number, entry: Entry): void {
    entries[index] = entry;
    for (const watch of watchers) watch();
  }

  function arrive<E extends RequestEntry>(entry: Omit<E, "arrived">): Line<E> {
    const index = entries.length;
    const read = () => entries[index] as E;
    const amend = (change: Partial<E>) => write(index, { ...read(), ...change });
    write(index, { ...entry, arrived: place++ } as E);
    return { read, amend, end: (status) => write(index, { ...read(), status, answered: place++ }) };
  }

  function when(holds: (entries: readonly Entry[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watch = () => {
        if (!holds(entries)) return;
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
      watch();
    });
  }

  return {
    entries,
    note: (entry) => write(entries.length, { ...entry, happened: place++ } as Entry),
    arrive,
    when,
  };
}
