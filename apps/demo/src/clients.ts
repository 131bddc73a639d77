import { type AuthorizationServer, follow, signIn } from "@freshtoken/authorization-server";
import type { Client } from "./bursts.ts";
import { createJournal } from "./journal.ts";
import { createAuthRefreshed } from "./rivals/auth-refresh.ts";
import { fetchByHand, signInByHand } from "./rivals/by-hand.ts";
import { createIntercepted } from "./rivals/interceptor.ts";
import { axiosTurn, fetchTurn, kyTurn } from "./turns.ts";
import { createWire } from "./wire.ts";
import { connectAxios } from "./wiring/axios.ts";
import { connectFetch } from "./wiring/fetch.ts";
import { connectKy } from "./wiring/ky.ts";
import { connectSession } from "./wiring/session.ts";
import { signUserIn } from "./wiring/sign-in.ts";

/** Signs in, and sends. */
type Connect = (server: AuthorizationServer) => Promise<Client>;

/** Whose bursts are compared: ours first. */
export const clients: readonly Connect[] = [freshtoken, byHand, interceptor, authRefresh];

/** axios, ky and fetch in turns, through one session that signs in and out through @freshtoken/oauth. */
async function freshtoken({ api, issuer, clientId, redirectUri }: AuthorizationServer): Promise<Client> {
  const account = "freshtoken";
  const journal = createJournal();
  const wire = createWire(journal);
  const { fetch, adapter } = wire;
  const outliving: Promise<unknown>[] = [];
  const application = connectSession(
    { issuer, clientId, redirectUri, scope: "openid", fetch },
    { waitUntil: (work) => void outliving.push(work) },
  );
  const { session } = application;
  await signUserIn(application, (url) => follow(new URL(url), redirectUri), {
    parameters: { login_hint: account },
  });
  const turns = [
    axiosTurn(connectAxios(session, api, { adapter })),
    kyTurn(connectKy(session, api, { fetch })),
    fetchTurn(connectFetch(session, api, { fetch }), api),
  ];

  async function signOut(): Promise<void> {
    await session.signOut();
    await Promise.all(outliving);
  }

  return { name: "Freshtoken", account, api, turns, wire, journal, signOut };
}

/** fetch, through the wrapper that is written by hand. */
async function byHand(server: AuthorizationServer): Promise<Client> {
  const { tokens, ...client } = await signedIn(server, "by-hand");
  signInByHand({ ...server, tokens, fetch: client.wire.fetch });
  return { ...client, name: "by hand", turns: [fetchTurn(fetchByHand, server.api)] };
}

/** axios, with the interceptor that everyone copies. */
async function interceptor(server: AuthorizationServer): Promise<Client> {
  const { tokens, ...client } = await signedIn(server, "interceptor");
  const instance = createIntercepted({ ...server, tokens, adapter: client.wire.adapter });
  return { ...client, name: "interceptor", turns: [axiosTurn(instance)] };
}

/** axios, with axios-auth-refresh. */
async function authRefresh(server: AuthorizationServer): Promise<Client> {
  const { tokens, ...client } = await signedIn(server, "auth-refresh");
  const instance = createAuthRefreshed({ ...server, tokens, adapter: client.wire.adapter });
  return { ...client, name: "axios-auth-refresh", turns: [axiosTurn(instance)] };
}

// The rivals are handed their first tokens: none of them signs anybody in.
async function signedIn(server: AuthorizationServer, account: string) {
  const tokens = await signIn(server, { account });
  const journal = createJournal();
  return { account, api: server.api, tokens, journal, wire: createWire(journal, tokens.access_token) };
}
