import { createSession, type Session, type SessionEvent, type SessionOptions } from "@freshtoken/core";
import { createServer, entriesAt, type Ledger, type ResourceRequest, type Server } from "@freshtoken/testing";
import { type Listener, listen } from "@freshtoken/testing/node";
import axios, { type AxiosInstance, type CreateAxiosDefaults } from "axios";
import { onTestFinished } from "vitest";
import { attachSession } from "../src/index.ts";

/** The adapters of axios that run in Node. */
export const adapters = ["http", "fetch"] as const;
export type AdapterName = (typeof adapters)[number];

export interface Stage {
  readonly server: Server;
  readonly listener: Listener;
  readonly origin: string;
  readonly session: Session;
  readonly events: SessionEvent[];
  readonly api: AxiosInstance;
  detach(): void;
}

interface Setting extends Partial<SessionOptions> {
  readonly server?: Server;
  readonly defaults?: CreateAxiosDefaults;
}

/** An instance of axios whose session is signed in at a server on a loopback port. The refresh goes over the wire too. */
export async function stage(
  adapter: AdapterName,
  { server = createServer(), defaults, ...options }: Setting = {},
): Promise<Stage> {
  const listener = await listen(server);
  const { origin } = listener;
  onTestFinished(() => listener.close());
  const session = createSession({ refresh: refreshAt(origin), ...options });
  const events: SessionEvent[] = [];
  await session.signIn(server.signIn());
  session.subscribe((event) => events.push(event));
  const api = axios.create({ baseURL: origin, adapter, ...defaults });
  return { server, listener, origin, session, events, api, detach: attachSession(api, session) };
}

/** The refresh token grant, through fetch. */
export function refreshAt(origin: string): SessionOptions["refresh"] {
  return ({ refreshToken, signal }) =>
    fetch(`${origin}/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
      signal,
    });
}

/** Sends many requests at once, each to a path of its own, and tells the answers' statuses. */
export async function burst(api: AxiosInstance, count: number): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => api.get(`/${index}`)));
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

/** The ledger of one request that was refused and answered after one refresh. */
export const replayedOnce = account({ attempts: 1, refreshes: 1, requests: 2, refusals: 1, answers: 1 });

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
