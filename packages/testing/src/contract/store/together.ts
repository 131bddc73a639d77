import type { Session, SessionStore } from "@freshtoken/core";
import { assert } from "chai";
import { createGate } from "../../gate.ts";
import { ledger } from "../../ledger.ts";
import type { Server } from "../../server.ts";
import { outcomeOf } from "../case.ts";
import type { StoreCase } from "./case.ts";

const COUNT = 4;
const BURST = 5;

/** The code of what a promise rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return Object(await outcomeOf(promise)).code;
}

/** Hears no hint and takes no turns: what is left is that it compares. */
function bare(store: SessionStore): SessionStore {
  return { load: () => store.load(), save: (...saved) => store.save(...saved) };
}

/** Hears no hint: what is left is that it takes turns, and compares. */
function unheard(store: SessionStore): SessionStore {
  const { exclusive } = store as Required<SessionStore>;
  return { ...bare(store), exclusive: (...entering) => exclusive.call(store, ...entering) as never };
}

function serves(accessToken: string): (session: Session) => boolean {
  return ({ state }) => state.status === "signedIn" && state.tokens.accessToken === accessToken;
}

const isSignedOut = ({ state }: Session) => state.status === "signedOut";

interface Overtaking {
  readonly what: string;
  readonly stored: string | undefined;
  act(session: Session, server: Server): Promise<void>;
}

/** What another session may do while a refresh is under way. */
const overtakings: readonly Overtaking[] = [
  { what: "signed out", stored: undefined, act: (session) => session.signOut() },
  { what: "signed in", stored: "2.a0", act: (session, server) => session.signIn(server.signIn()) },
];

/** Several sessions share the store, and a server without any grace answers them. */
export const together: readonly StoreCase[] = [
  {
    title: "refreshes once at an expiry that all sessions meet at once, though none hears of another",
    needs: ["share", "exclusive"],
    async run({ server, peers }) {
      const all = await peers(COUNT, unheard);
      const gate = server.gate("token");
      server.expire();

      const answered = Promise.all(all.map(({ burst }) => burst(BURST)));
      await gate.reached(1);
      gate.open();

      assert.deepEqual(await answered, Array(COUNT).fill(Array(BURST).fill(200)));
      assert.deepInclude(ledger(server.log), { attempts: 1, answers: COUNT * BURST });
    },
  },
  {
    title: "refreshes once at each of ten expiries in a row",
    needs: ["share", "exclusive"],
    async run({ server, peers }) {
      const all = await peers(COUNT, unheard);

      for (let expiry = 0; expiry < 10; expiry++) {
        server.expire();
        await Promise.all(all.map(({ burst }) => burst(BURST)));
      }

      assert.deepInclude(ledger(server.log), { attempts: 10, answers: 10 * COUNT * BURST });
    },
  },
  {
    title: "brings the tokens of a refresh to the sessions that asked for none",
    needs: ["share", "subscribe"],
    async run({ server, peers }) {
      const [one, ...others] = await peers(COUNT);

      await one.session.refresh();
      await Promise.all(others.map(({ when }) => when(serves("a1"))));

      for (const { events } of others) assert.deepInclude(events, { type: "refreshed", by: "another" });
      assert.deepInclude(ledger(server.log), { attempts: 1 });
    },
  },
  {
    title: "ends all sessions where one signs out",
    needs: ["share", "subscribe"],
    async run({ open, peer, peers }) {
      const [one, ...others] = await peers(COUNT);

      await one.session.signOut();
      await Promise.all(others.map(({ when }) => when(isSignedOut)));

      for (const { events } of others) assert.deepInclude(events, { type: "signedOut", by: "another" });
      assert.deepEqual((await peer()).session.state, { status: "signedOut" });
      assert.isNull(await (await open()).load());
    },
  },
  {
    title: "signs all sessions in where one does, and refreshes once for all, eight sign-ins in a row",
    needs: ["share", "subscribe", "exclusive"],
    async run({ server, peers }) {
      const all = await peers(COUNT);

      for (let signIn = 2; signIn < 10; signIn++) {
        await all[signIn % COUNT]?.session.signIn(server.signIn());
        await Promise.all(all.map(({ when }) => when(serves(`${signIn}.a0`))));
        server.expire();
        await Promise.all(all.map(({ burst }) => burst(BURST)));
      }

      assert.deepInclude(ledger(server.log), { attempts: 8, answers: 8 * COUNT * BURST });
    },
  },
  {
    title: "agrees on one of the sign-ins that sessions make at once",
    needs: ["share", "subscribe"],
    async run({ server, open, peers }) {
      const all = await peers(COUNT);
      const store = await open();

      await Promise.all(all.map(({ session }) => session.signIn(server.signIn())));
      const { accessToken = "" } = (await store.load())?.tokens ?? {};
      await Promise.all(all.map(({ when }) => when(serves(accessToken))));

      assert.deepInclude((await store.load())?.tokens, { accessToken });
    },
  },
  ...overtakings.map(
    ({ what, act, stored }): StoreCase => ({
      title: `stores nothing of a refresh during which another session has ${what}, and follows that`,
      needs: ["share", "compare"],
      async run({ server, open, peers }) {
        const [one, two] = await peers(2, bare);
        const gate = server.gate("token", "answer");

        const refreshed = codeOf(two.session.refresh());
        await gate.reached(1);
        await act(one.session, server);
        gate.open();

        assert.equal(await refreshed, "ERR_SIGNED_OUT");
        assert.deepEqual(two.session.state, one.session.state);
        assert.equal((await (await open()).load())?.tokens.accessToken, stored);
      },
    }),
  ),
  {
    title: "asks once whether a refresh token is rejected, and ends all sessions",
    needs: ["share", "exclusive"],
    async run({ server, open, peers }) {
      const all = await peers(COUNT, unheard);
      const gate = server.gate("token");
      server.withdraw();

      const codes = Promise.all(all.map(({ session }) => codeOf(session.refresh())));
      await gate.reached(1);
      gate.open();

      assert.sameMembers(await codes, ["ERR_REFRESH_REJECTED", ...Array(COUNT - 1).fill("ERR_SIGNED_OUT")]);
      assert.isTrue(all.every(({ session }) => isSignedOut(session)));
      assert.deepInclude(ledger(server.log), { attempts: 1 });
      assert.isNull(await (await open()).load());
    },
  },
  {
    title: "fails a refresh that cannot get into the section in time, stays signed in, and gets in later",
    needs: ["share", "exclusive"],
    async run({ server, clock, open, peers }) {
      const [one, two] = await peers(2);
      const holder = await open();
      const gate = createGate();
      const left = holder.exclusive?.(() => gate.pass(), { signal: new AbortController().signal });
      await gate.reached(1);

      const codes = Promise.all([one, two].map(({ session }) => codeOf(session.refresh())));
      await clock.advance(10_000);
      const failed = await codes;
      gate.open();
      await left;
      const { accessToken } = await one.session.refresh();

      assert.deepEqual(failed, ["ERR_REFRESH_FAILED", "ERR_REFRESH_FAILED"]);
      assert.equal(accessToken, "a1");
      assert.deepInclude(ledger(server.log), { attempts: 1 });
    },
  },
  {
    title: "keeps no subscription of sessions that are closed",
    needs: ["share", "subscribe"],
    async run({ peers, listeners }) {
      const all = await peers(COUNT);
      await all[0].session.refresh();
      await Promise.all(all.map(({ when }) => when(serves("a1"))));

      await Promise.all(all.map(({ session }) => session.close()));

      assert.equal(await listeners(), 0);
    },
  },
];
