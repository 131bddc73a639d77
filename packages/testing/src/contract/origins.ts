import type { SessionOptions } from "@freshtoken/core";
import { assert } from "chai";
import type { Case } from "./case.ts";
import { HOUR, hourly } from "./stage.ts";

const redirect = (location: string) => ({ status: 307, headers: { location } });
const insufficient = 'Bearer error="insufficient_scope"';

/** Who sees the token, and whose 401 counts. */
export const origins: readonly Case[] = [
  {
    title: "sends no token to another origin, whose 401 is not refreshed for",
    async run(open) {
      const { send, ledger } = await open();
      const other = await open();

      assert.equal((await send(`${other.server.origin}/me`)).status, 401);
      assert.deepEqual(
        (await other.arrivals()).map(({ headers }) => headers.authorization),
        [undefined],
      );
      assert.deepEqual(await ledger(), { signIns: 1 });
    },
  },
  {
    title: "keeps the token on a redirect within the origin, and replays from where it began",
    async run(open) {
      const { server, send, story } = await open();
      await server.always("/from", redirect("/to"));
      await server.expire();

      assert.equal((await send("/from")).status, 200);
      assert.deepEqual(
        (await story()).filter((line) => line.startsWith("→")),
        ["→ GET /from a0", "→ GET /to a0", "→ token r0", "→ GET /from a1", "→ GET /to a1"],
      );
    },
  },
  {
    title: "takes no token along on a redirect to another origin",
    async run(open) {
      const { server, send, arrivals } = await open();
      const other = await open();
      await other.server.always("/to", { status: 200 });
      await server.always("/from", redirect(`${other.server.origin}/to`));

      assert.equal((await send("/from")).status, 200);
      const seen = [...(await arrivals()), ...(await other.arrivals())];
      assert.deepEqual(
        seen.map(({ path, headers }) => [path, headers.authorization]),
        [
          ["/from", "Bearer a0"],
          ["/to", undefined],
        ],
      );
    },
  },
  {
    title: "does not refresh for the 401 of another origin that a redirect led to",
    needs: "finalUrl",
    async run(open) {
      const { server, send, ledger } = await open();
      const other = await open();
      await server.always("/from", redirect(`${other.server.origin}/to`));

      assert.equal((await send("/from")).status, 401);
      assert.deepEqual(await ledger(), { signIns: 1, requests: 1, answers: 1 });
      assert.deepEqual(await other.ledger(), { signIns: 1, requests: 1, refusals: 1 });
    },
  },
  {
    title: "leaves a request alone that has an Authorization field of its own: not held, not refreshed for",
    async run(open) {
      const { clock, send, arrivals, ledger } = await open(hourly);
      clock.jump(HOUR);

      const { status } = await send("/me", { headers: { Authorization: "Basic b3du" } });

      assert.equal(status, 401);
      assert.equal((await arrivals())[0]?.headers.authorization, "Basic b3du");
      assert.deepEqual(await ledger(), { signIns: 1, requests: 1, refusals: 1 });
    },
  },
  {
    title: "leaves a request alone that opts out: not held, not refreshed for",
    needs: "optOut",
    async run(open) {
      const { clock, send, arrivals, ledger } = await open(hourly);
      clock.jump(HOUR);

      assert.equal((await send("/me", { optOut: true })).status, 401);
      assert.isUndefined((await arrivals())[0]?.headers.authorization);
      assert.deepEqual(await ledger(), { signIns: 1, requests: 1, refusals: 1 });
    },
  },
  {
    title:
      "lets the refresh through the client that waits for it, without a token, by the signal it was given",
    needs: "ownSignal",
    async run(open) {
      const refresh: SessionOptions["refresh"] = async ({ refreshToken, signal }) => {
        const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken });
        return JSON.parse((await stage.send("/token", { method: "POST", body, signal })).body);
      };
      const stage = await open({ refresh });
      await stage.server.expire();
      // A refresh that waits for itself is to fail now, not when the test has waited long enough.
      void stage.held(1).then(() => stage.clock.advance(HOUR));

      assert.equal((await stage.send("/me")).status, 200);
      assert.deepEqual(stage.sent, ["/me", "/token", "/me"]);
      assert.deepEqual(await stage.ledger(), {
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
    title: "hands a 401 back that new tokens cannot cure, and does not refresh",
    async run(open) {
      const { server, send, ledger } = await open();
      await server.next("/me", { refuse: insufficient });

      assert.equal((await send("/me")).status, 401);
      assert.deepEqual(await ledger(), { signIns: 1, requests: 1, refusals: 1 });
    },
  },
  ...[204, 400, 403, 404, 500, 503].map(
    (status): Case => ({
      title: `hands a ${status} back as it is`,
      async run(open) {
        const { server, send, ledger } = await open();
        await server.next("/me", { status });

        assert.equal((await send("/me")).status, status);
        assert.deepEqual(await ledger(), { signIns: 1, requests: 1, answers: 1 });
      },
    }),
  ),
];
