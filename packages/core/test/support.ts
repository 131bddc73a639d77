import { createSession, type Session, type SessionEvent, type SessionOptions } from "@freshtoken/core";
import { createClock, createServer, type Server } from "@freshtoken/testing";

export { createClock, type ManualClock, settled } from "@freshtoken/testing";

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

/** Signs in at a server of its own, with tokens that live an hour of its clock. */
export async function begin(options: Partial<SessionOptions> = {}) {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const { session, events } = sessionOn(server, { clock, ...options });
  await session.signIn(server.signIn({ expiresIn: 3600 }));
  return { clock, server, session, events, request: clientOf(session, server) };
}
