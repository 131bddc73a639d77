import { attachSession } from "@freshtoken/axios";
import { createSession, type Session, type SessionOptions } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { sessionHooks } from "@freshtoken/ky";
import { createClock, createServer, type Ledger, type Server } from "@freshtoken/testing";
import type { QueryClient } from "@tanstack/query-core";
import axios from "axios";
import ky from "ky";

/** Gets a path, and rejects where the answer is no success. */
type Get = (path: string, signal: AbortSignal) => Promise<unknown>;

export type Name = keyof typeof clients;

/** Each client as an app would wire it. TanStack Query does the retrying, so ky does none. */
const clients = {
  axios(session: Session, { origin, fetch }: Server): Get {
    const api = axios.create({ baseURL: origin, adapter: "fetch", env: { fetch } });
    attachSession(api, session);
    return async (path, signal) => (await api.get(path, { signal })).data;
  },
  ky(session: Session, { origin, fetch }: Server): Get {
    const api = ky.create({ prefix: origin, fetch, retry: 0, hooks: sessionHooks(session) });
    return (path, signal) => api.get(path.slice(1), { signal }).json();
  },
  fetch(session: Session, { origin, fetch }: Server): Get {
    const authorized = sessionFetch(session, { fetch, origins: [origin] });
    return async (path, signal) => {
      const response = await authorized(origin + path, { signal });
      if (!response.ok) throw Object.assign(new Error(response.statusText), { response });
      return response.json();
    };
  },
};

export const names: readonly Name[] = ["axios", "ky", "fetch"];

/** A session that is signed in at a server in memory, and queries through one client after the other. */
export async function stage(
  via: readonly Name[],
  { server = createServer(), ...options }: Partial<SessionOptions> & { server?: Server } = {},
) {
  const session = createSession({ refresh: refreshAt(server), ...options });
  await session.signIn(server.signIn());
  const gets = via.map((name) => clients[name](session, server));
  const calls: string[] = [];
  const query = (path: string) => ({
    queryKey: [path],
    queryFn({ signal }: { signal: AbortSignal }) {
      const get = gets[calls.push(path) % gets.length] as Get;
      return get(path, signal);
    },
  });
  return { server, session, calls, query };
}

function refreshAt({ origin, fetch }: Server): SessionOptions["refresh"] {
  return ({ refreshToken, signal }) =>
    fetch(`${origin}/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
      signal,
    });
}

export const HOUR = 3_600_000;

/** A server and a session that share a clock; access tokens live an hour. */
export function hourly() {
  const clock = createClock();
  return { clock, server: createServer({ expiresIn: 3600, now: clock.now }) };
}

/** Makes many queries at once, each for a path of its own, and tells the generations that answered. */
export async function burst(
  client: QueryClient,
  query: Awaited<ReturnType<typeof stage>>["query"],
  count: number,
): Promise<number[]> {
  const answers = Array.from({ length: count }, (_, index) => client.query(query(`/${index}`)));
  return (await Promise.all(answers)).map((answer) => (answer as { generation: number }).generation);
}

/** A whole ledger, of which most is nothing. */
export function account(lines: Partial<Ledger>): Ledger {
  const nothing = {
    attempts: 0,
    refreshes: 0,
    reuses: 0,
    revocations: 0,
    requests: 0,
    refusals: 0,
    answers: 0,
  };
  return { signIns: 1, ...nothing, unanswered: 0, ...lines };
}

/** How a promise ends, as a value. */
export function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: unknown) => error,
  );
}
