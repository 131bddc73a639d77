import { createSession } from "@freshtoken/core";
import { expect, test } from "vitest";
import { createOAuth } from "../src/index.ts";
import { real, signedIn, visit } from "./loopback.ts";
import { outcomeOf } from "./support.ts";

const scope = "openid api";

test("gets tokens for one resource from a real server, at the sign-in and at each refresh", async () => {
  const { server, oauth } = await real({ scope, resource: "urn:orders" });

  const tokens = await signedIn(oauth, server);
  const session = createSession({ ...oauth.session(), tokens });
  const refreshed = [await session.refresh(), await session.refresh()];

  // Of what was asked for, this is what the resource knows.
  expect([tokens.scope, ...refreshed.map((one) => one.scope)]).toStrictEqual(["api", "api", "api"]);
  const answer = await fetch(`${server.api}/me`, {
    headers: { authorization: `Bearer ${refreshed[1]?.accessToken}` },
  });
  expect(await answer.json()).toStrictEqual({ account: "alice", path: "/me" });
});

test("asks once, and keeps the session, where a real server grants nothing for a resource", async () => {
  const { server, oauth } = await real({ scope, resource: "urn:orders" });
  const { issuer, clientId } = server;
  const elsewhere = createOAuth({ issuer, clientId, resource: "urn:elsewhere" });
  const session = createSession({ ...elsewhere.session(), tokens: await signedIn(oauth, server) });

  const failed = await outcomeOf(session.refresh());

  expect(failed).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { code: "invalid_target" } });
  expect(session.state.status).toBe("signedIn");
  expect(server.ledger.presentations).toHaveLength(1);
});

test("tells a sign-in for two resources that a real server gives tokens for one at a time", async () => {
  const { server, oauth } = await real({ scope, resource: ["urn:orders", "urn:invoices"] });
  const { callback, pending } = await visit(oauth, server);

  const refused = await outcomeOf(oauth.exchange(callback, pending));

  expect(refused).toMatchObject({ code: "ERR_TOKEN_REQUEST_FAILED", error: "invalid_target", status: 400 });
});
