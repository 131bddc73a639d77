import { assert } from "chai";
import { type Case, outcomeOf } from "./case.ts";
import type { UserHooks } from "./subject.ts";

const replayedOnce = { signIns: 1, attempts: 1, refreshes: 1, requests: 2, refusals: 1, answers: 1 };

/** Hooks on both sides that write down how one of theirs was called. */
function noting(kind: keyof UserHooks): { lines: string[]; before: UserHooks; after: UserHooks } {
  const lines: string[] = [];
  const hooks = (place: string): UserHooks => {
    const note = (what: unknown) => void lines.push(`${place}: ${what}`);
    return {
      request: () => void (kind === "request" && note("request")),
      answer: (status) => void (kind === "answer" && note(status)),
    };
  };
  return { lines, before: hooks("before"), after: hooks("after") };
}

/** What a client does around a request happens once, however often the request is sent. */
export const hooks: readonly Case[] = [
  {
    title: "runs the user's request hooks once for a request that is sent twice",
    needs: "hooks",
    async run(open) {
      const { lines, ...hooks } = noting("request");
      const { server, send, ledger } = await open(hooks);
      await server.expire();

      assert.equal((await send("/me")).status, 200);
      assert.deepEqual(lines.sort(), ["after: request", "before: request"]);
      assert.deepEqual(await ledger(), replayedOnce);
    },
  },
  {
    title: "shows the user's answer hooks the last answer alone, once",
    needs: "hooks",
    async run(open) {
      const { lines, ...hooks } = noting("answer");
      const { server, send, ledger } = await open(hooks);
      await server.expire();

      assert.equal((await send("/me")).status, 200);
      assert.deepEqual(lines.sort(), ["after: 200", "before: 200"]);
      assert.deepEqual(await ledger(), replayedOnce);
    },
  },
  {
    title: "shows the user's answer hooks a 401 once where the session is over",
    needs: "hooks",
    async run(open) {
      const { lines, ...hooks } = noting("answer");
      const { server, send } = await open(hooks);
      await server.expire();
      await server.withdraw();

      assert.equal((await send("/me")).status, 401);
      assert.deepEqual(lines.sort(), ["after: 401", "before: 401"]);
    },
  },
  {
    title: "serializes once what is sent twice",
    needs: "serializer",
    async run(open) {
      const serialized: unknown[] = [];
      const serialize = (value: unknown) => {
        serialized.push(value);
        return JSON.stringify({ wrapped: value });
      };
      const { server, send, arrivals, ledger } = await open({ serialize });
      await server.expire();

      await send("/me", { method: "POST", json: { id: 1 } });

      assert.deepEqual(serialized, [{ id: 1 }]);
      assert.deepEqual(
        (await arrivals()).map(({ body }) => new TextDecoder().decode(body)),
        Array(2).fill('{"wrapped":{"id":1}}'),
      );
      assert.deepEqual(await ledger(), replayedOnce);
    },
  },
  {
    title: "sends each attempt with the length of its own body, whatever serialized it",
    needs: "serializer",
    async run(open) {
      const lengths = [10, 20, 30];
      const serialize = () => "x".repeat(lengths.shift() ?? 0);
      const { server, send, arrivals, ledger } = await open({ serialize });
      await server.expire();

      assert.equal((await send("/me", { method: "POST", json: {} })).status, 200);
      assert.deepEqual(
        (await arrivals()).map(({ body, headers }) => [body.length, headers["content-length"]]),
        Array(2).fill([10, "10"]),
      );
      assert.deepEqual(await ledger(), replayedOnce);
    },
  },
  ...(["before", "after"] as const).map(
    (place): Case => ({
      title: `replays below a hook, installed ${place} the session's, that makes an error of each 401`,
      needs: "hooks",
      async run(open) {
        const mapped = new Error("mapped");
        const answer = (status: number) => {
          if (status === 401) throw mapped;
        };
        const { server, send, ledger } = await open({ [place]: { request() {}, answer } });
        await server.expire();
        const replayed = await send("/me");
        await server.expire();
        await server.withdraw();

        const last = await outcomeOf(send("/me"));

        assert.equal(replayed.status, 200);
        assert.equal(last, mapped);
        assert.deepEqual(await ledger(), { ...replayedOnce, attempts: 2, requests: 3, refusals: 2 });
      },
    }),
  ),
  {
    title: "replays a refusal, whether the client takes it for an error or not",
    async run(open) {
      const { server, send, ledger } = await open();

      for (const strict of [true, false]) {
        await server.expire();
        assert.equal((await send("/me", { strict })).status, 200);
      }

      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 2,
        refreshes: 2,
        requests: 4,
        refusals: 2,
        answers: 2,
      });
    },
  },
  {
    title: "rejects with the client's own error, the answer in it, for the 401 that ends the session",
    needs: "strict",
    async run(open, { answerIn }) {
      const { server, send, ledger } = await open();
      await server.expire();
      await server.withdraw();

      const last = await answerIn?.(await outcomeOf(send("/me", { strict: true })));

      assert.deepEqual(last && [last.status, JSON.parse(last.body)], [401, { error: "invalid_token" }]);
      assert.deepEqual(await ledger(), { signIns: 1, attempts: 1, requests: 1, refusals: 1 });
    },
  },
  {
    title: "gives the connections of refusals back that nobody reads, so that the refresh goes on",
    async run(open) {
      const { server, send, ledger } = await open();
      const paths = ["/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8"] as const;
      for (const path of paths) await server.next(path, { status: 401, body: "x".repeat(500_000) });

      const answers = await Promise.all(paths.map((path) => send(path, { streamed: true })));

      assert.deepEqual(
        answers.map(({ status }) => status),
        paths.map(() => 200),
      );
      assert.deepEqual(await ledger(), { ...replayedOnce, requests: 16, refusals: 8, answers: 8 });
    },
  },
];
