import { assert } from "chai";
import { abortIn, type Case } from "./case.ts";

const reason = new Error("changed my mind");

/** An abort ends one request at once, and changes nothing for others. */
export const abort: readonly Case[] = [
  {
    title: "rejects a held request that is aborted, at once, and never sends it",
    async run(open, subject) {
      const { server, send, held, soon, ledger } = await open();
      const gate = await server.gate("token");
      const controller = new AbortController();
      await server.expire();
      const first = send("/first");
      await gate.reached(1);

      const aborted = send("/held", { signal: controller.signal });
      await held(1);
      controller.abort(reason);

      assert.equal(abortIn(await soon(aborted), reason, subject), "aborted");
      await gate.open();
      assert.equal((await first).status, 200);
      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 1,
        refreshes: 1,
        requests: 2,
        refusals: 1,
        answers: 1,
      });
    },
  },
  {
    title: "rejects a refused request that is aborted, at once, and lets its refresh go on",
    async run(open, subject) {
      const { server, session, send, soon, ledger } = await open();
      const gate = await server.gate("token");
      const controller = new AbortController();
      await server.expire();

      const refused = send("/refused", { signal: controller.signal });
      await gate.reached(1);
      controller.abort(reason);

      assert.equal(abortIn(await soon(refused), reason, subject), "aborted");
      await gate.open();
      assert.equal((await session.tokens()).accessToken, "a1");
      assert.deepEqual(await ledger(), { signIns: 1, attempts: 1, refreshes: 1, requests: 1, refusals: 1 });
    },
  },
  {
    title: "rejects all that share a signal that aborts, refused or held, and no other",
    async run(open, subject) {
      const { server, send, held, soon, ledger } = await open();
      const gate = await server.gate("token");
      const controller = new AbortController();
      await server.expire();

      const sharing = [send("/refused", { signal: controller.signal })];
      await gate.reached(1);
      for (const path of ["/1", "/2"]) sharing.push(send(path, { signal: controller.signal }));
      const other = send("/other");
      await held(3);
      controller.abort(reason);

      const outcomes = await Promise.all(sharing.map(soon));
      assert.deepEqual(
        outcomes.map((outcome) => abortIn(outcome, reason, subject)),
        Array(3).fill("aborted"),
      );
      await gate.open();
      assert.equal((await other).status, 200);
      assert.deepEqual((await ledger()).requests, 2);
    },
  },
  {
    title: "rejects a request that is aborted in flight, whose connection ends",
    async run(open, subject) {
      const { server, send, soon, ledger } = await open();
      const gate = await server.gate("/me");
      const controller = new AbortController();

      const sent = send("/me", { signal: controller.signal });
      await gate.reached(1);
      controller.abort(reason);

      assert.equal(abortIn(await soon(sent), reason, subject), "aborted");
      await server.quiet();
      assert.deepEqual(await ledger(), { signIns: 1, requests: 1, unanswered: 1 });
    },
  },
  {
    title: "rejects a request whose replay is aborted in flight, and stays signed in",
    async run(open, subject) {
      const { server, session, send, soon, ledger } = await open();
      const gate = await server.gate("/me");
      const controller = new AbortController();
      await server.expire();

      const replayed = send("/me", { signal: controller.signal });
      await gate.reached(1);
      await gate.step();
      await gate.reached(1);
      controller.abort(reason);

      assert.equal(abortIn(await soon(replayed), reason, subject), "aborted");
      await server.quiet();
      assert.equal(session.state.status, "signedIn");
      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 1,
        refreshes: 1,
        requests: 2,
        refusals: 1,
        unanswered: 1,
      });
    },
  },
  {
    title: "rejects a request whose signal has aborted before, and sends nothing",
    async run(open, subject) {
      const { send, sent, soon, ledger } = await open();

      const outcome = await soon(send("/me", { signal: AbortSignal.abort(reason) }));

      assert.equal(abortIn(outcome, reason, subject), "aborted");
      assert.deepEqual([sent, await ledger()], [[], { signIns: 1 }]);
    },
  },
];
