import { createSession } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { expect, onTestFinished, test } from "vitest";
import { sessionFetch } from "../src/index.ts";
import { account } from "./support.ts";

test("runs as the first example has it: signs in, refreshes once, and ends where the user has to sign in", async () => {
  const server = createServer();
  const { origin: api, close } = await listen(server);
  onTestFinished(close);
  const tokenResponse = Response.json(server.signIn());
  const visited: string[] = [];

  const session = createSession({
    refresh: ({ refreshToken, signal }) =>
      fetch(`${api}/token`, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "refresh_token",
          client_id: "web",
          refresh_token: refreshToken,
        }),
        signal,
      }),
  });
  const authorized = sessionFetch(session, { origins: [api] });
  await session.signIn(await tokenResponse.json());
  session.subscribe((event) => {
    if (event.type === "signedOut") visited.push("/sign-in");
  });
  server.expire();
  const answers = await Promise.all([authorized(`${api}/me`), authorized(`${api}/mail`)]);
  server.withdraw();
  const last = await authorized(`${api}/me`);

  expect([...answers, last].map(({ status }) => status)).toStrictEqual([200, 200, 401]);
  expect(visited).toStrictEqual(["/sign-in"]);
  expect(ledger(server.log)).toStrictEqual(
    account({ attempts: 2, refreshes: 1, requests: 5, refusals: 3, answers: 2 }),
  );
});
