import { createSession, type Session, type SessionEvent, type SessionOptions } from "@freshtoken/core";
import { createServer, entriesAt, type Ledger, type ResourceRequest, type Server } from "@freshtoken/testing";
import { type Listener, listen } from "@freshtoken/testing/node";
import * as undici from "undici";
import { onTestFinished } from "vitest";
import { sessionFetch } from "../src/index.ts";

/** One implementation of fetch, with the classes that belong to it. */
export interface Implementation {
  readonly name: string;
  readonly fetch: typeof fetch;
  readonly Request: typeof Request;
  readonly Response: typeof Response;
  readonly FormData: typeof FormData;
  readonly Headers: typeof Headers;
}

// Undici's types and those of the DOM are two descriptions of one thing.
const undicis = undici as unknown as typeof globalThis;

export const implementations: readonly Implementation[] = [
  { name: "the global fetch", fetch, Request, Response, FormData, Headers },
  {
    name: "undici's fetch",
    fetch: undicis.fetch,
    Request: undicis.Request,
    Response: undicis.Response,
    FormData: undicis.FormData,
    Headers: undicis.Headers,
  },
];

export interface Stage {
  readonly server: Server;
  readonly listener: Listener;
  readonly origin: string;
  readonly session: Session;
  readonly events: SessionEvent[];
  readonly authorized: typeof fetch;
}

/** A session that is signed in at a server on a loopback port, and its fetch. The refresh goes over the wire too. */
export async function stage(
  via: Implementation,
  { server = createServer(), ...options }: Partial<SessionOptions> & { server?: Server } = {},
): Promise<Stage> {
  const listener = await listen(server);
  const { origin } = listener;
  onTestFinished(() => listener.close());
  const session = createSession({
    refresh: refreshThrough(via.fetch, origin),
    origins: [origin],
    ...options,
  });
  const events: SessionEvent[] = [];
  await session.signIn(server.signIn());
  session.subscribe((event) => events.push(event));
  return {
    server,
    listener,
    origin,
    session,
    events,
    authorized: sessionFetch(session, { fetch: via.fetch }),
  };
}

/** A session that nobody is signed in to, on a server without sockets. */
export function sessionOn(
  server: Server,
  options: Partial<SessionOptions> = {},
): { session: Session; events: SessionEvent[] } {
  const session = createSession({ refresh: refreshThrough(server.fetch, server.origin), ...options });
  const events: SessionEvent[] = [];
  session.subscribe((event) => events.push(event));
  return { session, events };
}

/** The refresh token grant, through some fetch. */
function refreshThrough(bare: typeof fetch, origin: string, init?: RequestInit): SessionOptions["refresh"] {
  return ({ refreshToken, signal }) =>
    bare(`${origin}/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
      signal,
      ...init,
    });
}

/** Sends many requests at once, each to a path of its own, and tells the answers' statuses. */
export async function burst(authorized: typeof fetch, origin: string, count: number) {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, index) => authorized(`${origin}/${index}`)),
  );
  await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  return answers.map(({ status }) => status);
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

/** What arrived at the resource server. */
export function arrivals({ log }: Server): ResourceRequest[] {
  return entriesAt(log, "resource");
}

/** How a promise ends, as a value. */
export function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: unknown) => error,
  );
}

export const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** As many zero-to-one numbers as wanted, the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
