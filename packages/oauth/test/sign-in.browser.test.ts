import { createSession } from "@freshtoken/core";
import { expect, inject, test } from "vitest";
import { createOAuth } from "../src/index.ts";

/** Asks the host of servers to do something. */
async function tell(server: number, command: string, ...args: unknown[]) {
  const answer = await fetch(inject("host"), {
    method: "POST",
    body: JSON.stringify({ server, command, args }),
  });
  return answer.json();
}

async function begin() {
  const { id, origin } = await tell(-1, "open");
  const oauth = createOAuth({
    issuer: origin,
    clientId: "spa",
    redirectUri: `${location.origin}/callback`,
    scope: "openid",
    server: { token_endpoint: `${origin}/token`, authorization_endpoint: `${origin}/authorize` },
  });
  const session = createSession({ ...oauth.session() });
  await session.signIn(await tell(id, "signIn"));
  return { id, oauth, session };
}

test("refreshes in Chromium, and takes a redirect that it hides for what it is", async () => {
  const { id, session } = await begin();
  await tell(id, "next", "token", { status: 307, headers: { location: "/elsewhere" } });

  await expect(session.refresh()).rejects.toThrow("the authorization server answered 302");
  const { accessToken } = await session.refresh();

  expect(accessToken).toBe("a1");
  const log: { at: string; status?: number }[] = await tell(id, "log");
  expect(log.map(({ at, status }) => [at, status])).toStrictEqual([
    ["signIn", undefined],
    ["token", 307],
    ["token", 200],
  ]);
});

test("begins and ends a sign-in in Chromium, and takes the code out of the address", async () => {
  const { id, oauth } = await begin();
  const { pending } = await oauth.authorizationUrl({ returnTo: "/orders?page=2" });
  const before = location.href;
  const json = { access_token: "a0", token_type: "Bearer" };
  await tell(id, "next", "token", { json: { ...json, id_token: idToken(pending) } });
  history.replaceState(null, "", `/callback?code=c0&state=${pending.state}`);

  const { tokens, returnTo } = await oauth.exchange(location.href, pending);
  history.replaceState(null, "", returnTo);

  expect(location.pathname + location.search).toBe("/orders?page=2");
  expect(tokens).toMatchObject({ access_token: "a0", token_type: "bearer" });
  history.replaceState(null, "", before);
});

function idToken({ issuer, nonce }: { issuer: string; nonce?: string }): string {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: issuer, aud: "spa", sub: "alice", nonce, iat: now, exp: now + 60 };
  return [{ alg: "RS256" }, claims, {}]
    .map((part) => btoa(JSON.stringify(part)).replace(/=+$/, ""))
    .join(".");
}
