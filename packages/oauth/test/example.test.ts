import { follow } from "@freshtoken/authorization-server";
import { createSession } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { expect, test } from "vitest";
import { real } from "./loopback.ts";

test("runs as the first example has it: signs in, comes back, refreshes ten times, and signs out", async () => {
  const { server, oauth } = await real({ scope: "openid offline_access" });
  const storage = new Map<string, string>();
  const session = createSession({ ...oauth.session(), origins: [server.api] });
  const authorized = sessionFetch(session);

  const begun = await oauth.authorizationUrl({
    returnTo: "/orders?page=2",
    parameters: { login_hint: "alice", prompt: "consent" },
  });
  storage.set("pending", JSON.stringify(begun.pending));
  const { href } = await follow(new URL(begun.url), server.redirectUri);
  const { tokens, returnTo } = await oauth.exchange(href, JSON.parse(storage.get("pending") ?? "null"));
  await session.signIn(tokens);
  const statuses = [];
  for (let expiry = 0; expiry < 10; expiry += 1) {
    await session.refresh();
    statuses.push((await authorized(`${server.api}/me`)).status);
  }
  await session.signOut();

  expect(returnTo).toBe("/orders?page=2");
  expect(statuses).toStrictEqual(Array(10).fill(200));
  expect(session.state).toStrictEqual({ status: "signedOut" });
  expect(server.ledger.presentations.map(({ outcome }) => outcome)).toStrictEqual(Array(10).fill("rotated"));
});
