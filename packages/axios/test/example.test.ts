import { createSession } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import axios from "axios";
import { expect, onTestFinished, test } from "vitest";
import { attachSession } from "../src/index.ts";
import { account, outcomeOf } from "./support.ts";

test("runs as the README has it: refreshes once, and ends where the user has to sign in", async () => {
  const server = createServer();
  const { origin, close } = await listen(server);
  onTestFinished(close);
  const visited: string[] = [];

  const session = createSession({
    refresh: ({ refreshToken, signal }) =>
      fetch(`${origin}/token`, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "refresh_token",
          client_id: "web",
          refresh_token: refreshToken,
        }),
        signal,
      }),
  });
  const api = axios.create({ baseURL: origin });
  attachSession(api, session);
  await session.signIn(server.signIn());
  session.subscribe((event) => {
    if (event.type === "signedOut") visited.push("/sign-in");
  });
  server.expire();
  const answers = await Promise.all([api.get("/me"), api.post("/orders", { id: 1 })]);
  server.withdraw();
  const last = await outcomeOf(api.get("/me"));

  expect(answers.map(({ status }) => status)).toStrictEqual([200, 200]);
  expect([last, visited]).toMatchObject([{ response: { status: 401 } }, ["/sign-in"]]);
  expect(ledger(server.log)).toStrictEqual(
    account({ attempts: 2, refreshes: 1, requests: 5, refusals: 3, answers: 2 }),
  );
});
