import { assert } from "chai";
import { outcomeOf } from "../case.ts";
import type { StoreCase } from "./case.ts";

/** One session on the store, be it shared or not. */
export const alone: readonly StoreCase[] = [
  {
    title: "holds the tokens of a sign-in and of each refresh by the time a session serves them",
    async run({ server, open, peer }) {
      const store = await open();
      const { session, burst } = await peer(store);
      await session.signIn(server.signIn());
      const first = await store.load();

      server.expire();
      const statuses = await burst(3);

      assert.deepEqual(statuses, [200, 200, 200]);
      assert.deepEqual(first?.tokens, { accessToken: "a0", refreshToken: "r0", tokenType: "Bearer" });
      assert.deepEqual(await store.load(), {
        family: first?.family ?? "none",
        generation: 1,
        tokens: { accessToken: "a1", refreshToken: "r1", tokenType: "Bearer" },
      });
    },
  },
  {
    title: "holds nothing of a session that has signed out",
    async run({ server, open, peer }) {
      const store = await open();
      const { session } = await peer(store);
      await session.signIn(server.signIn());
      await session.refresh();

      await session.signOut();

      assert.isNull(await store.load());
    },
  },
  {
    title:
      "holds the later of two sign-ins of one session, also where a refresh of the earlier one ends last",
    async run({ server, open, peer }) {
      const store = await open();
      const { session } = await peer(store);
      await session.signIn(server.signIn());
      const gate = server.gate("token", "answer");

      const refreshed = outcomeOf(session.refresh());
      await gate.reached(1);
      await session.signIn(server.signIn());
      gate.open();
      await refreshed;
      await session.close();

      assert.deepInclude((await store.load())?.tokens, { accessToken: "2.a0" });
    },
  },
  {
    title: "signs a session in that is opened after another was closed, and goes on where that one was",
    needs: ["share"],
    async run({ server, peer }) {
      const before = await peer();
      await before.session.signIn(server.signIn());
      await before.session.refresh();
      await before.session.close();

      const after = await peer();
      const restored = after.session.state;
      const { accessToken } = await after.session.refresh();

      assert.deepNestedInclude(restored, { status: "signedIn", "tokens.accessToken": "a1" });
      assert.equal(accessToken, "a2");
    },
  },
];
