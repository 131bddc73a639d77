import type { RefreshFailedError, RefreshRejectedError } from "./errors.ts";

/** Who did it: this session, or another tab, process or machine that shares it. */
export type By = "us" | "another";

/** Why a refresh is made: the token is stale or ageing, was refused, or somebody asked for it. */
export type Reason = "stale" | "ageing" | "refused" | "requested" | "restore";

/** What a session tells its subscribers. Never carries a token; a URL comes without its query. */
export type SessionEvent =
  /** The store was read. */
  | { readonly type: "loaded" }
  | { readonly type: "signedIn"; readonly by: By }
  /** With an error: the refresh token was rejected. */
  | { readonly type: "signedOut"; readonly by: By; readonly error?: RefreshRejectedError }
  /** `attempt`: which call of `refresh` in its round. The repeat of a lost answer, at once, is not told. */
  | {
      readonly type: "refreshStarted";
      readonly reason: Reason;
      readonly attempt: number;
    }
  | { readonly type: "refreshed"; readonly by: By }
  | { readonly type: "refreshFailed"; readonly error: RefreshFailedError }
  /** A refusal caused no refresh: there were too many of late. */
  | { readonly type: "refreshSuppressed" }
  /** A request is held; `count` are, by now. */
  | { readonly type: "held"; readonly count: number }
  /** `count` held requests go on; 0: a refresh ended that nobody was held for. */
  | { readonly type: "released"; readonly count: number }
  | { readonly type: "replayed"; readonly method: string; readonly url: string }
  /** The store could not be read or written, or held what is no record. */
  | { readonly type: "storeFailed"; readonly error: unknown };

/** Tells events to listeners: in order, one event after the other, and whatever a listener does. */
export interface Announcer {
  readonly listeners: Set<(event: SessionEvent) => void>;
  /** True where everything was told. */
  readonly isEmpty: boolean;
  add(event: SessionEvent): void;
  /** Tells what was added, soon: after those who were woken by it have gone on, and in a stack of its own. */
  flush(): void;
}

export function createAnnouncer(): Announcer {
  const listeners = new Set<(event: SessionEvent) => void>();
  let events: SessionEvent[] = [];

  function tellAll(): void {
    const told = events;
    events = [];
    for (const event of told) {
      // Those who are subscribed when it is told, less whom another listener has undone before its turn.
      for (const listener of [...listeners]) if (listeners.has(listener)) void tell(listener, event);
    }
  }

  return {
    listeners,
    get isEmpty() {
      return events.length === 0;
    },
    add(event) {
      events.push(event);
    },
    flush() {
      if (events.length > 0) void Promise.resolve().then(tellAll);
    },
  };
}

// A listener may throw, or return a promise that rejects: its own affair, which harms nobody else.
async function tell(listener: (event: SessionEvent) => unknown, event: SessionEvent): Promise<void> {
  try {
    await listener(event);
  } catch {}
}
