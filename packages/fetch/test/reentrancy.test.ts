import { createSession, type RefreshContext } from "@freshtoken/core";
import { createClock, createServer, ledger, settled, story } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { describe, expect, onTestFinished, test } from "vitest";
import { sessionFetch } from "../src/index.ts";
import { account, type Implementation, implementations, outcomeOf } from "./support.ts";

/** A session whose refresh goes through the very fetch that waits for it. */
async function looped(via: Implementation, signalFor: (context: RefreshContext) => AbortSignal | null) {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const listener = await listen(server);
  onTestFinished(() => listener.close());
  const { origin } = listener;
  const session = createSession({
    refresh: (context) =>
      authorized(`${origin}/token`, {
        method: "POST",
        body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: context.refreshToken }),
        signal: signalFor(context),
      }),
    origins: [origin],
    refreshAttempts: 1,
    clock,
  });
  const authorized = sessionFetch(session, { fetch: via.fetch });
  await session.signIn(server.signIn());
  return { server, origin, clock, session, authorized };
}

describe.each(implementations)("through $name", (via) => {
  test("lets the refresh through the fetch that waits for it, without a token, by the signal it was given", async () => {
    const { server, origin, authorized } = await looped(via, ({ signal }) => signal);
    server.expire();

    const answers = await Promise.all([authorized(`${origin}/one`), authorized(`${origin}/two`)]);

    expect(answers.map(({ status }) => status)).toStrictEqual([200, 200]);
    expect(server.log.find(({ at }) => at === "token")).toHaveProperty(
      "headers",
      expect.not.objectContaining({ authorization: expect.anything() }),
    );
    expect(ledger(server.log)).toMatchObject({
      attempts: 1,
      refreshes: 1,
      reuses: 0,
      requests: 4,
      answers: 2,
    });
  });

  test.each([
    ["without it", () => null],
    ["with one derived from it", ({ signal }: RefreshContext) => AbortSignal.any([signal])],
  ])(
    "makes a refresh %s wait for itself until the attempt times out, and says what to do",
    async (_, signal) => {
      const { server, origin, clock, authorized } = await looped(via, signal);
      server.expire();

      const refused = outcomeOf(authorized(`${origin}/refused`));
      await server.when((log) => ledger(log).refusals === 1);
      while (clock.timers.keepAlive === 0) await settled();
      const held = outcomeOf(authorized(`${origin}/held`));
      await clock.advance(10_000);

      expect(await held).toMatchObject({
        code: "ERR_REFRESH_FAILED",
        message: expect.stringContaining("signal"),
      });
      expect(await refused).toMatchObject({ code: "ERR_REFRESH_FAILED" });
      expect(story(server.log)).toStrictEqual([
        "signIn: a0 r0",
        "expire: a0",
        "→ GET /refused a0",
        "← 401 GET /refused a0",
      ]);
      expect(ledger(server.log)).toStrictEqual(account({ requests: 1, refusals: 1 }));
    },
  );
});
