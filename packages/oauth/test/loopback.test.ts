import { createSession } from "@freshtoken/core";
import { createGate } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { real, signedIn } from "./loopback.ts";
import { outcomeOf } from "./support.ts";

test("discovers a real authorization server over loopback http", async () => {
  const { server, oauth } = await real();

  const { url } = await oauth.authorizationUrl();

  expect(url.split("?")[0]).toBe(`${server.issuer}/auth`);
});

test("rotates at a real authorization server, and ends with the family that it revokes", async () => {
  const { server, oauth } = await real();
  const session = createSession({ ...oauth.session() });
  await session.signIn(await signedIn(oauth, server));
  const tokens = await session.tokens();
  await session.refresh();
  const { signal } = new AbortController();
  await oauth.session().refresh({ refreshToken: tokens.refreshToken ?? "", tokens, signal, attempt: 1 });

  const ended = await outcomeOf(session.refresh());

  expect(ended).toMatchObject({ code: "ERR_REFRESH_REJECTED" });
  expect(session.state.status).toBe("signedOut");
  expect(server.ledger.presentations.map(({ token, outcome }) => [token, outcome])).toStrictEqual([
    [1, "rotated"],
    [1, "reused"],
    [2, "invalid"],
  ]);
});

test("ends the family at a real authorization server", async () => {
  const { server, oauth } = await real();
  const { revoke, ...grant } = oauth.session();
  const revoked = createGate();
  const session = createSession({ ...grant, revoke: (tokens) => revoke(tokens).then(revoked.open) });
  await session.signIn(await signedIn(oauth, server));
  await session.refresh();

  await session.signOut();
  await revoked.pass();

  expect(server.ledger).toStrictEqual({
    presentations: [{ token: 1, family: 1, account: "alice", again: false, outcome: "rotated" }],
    revocations: [{ family: 1, because: "request" }],
  });
});
