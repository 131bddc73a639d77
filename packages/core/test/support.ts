import {
  type Clock,
  createSession,
  type Session,
  type SessionEvent,
  type SessionOptions,
} from "@freshtoken/core";
import type { Server } from "@freshtoken/testing";

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Moves on by `ms`, runs what falls due in order, and lets everything settle after each. */
  advance(ms: number): Promise<void>;
  /** Sets the time without running anything, as a user or a sleeping machine does. */
  jump(ms: number): void;
  /** How many timers are set, and for how many of them the process stays alive. */
  readonly timers: { readonly all: number; readonly keepAlive: number };
}

export function createClock(start = 1_700_000_000_000): ManualClock {
  const timers = new Set<{ readonly at: number; readonly keepAlive: boolean; readonly run: () => void }>();
  let elapsed = 0;
  let offset = start;
  let draws = 0;
  return {
    now: () => offset + elapsed,
    // Never the same twice in a row, always the same in every run.
    random: () => (++draws * 0.618) % 1,
    timer(run, ms, keepAlive) {
      const timer = { at: elapsed + ms, keepAlive, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const end = elapsed + ms;
      await settled();
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at);
        if (!next) break;
        elapsed = next.at;
        timers.delete(next);
        next.run();
        await settled();
      }
      elapsed = end;
    },
    jump(ms) {
      offset += ms;
    },
    get timers() {
      return { all: timers.size, keepAlive: [...timers].filter(({ keepAlive }) => keepAlive).length };
    },
  };
}

/** Lets everything that waits for nothing but itself come to an end. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A session whose `refresh` asks the server, with its events. */
export function sessionOn(
  server: Server,
  options: Partial<SessionOptions> = {},
): { session: Session; events: SessionEvent[] } {
  const session = createSession({ refresh: refreshAt(server), ...options });
  const events: SessionEvent[] = [];
  session.subscribe((event) => events.push(event));
  return { session, events };
}

/** The refresh token grant at the server's token endpoint. */
export function refreshAt(server: Server): SessionOptions["refresh"] {
  return ({ refreshToken, signal }) =>
    server.fetch(`${server.origin}/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
      signal,
    });
}

/** What a request of the tests can say. */
export interface Sending {
  readonly method?: string;
  readonly body?: string;
  readonly signal?: AbortSignal;
  readonly replayable?: boolean;
  readonly family?: string | undefined;
}

/** The smallest adapter there can be: sends to the server through a connection of the session. */
export function clientOf(
  session: Session,
  server: Server,
): (path: string, sending?: Sending) => Promise<Response> {
  const connection = session.connect({ origins: [server.origin] });
  return (path, { method = "GET", body, signal, replayable = true, family } = {}) => {
    const url = server.origin + path;
    return connection.send({
      url,
      method,
      signal: signal ?? null,
      replayable,
      family,
      send: (headers) =>
        server.fetch(url, { method, headers, ...(body && { body }), ...(signal && { signal }) }),
      answer: (response) => ({
        status: response.status,
        url: response.url,
        field: (name) => response.headers.get(name),
        response,
      }),
      release: async (response) => {
        const kept = await response.arrayBuffer();
        return new Response(kept, response);
      },
    });
  };
}
