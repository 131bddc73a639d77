import type { Session, SessionStore } from "@freshtoken/core";
import { assert } from "chai";
import { createClock, type ManualClock } from "../../clock.ts";
import { violationsIn } from "../../history.ts";
import type { RequestEntry } from "../../log.ts";
import { createServer, type Server } from "../../server.ts";
import { createPeer, type Peer } from "./peer.ts";
import type { StoreAbility, StoreStage } from "./subject.ts";

/** What one case runs on: the store, as many contexts as it likes, and an authorization server that bites. */
export interface Place {
  readonly server: Server;
  readonly clock: ManualClock;
  /** Opens the store as one more context sees it. */
  open(): Promise<SessionStore>;
  /** Opens it in so many contexts. */
  views(count: number): Promise<readonly [SessionStore, SessionStore, ...SessionStore[]]>;
  /** Makes a session, on a store that was opened for it. */
  peer(store?: SessionStore): Promise<Peer>;
  /** Makes so many sessions, of which the first signs in and the others find that. */
  peers(
    count: number,
    change?: (store: SessionStore) => SessionStore,
  ): Promise<readonly [Peer, Peer, ...Peer[]]>;
  /** How many subscriptions are left; 0 where nobody can tell. */
  listeners(): Promise<number>;
  /** Lets the sessions end, and demands a history without a fault. */
  leave(): Promise<void>;
  /** Ends the sessions, and waits for nothing: in a case that failed, a store may never answer. */
  abandon(): void;
}

export function createPlace(stage: StoreStage, needs: readonly StoreAbility[]): Place {
  const server = createServer();
  const clock = createClock();
  const sessions: Session[] = [];

  async function open(): Promise<SessionStore> {
    const store = await stage.open();
    for (const method of ["exclusive", "subscribe"] as const) {
      if (needs.includes(method)) assert.isFunction(store[method], `\`${method}\` of the store`);
    }
    return store;
  }

  async function views(count: number): ReturnType<Place["views"]> {
    const more: SessionStore[] = [];
    const [one, two] = [await open(), await open()];
    while (more.length < count - 2) more.push(await open());
    return [one, two, ...more];
  }

  async function peer(store?: SessionStore): Promise<Peer> {
    const made = createPeer(`${sessions.length + 1}`, server, clock, store ?? (await open()));
    sessions.push(made.session);
    await made.session.loaded;
    return made;
  }

  async function peers(count: number, change = (store: SessionStore) => store): ReturnType<Place["peers"]> {
    const joining = async () => peer(change(await open()));
    const one = await joining();
    await one.session.signIn(server.signIn());
    const two = await joining();
    const more: Peer[] = [];
    while (more.length < count - 2) more.push(await joining());
    for (const { session } of [two, ...more]) assert.deepEqual(session.state, one.session.state);
    return [one, two, ...more];
  }

  return {
    server,
    clock,
    open,
    views,
    peer,
    peers,
    listeners: async () => (await stage.listeners?.()) ?? 0,
    async leave() {
      await Promise.all(sessions.map((session) => session.close()));
      const found = violationsIn(server.log, { note: said });
      assert.deepEqual(
        found.map(({ what }) => what),
        [],
      );
    },
    abandon() {
      for (const session of sessions) void session.close();
    },
  };
}

function said({ headers }: RequestEntry): { by: string; request?: string } {
  const { "x-by": by = "", "x-request": request } = headers;
  return { by, ...(request !== undefined && { request }) };
}
