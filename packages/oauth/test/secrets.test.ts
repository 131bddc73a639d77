import { inspect } from "node:util";
import type { Fault } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { ClientSecretPost } from "../src/index.ts";
import { begin, metadataOf, outcomeOf, scripted } from "./support.ts";

const secret = (name: string) => `${name}-7Fj2kQ9x`;
const wire = { access_token: secret("access"), refresh_token: secret("refresh"), token_type: "Bearer" };

const faults: readonly [string, Fault][] = [
  ["refused", { error: "invalid_grant" }],
  ["refused with an error that quotes the code", { status: 400, json: { error: secret("code") } }],
  ["reset", { reset: "after" }],
  ["answered with a challenge", { status: 401, headers: { "www-authenticate": "Basic" }, json: wire }],
  ["answered with an error beside tokens", { status: 500, json: wire }],
  ["answered without a type", { json: { ...wire, token_type: undefined } }],
  ["answered with another type", { json: { ...wire, token_type: "mac" } }],
  ["answered with an ID token that is none", { json: { ...wire, id_token: secret("id") } }],
  ["answered with text", { body: wire.access_token, headers: { "content-type": "application/json" } }],
];

test.each(faults)("quotes no token, code or secret when the exchange is %s", async (_, fault) => {
  const clientAuthentication = ClientSecretPost(secret("client"));
  const { server, oauth } = scripted({ scope: "openid", clientAuthentication });
  const { pending } = await oauth.authorizationUrl();
  server.next("token", fault);

  const error = await outcomeOf(oauth.exchange(`?code=${secret("code")}&state=${pending.state}`, pending));

  expect(error).toMatchObject({ name: "OAuthError" });
  const shown = inspect(error, { depth: Infinity, showHidden: true }) + JSON.stringify(error);
  for (const part of ["7Fj2kQ9x", pending.state, pending.codeVerifier, pending.nonce]) {
    expect(shown).not.toContain(part);
  }
});

test("quotes nothing that the fetch underneath quotes of a request", async () => {
  const { server } = scripted();
  const quoting = async (url: string, { method, body }: RequestInit) => {
    if (method !== "POST") return Response.json(metadataOf(server));
    throw Object.assign(new TypeError(`no answer for ${body} on ${url}`), { code: "ECONNREFUSED" });
  };
  const { oauth } = scripted({
    clientAuthentication: ClientSecretPost(secret("client")),
    fetch: quoting as typeof fetch,
  });
  const { session } = await begin({ server, oauth });
  const { pending } = await oauth.authorizationUrl();

  const errors = [
    await outcomeOf(oauth.exchange(`?code=${secret("code")}&state=${pending.state}`, pending)),
    await outcomeOf(session.refresh()),
  ];

  const cause = { name: "TypeError", message: "fetch failed", code: "ECONNREFUSED" };
  expect(errors).toMatchObject([{ cause }, { cause }]);
  expect(inspect(errors, { depth: Infinity, showHidden: true })).not.toContain("7Fj2kQ9x");
});

test.each([
  (code: string) => `http://[?code=${code}&state=another`,
  (code: string) => `https://app.test/callback?code=${code}&state=another`,
  (code: string) => `https://app.test/callback?code=${code}&code=${code}`,
  (code: string) => `https://app.test/callback?iss=https://evil.test&code=${code}`,
])("quotes no code of a callback that cannot be trusted", async (callback) => {
  const { oauth } = scripted();
  const { pending } = await oauth.authorizationUrl();

  const error = await outcomeOf(oauth.exchange(callback(secret("code")), pending));

  expect(error).toMatchObject({ code: "ERR_CALLBACK_INVALID" });
  expect(inspect(error, { depth: Infinity, showHidden: true })).not.toMatch(/7Fj2kQ9x/);
});
