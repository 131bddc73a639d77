import { createSession, type Session, type SessionEvent, type SessionOptions } from "@freshtoken/core";
import {
  createClock,
  createServer,
  entriesAt,
  type Ledger,
  type ResourceRequest,
  type Server,
} from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import ky, { type KyInstance, type Options } from "ky";
import ky20 from "ky-2.0";
import { onTestFinished, vi } from "vitest";
import { sessionHooks } from "../src/index.ts";

/** One release of ky 2: both ends of the range. */
export interface Release {
  readonly name: string;
  readonly ky: KyInstance;
}

export const releases: readonly Release[] = [
  { name: "ky 2.1", ky },
  // The types of two releases are two descriptions of one thing.
  { name: "ky 2.0", ky: ky20 as unknown as KyInstance },
];

export interface Scene {
  readonly server: Server;
  readonly session: Session;
  readonly events: SessionEvent[];
}

export interface Stage extends Scene {
  readonly origin: string;
  readonly client: KyInstance;
}

interface Props extends Partial<SessionOptions> {
  readonly server?: Server;
  /** Options of the ky instance. Its hooks come after those of the session. */
  readonly options?: Options;
}

/** A session that is signed in at a server on a loopback port, and a ky instance. */
export async function stage(
  via: Release,
  { server = createServer(), options, ...rest }: Props = {},
): Promise<Stage> {
  const { origin, close } = await listen(server);
  onTestFinished(close);
  const scene = await signedIn(server, { refresh: refreshThrough(fetch, origin), ...rest });
  const client = via.ky.create({ prefix: origin, hooks: sessionHooks(scene.session) });
  return { ...scene, origin, client: options ? client.extend(options) : client };
}

/** A session that is signed in at a server in memory, and a ky instance whose own fetch is the server's. */
export async function inMemory(
  via: Release,
  { server = createServer(), options, ...rest }: Props = {},
): Promise<Stage> {
  const { origin } = server;
  const scene = await signedIn(server, { refresh: refreshThrough(server.fetch, origin), ...rest });
  const bare = via.ky.create({ prefix: origin, fetch: server.fetch, hooks: sessionHooks(scene.session) });
  return { ...scene, origin, client: options ? bare.extend(options) : bare };
}

/** A session that is signed in. */
export async function signedIn(server: Server, options: SessionOptions): Promise<Scene> {
  const session = createSession(options);
  const events: SessionEvent[] = [];
  await session.signIn(server.signIn());
  session.subscribe((event) => events.push(event));
  return { server, session, events };
}

/** The refresh token grant, through some fetch. */
export function refreshThrough(bare: typeof fetch, origin: string): SessionOptions["refresh"] {
  return ({ refreshToken, signal }) =>
    bare(`${origin}/token`, {
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

/** Sends many requests at once, each to a path of its own, and tells the generations that answered. */
export function burst(client: KyInstance, count: number): Promise<unknown[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => generation(client.get(`${index}`).json())));
}

/** The generation of the token that an answer was given for. */
export async function generation(answer: Promise<unknown>): Promise<unknown> {
  return ((await answer) as { generation: number }).generation;
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

/** What an expiry that nobody knew of costs one request: one refresh, one replay. */
export const ONE_REPLAY = account({ attempts: 1, refreshes: 1, requests: 2, refusals: 1, answers: 1 });

/** Stops the timers that ky sets, until the test ends. */
export function fakeTimers(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
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
