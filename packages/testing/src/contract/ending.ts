import { assert } from "chai";
import { type Case, failed, failureOf, outcomeOf, rejected, signedOut } from "./case.ts";
import { HOUR, hourly, type Stage } from "./stage.ts";

const overtakings = [
  { after: "a sign-out", signIns: 1, act: ({ session }: Stage) => session.signOut() },
  {
    after: "another sign-in",
    signIns: 2,
    act: async ({ session, server }: Stage) => session.signIn(await server.signIn()),
  },
];

/** What the caller gets when a refresh fails, is rejected, or is overtaken. */
export const ending: readonly Case[] = [
  {
    title: "rejects what was refused or held before a sign-out, and never serves the late refresh",
    async run(open, subject) {
      const { server, session, send, held, ledger } = await open();
      const gate = await server.gate("token", "answer");
      await server.expire();

      const failures = [failureOf(send("/refused"), subject)];
      await gate.reached(1);
      failures.push(failureOf(send("/held"), subject));
      await held(1);
      await session.signOut();
      await gate.open();
      await server.quiet();

      assert.deepEqual(await Promise.all(failures), [signedOut, signedOut]);
      assert.equal((await send("/after")).status, 401);
      assert.deepEqual(session.state, { status: "signedOut" });
      assert.deepEqual(await ledger(), { signIns: 1, attempts: 1, refreshes: 1, requests: 2, refusals: 2 });
    },
  },
  {
    title: "never sends what was made before a sign-in with the new sign-in's token",
    async run(open, subject) {
      const { server, session, send, held, arrivals } = await open();
      const gate = await server.gate("token");
      await server.expire();

      const failures = [failureOf(send("/refused"), subject)];
      await gate.reached(1);
      failures.push(failureOf(send("/held"), subject));
      await held(1);
      await session.signIn(await server.signIn());
      const after = await send("/after");
      await gate.open();

      assert.deepEqual(await Promise.all(failures), [signedOut, signedOut]);
      assert.equal(after.status, 200);
      assert.deepEqual(
        (await arrivals()).map(({ path, family }) => [path, family]),
        [
          ["/refused", 1],
          ["/after", 2],
        ],
      );
    },
  },
  ...overtakings.map(
    ({ after, signIns, act }): Case => ({
      title: `rejects what is refused after ${after}, and does not refresh for it`,
      async run(open, subject) {
        const stage = await open();
        const { server, send, ledger } = stage;
        const gate = await server.gate("/me", "answer");
        await server.expire();

        const late = failureOf(send("/me"), subject);
        await gate.reached(1);
        await act(stage);
        await gate.open();

        assert.deepEqual(await late, signedOut);
        assert.deepEqual(await ledger(), { signIns, requests: 1, refusals: 1 });
      },
    }),
  ),
  {
    title: "hands the 401 back of what was sent while signed out, though somebody signed in since",
    async run(open) {
      const { server, session, send, ledger } = await open();
      const gate = await server.gate("/me", "answer");
      await session.signOut();

      const sent = send("/me");
      await gate.reached(1);
      await session.signIn(await server.signIn());
      await gate.open();

      assert.equal((await sent).status, 401);
      assert.deepEqual(await ledger(), { signIns: 2, requests: 1, refusals: 1 });
    },
  },
  {
    title: "hands each its own 401 back, the body readable, where the refresh is rejected",
    async run(open) {
      const { server, session, send, ledger } = await open();
      const paths = ["/one", "/two"] as const;
      for (const path of paths) await server.next(path, { status: 401, json: { refused: path } });
      await server.withdraw();

      const answers = await Promise.all(paths.map((path) => send(path)));

      assert.deepEqual(
        answers.map(({ status, body }) => [status, body]),
        paths.map((refused) => [401, JSON.stringify({ refused })]),
      );
      assert.equal(session.state.status, "signedOut");
      assert.deepEqual(await ledger(), { signIns: 1, attempts: 1, requests: 2, refusals: 2 });
    },
  },
  {
    title: "rejects what is held with RefreshRejectedError where the refresh is rejected, and never sends it",
    async run(open, subject) {
      const { server, clock, send, ledger } = await open(hourly);
      await server.withdraw();
      clock.jump(HOUR);

      assert.deepEqual(await failureOf(send("/me"), subject), rejected);
      assert.deepEqual(await ledger(), { signIns: 1, attempts: 1 });
    },
  },
  {
    title: "rejects what was refused, and what is held, with RefreshFailedError in an outage: never a 401",
    async run(open, subject) {
      const { server, session, send, held, ledger } = await open({ refreshAttempts: 1 });
      const gate = await server.gate("token");
      await server.always("token", { status: 503 });
      await server.expire();

      const failures = [failureOf(send("/refused"), subject)];
      await gate.reached(1);
      failures.push(failureOf(send("/held"), subject));
      await held(1);
      await gate.open();

      assert.deepEqual(await Promise.all(failures), [failed, failed]);
      assert.equal(session.state.status, "signedIn");
      assert.deepEqual(await ledger(), { signIns: 1, attempts: 1, requests: 1, refusals: 1 });
    },
  },
  {
    title: "hands the server's last 401 back where it refuses the fresh token too",
    async run(open) {
      const { server, send, ledger } = await open();
      await server.always("/me", { refuse: true });

      assert.equal((await send("/me")).status, 401);
      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 1,
        refreshes: 1,
        requests: 2,
        refusals: 2,
      });
    },
  },
  {
    title: "refreshes for refusals as often as the limit says, then hands them back",
    async run(open) {
      const { server, send, ledger } = await open({ refusalLimit: { max: 2, within: 30_000 } });
      await server.always("/me", { refuse: true });

      const statuses = [await send("/me"), await send("/me"), await send("/me")].map(({ status }) => status);

      assert.deepEqual(statuses, [401, 401, 401]);
      assert.deepEqual(await ledger(), { signIns: 1, attempts: 2, refreshes: 2, requests: 5, refusals: 5 });
    },
  },
  {
    title: "rejects with QueueFullError what is more than may be held",
    async run(open, subject) {
      const { server, clock, send, held, ledger } = await open({ ...hourly, maxHeld: 1 });
      const gate = await server.gate("token");
      clock.jump(HOUR);

      const first = send("/first");
      await held(1);
      const second = await failureOf(send("/second"), subject);
      await gate.open();

      assert.deepEqual(second, { name: "QueueFullError", code: "ERR_QUEUE_FULL" });
      assert.equal((await first).status, 200);
      assert.deepEqual(await ledger(), { signIns: 1, attempts: 1, refreshes: 1, requests: 1, answers: 1 });
    },
  },
  {
    title: "sends without a token when signed out, and hands the 401 back",
    async run(open) {
      const { session, send, arrivals, ledger } = await open();
      await send("/before");
      await session.signOut();

      assert.equal((await send("/me")).status, 401);
      assert.isUndefined((await arrivals())[1]?.headers.authorization);
      assert.deepEqual(await ledger(), { signIns: 1, requests: 2, refusals: 1, answers: 1 });
    },
  },
  {
    title: "shows no token in what a request rejects with",
    async run(open) {
      const { server, session, send } = await open({ secret: true, refreshAttempts: 1 });
      const { accessToken = "", refreshToken = "" } = await session.tokens();
      await server.always("token", {
        status: 503,
        json: { error: "down", seen: [accessToken, refreshToken] },
      });
      await server.expire();

      const error = await outcomeOf(send("/me"));

      assert.instanceOf(error, Error);
      for (const token of [accessToken, refreshToken]) assert.notInclude(shown(error), token);
    },
  },
];

/** All that an error shows of itself, and of what caused it. */
function shown(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? String(error);
  return `${error} ${error.stack} ${JSON.stringify(error)} ${shown(error.cause)}`;
}
