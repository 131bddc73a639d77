import { memoryStore, type SessionStore } from "@freshtoken/core";
import { assert } from "chai";
import { type Case, outcomeOf } from "./case.ts";
import { HOUR, hourly } from "./stage.ts";
import type { ContractAnswer } from "./subject.ts";

const okay = (count: number) => Array<number>(count).fill(200);

async function microtasks(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await undefined;
}

/** One refresh, however many requests, and whenever they come. */
export const expiry: readonly Case[] = [
  {
    title: "answers a burst of 100 at an expiry that nobody knew of with one refresh",
    async run(open) {
      const { server, burst, ledger } = await open();
      await server.expire();

      assert.deepEqual(await burst(100), okay(100));
      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 1,
        refreshes: 1,
        requests: 200,
        refusals: 100,
        answers: 100,
      });
    },
  },
  {
    title: "holds a burst of 100 while a stale token is refreshed, and sends each once",
    async run(open) {
      const { clock, burst, ledger } = await open(hourly);
      clock.jump(HOUR);

      assert.deepEqual(await burst(100), okay(100));
      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 1,
        refreshes: 1,
        requests: 100,
        answers: 100,
      });
    },
  },
  {
    title: "sends a burst of 100 with an ageing token, and refreshes once in the background",
    async run(open) {
      const { server, session, clock, burst, ledger } = await open(hourly);
      const gate = await server.gate("token");
      clock.jump(HOUR - 30_000);

      const statuses = await burst(100);
      await gate.reached(1);
      const before = await ledger();
      const refreshed = session.refresh();
      await gate.open();
      await refreshed;

      assert.deepEqual(statuses, okay(100));
      assert.deepEqual(before, { signIns: 1, attempts: 1, requests: 100, answers: 100 });
      assert.deepEqual(await ledger(), { ...before, refreshes: 1 });
    },
  },
  {
    title: "refreshes once for two clients of one session",
    async run(open) {
      const { server, send, attach, ledger } = await open();
      const other = attach();
      await server.expire();

      const answers = await Promise.all([send("/one"), other("/two")]);

      assert.deepEqual(
        answers.map(({ status }) => status),
        okay(2),
      );
      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 1,
        refreshes: 1,
        requests: 4,
        refusals: 2,
        answers: 2,
      });
    },
  },
  {
    title: "replays a refusal that arrives after the refresh without another one",
    async run(open) {
      const { server, send, story } = await open();
      const gate = await server.gate("/late", "answer");
      await server.expire();

      const late = send("/late");
      await gate.reached(1);
      await send("/soon");
      await gate.open();

      assert.equal((await late).status, 200);
      assert.deepEqual(await story(), [
        "signIn: a0 r0",
        "expire: a0",
        "→ GET /late a0",
        "→ GET /soon a0",
        "← 401 GET /soon a0",
        "→ token r0",
        "← 200 token r0: rotated, a1 r1",
        "→ GET /soon a1",
        "← 200 GET /soon a1",
        "← 401 GET /late a0",
        "→ GET /late a1",
        "← 200 GET /late a1",
      ]);
    },
  },
  {
    title: "holds what is made while a refused token is refreshed",
    async run(open) {
      const { server, send, held, ledger } = await open();
      const gate = await server.gate("token");
      await server.expire();

      const first = send("/first");
      await gate.reached(1);
      const second = send("/second");
      await held(1);
      await gate.open();

      assert.deepEqual([(await first).status, (await second).status], okay(2));
      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 1,
        refreshes: 1,
        requests: 3,
        refusals: 1,
        answers: 2,
      });
    },
  },
  {
    title: "sends what it held in the order in which it was made",
    async run(open) {
      const { clock, sent, burst } = await open(hourly);
      clock.jump(HOUR);

      await burst(50);

      assert.deepEqual(
        sent,
        Array.from({ length: 50 }, (_, index) => `/${index}`),
      );
    },
  },
  {
    title: "answers 300 requests over 10 expiries with 10 refreshes, whenever each expiry comes",
    async run(open) {
      const { server, burst, ledger } = await open({ refusalLimit: false });

      for (let expiry = 0; expiry < 10; expiry += 1) {
        const before = burst(15);
        await server.expire();
        const after = burst(15);
        assert.deepEqual([...(await before), ...(await after)], okay(30));
      }

      const { refusals = 0, requests = 0, ...rest } = await ledger();
      assert.deepEqual(rest, { signIns: 1, attempts: 10, refreshes: 10, answers: 300 });
      assert.equal(requests - refusals, 300);
    },
  },
  {
    title: "refreshes once, at whatever microtask after the save the next request is made",
    async run(open) {
      const next: Promise<ContractAnswer>[] = [];
      let depth = -1;
      const makeNext = () => next.push(stage.send(`/next/${depth}`));
      const { load, save } = memoryStore();
      const store: SessionStore = {
        load,
        save(...written) {
          if (depth >= 0) void microtasks(depth).then(makeNext);
          return save(...written);
        },
      };
      const stage = await open({ store, refusalLimit: false });

      for (depth = 0; depth < 16; depth += 1) {
        await stage.server.expire();
        assert.equal((await stage.send(`/first/${depth}`)).status, 200);
        assert.equal((await next[depth])?.status, 200);
      }

      const { refusals = 0, requests = 0, ...rest } = await stage.ledger();
      assert.deepEqual(rest, { signIns: 1, attempts: 16, refreshes: 16, answers: 32 });
      assert.deepEqual([refusals, requests], [16, 48]);
    },
  },
  {
    title: "repeats once, at once, a refresh whose answer was lost on its way",
    async run(open) {
      const { server, send, ledger } = await open({ grace: 1 });
      await server.next("token", { status: 504, acts: true });
      await server.expire();

      assert.equal((await send("/me")).status, 200);
      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 2,
        refreshes: 2,
        requests: 2,
        refusals: 1,
        answers: 1,
      });
    },
  },
  {
    title: "leaves a request whose own answer was lost to its caller, and sends it once",
    needs: "sendsOnce",
    async run(open) {
      const { server, send, ledger } = await open();
      await server.next("/me", { reset: "after" });

      const failure = await outcomeOf(send("/me", { method: "POST", body: "once" }));

      assert.instanceOf(failure, Error);
      assert.deepEqual(await ledger(), { signIns: 1, requests: 1, unanswered: 1 });
    },
  },
];
