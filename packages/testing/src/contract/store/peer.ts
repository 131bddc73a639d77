import {
  createSession,
  type Session,
  type SessionEvent,
  type SessionOptions,
  type SessionStore,
} from "@freshtoken/core";
import type { ManualClock } from "../../clock.ts";
import type { Server } from "../../server.ts";

/** A session in a context of its own, and what one sees of it. */
export interface Peer {
  readonly session: Session;
  readonly store: SessionStore;
  readonly events: readonly SessionEvent[];
  /** Sends so many requests at once to the resource server, and tells their statuses. */
  burst(count: number): Promise<number[]>;
  /** Resolves as soon as the session is as the case wants it. */
  when(holds: (session: Session) => boolean): Promise<void>;
}

export function createPeer(name: string, server: Server, clock: ManualClock, store: SessionStore): Peer {
  const events: SessionEvent[] = [];
  const watchers = new Set<() => void>();
  const session = createSession({
    refresh: refreshAt(server, name),
    store,
    clock,
    origins: [server.origin],
    refusalLimit: false,
  });
  session.subscribe((event) => {
    events.push(event);
    for (const watch of watchers) watch();
  });
  const send = sender(session, server, name);

  return {
    session,
    store,
    events,
    burst: (count) => Promise.all(Array.from({ length: count }, send)),
    when: (holds) =>
      new Promise((resolve) => {
        const watch = () => {
          if (holds(session)) resolve();
        };
        watchers.add(watch);
        watch();
      }),
  };
}

/** The refresh token grant, said to be of this context. @see RFC 6749 §6 */
function refreshAt({ fetch, origin }: Server, name: string): SessionOptions["refresh"] {
  return ({ refreshToken, signal }) =>
    fetch(`${origin}/token`, {
      method: "POST",
      headers: { "x-by": name },
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
      signal,
    });
}

/** The least there can be of an adapter. */
function sender(session: Session, { fetch, origin }: Server, name: string): () => Promise<number> {
  const connection = session.connect();
  const url = `${origin}/me`;
  let made = 0;
  return async () => {
    const own = { "x-by": name, "x-request": `${name}.${++made}` };
    const response = await connection.send<Response>({
      url,
      method: "GET",
      replayable: true,
      send: (fields) => fetch(url, { headers: { ...own, ...fields } }),
      answer: (answered) => ({
        status: answered.status,
        field: (field) => answered.headers.get(field),
        response: answered,
      }),
      release: async (answered) => new Response(await answered.arrayBuffer(), answered),
    });
    return response.status;
  };
}
