import { createServer, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { sendThrough } from "../src/index.ts";
import { account, outcomeOf, sessionOn } from "./support.ts";

test("never sends a call that is stamped with an earlier sign-in, but one without a stamp as made now", async () => {
  const server = createServer();
  const { session } = sessionOn(server);
  const connection = session.connect({ origins: [server.origin] });
  await session.signIn(server.signIn());
  const stamp = connection.family();
  await session.signIn(server.signIn());

  const stamped = sendThrough(connection, server.fetch, server.origin, {}, stamp);
  const unstamped = sendThrough(connection, server.fetch, server.origin);

  expect(await outcomeOf(stamped)).toMatchObject({ code: "ERR_SIGNED_OUT" });
  expect(await (await unstamped).json()).toMatchObject({ family: 2 });
  expect(ledger(server.log)).toStrictEqual(account({ signIns: 2, requests: 1, answers: 1 }));
});

test("sends a call that is stamped as signed out without a token, though somebody signed in since", async () => {
  const server = createServer();
  const { session } = sessionOn(server);
  const connection = session.connect({ origins: [server.origin] });
  await session.loaded;
  const stamp = connection.family();
  await session.signIn(server.signIn());

  const answer = await sendThrough(connection, server.fetch, server.origin, {}, stamp);

  expect([stamp, answer.status]).toStrictEqual(["", 401]);
  expect(ledger(server.log)).toStrictEqual(account({ requests: 1, refusals: 1 }));
});
