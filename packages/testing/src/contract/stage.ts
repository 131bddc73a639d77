import { createSession, type Session, type SessionEvent, type SessionOptions } from "@freshtoken/core";
import { createClock, type ManualClock } from "../clock.ts";
import { type Ledger, ledger } from "../ledger.ts";
import { entriesAt, type ResourceRequest } from "../log.ts";
import { openServer, type RemoteServer } from "../remote.ts";
import { story } from "../story.ts";
import { outcomeOf } from "./case.ts";
import type { AdapterSubject, ContractAnswer, ContractRequest, Setting, UserHooks } from "./subject.ts";

/** What one case runs on: a server on a port of its own, a session that is signed in there, and a client. */
export interface Stage {
  readonly server: RemoteServer;
  readonly session: Session;
  readonly clock: ManualClock;
  /** What was handed to the transport, in order: paths. */
  readonly sent: readonly string[];
  /** Sends to a path of the server, or to another URL. */
  send(target: string, request?: Omit<ContractRequest, "url">): Promise<ContractAnswer>;
  /** Sends so many requests at once, each to a path of its own, and tells their statuses. */
  burst(count: number): Promise<number[]>;
  /** Makes one more client of the session, and returns how it sends. */
  attach(): Stage["send"];
  /** Resolves as soon as so many requests have been held. */
  held(count: number): Promise<void>;
  /** What a request has ended with by the time the server has told something else; else `"pending"`. */
  soon(request: Promise<unknown>): Promise<unknown>;
  /** The whole account, of which zeros are left out. */
  ledger(): Promise<Partial<Ledger>>;
  story(): Promise<string[]>;
  arrivals(): Promise<ResourceRequest[]>;
}

export interface StageOptions extends Partial<SessionOptions> {
  /** How long access tokens live, in seconds. Absent: until the case expires them. */
  readonly expiresIn?: number;
  /** How often a rotated refresh token may be presented again. @default 0 */
  readonly grace?: number;
  /** Whether tokens are long and in the form of a JWT. @default false: `a0`, `r0` */
  readonly secret?: boolean;
  readonly before?: UserHooks;
  readonly after?: UserHooks;
  readonly serialize?: Setting["serialize"];
}

export const HOUR = 3_600_000;

/** An access token that the client knows to live an hour. */
export const hourly: StageOptions = { expiresIn: HOUR / 1000 };

const silent: UserHooks = { request() {}, answer() {} };

export async function openStage(subject: AdapterSubject, options: StageOptions = {}): Promise<Stage> {
  const {
    expiresIn,
    grace = 0,
    secret = false,
    before = silent,
    after = silent,
    serialize,
    ...rest
  } = options;
  const server = await openServer(subject.host, {
    secret,
    ...(expiresIn === undefined ? {} : { expiresIn }),
    ...(grace > 0 ? { grace: { uses: grace } } : {}),
  });
  const { origin } = server;
  const clock = createClock();
  const session = createSession({ refresh: refreshAt(origin), clock, ...rest });
  await session.signIn(await server.signIn());

  const sent: string[] = [];
  const note = (url: string) => void sent.push(new URL(url, origin).pathname);
  function attach(): Stage["send"] {
    const client = subject.attach(session, { origin, sent: note, before, after, serialize });
    return (target, request) => left(client.send({ ...request, url: new URL(target, origin).href }));
  }
  const send = attach();

  return {
    server,
    session,
    clock,
    sent,
    send,
    attach,
    burst: (count) => left(statusesOf(Array.from({ length: count }, (_, index) => send(`/${index}`)))),
    held: counter(session, "held"),
    soon: (request) => Promise.race([outcomeOf(request), server.log().then(() => "pending")]),
    ledger: async () =>
      Object.fromEntries(Object.entries(ledger(await server.log())).filter(([, count]) => count > 0)),
    story: async () => story(await server.log()),
    arrivals: async () => entriesAt(await server.log(), "resource"),
  };
}

/** A promise that may be left to itself: a case that fails waits for nothing more. */
function left<R>(promise: Promise<R>): Promise<R> {
  promise.catch(() => {});
  return promise;
}

async function statusesOf(answers: readonly Promise<ContractAnswer>[]): Promise<number[]> {
  return (await Promise.all(answers)).map(({ status }) => status);
}

/** The refresh token grant, through fetch. @see RFC 6749 §6 */
function refreshAt(origin: string): SessionOptions["refresh"] {
  return ({ refreshToken, signal }) =>
    fetch(`${origin}/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
      signal,
    });
}

function counter(session: Session, type: SessionEvent["type"]): (count: number) => Promise<void> {
  let seen = 0;
  const watchers = new Set<() => void>();
  session.subscribe((event) => {
    if (event.type !== type) return;
    seen += 1;
    for (const watch of watchers) watch();
  });
  return (count) =>
    new Promise((resolve) => {
      const watch = () => void (seen >= count && resolve());
      watchers.add(watch);
      watch();
    });
}
