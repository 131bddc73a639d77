import { type AuthorizationServer, signIn } from "@freshtoken/authorization-server";
import type { Client } from "./bursts.ts";
import { createJournal } from "./journal.ts";
import { loopback } from "./loopback.ts";
import { createAuthRefreshed } from "./rivals/auth-refresh.ts";
import { fetchByHand, signInByHand } from "./rivals/by-hand.ts";
import { createIntercepted } from "./rivals/interceptor.ts";
import { axiosTurn, fetchTurn, kyTurn } from "./turns.ts";
import { createWire } from "./wire.ts";
import { connectAxios } from "./wiring/axios.ts";
import { connectFetch } from "./wiring/fetch.ts";
import { connectKy } from "./wiring/ky.ts";
import { connectSession } from "./wiring/session.ts";

/** Signs in, and sends. */
type Connect = (server: AuthorizationServer) => Promise<Client>;

/** Whose bursts are compared: ours first. */
export const clients: readonly Connect[] = [freshtoken, byHand, interceptor, authRefresh];

/** axios, ky and fetch in turns, through one session. */
async function freshtoken(server: AuthorizationServer): Promise<Client> {
  const { tokens, ...client } = await signedIn(server, "freshtoken");
  const { api, issuer, clientId } = server;
  const { fetch, adapter } = client.wire;
  const session = await connectSession({ issuer, clientId, tokens, http: loopback(fetch) });
  const turns = [
    axiosTurn(connectAxios(session, api, { adapter })),
    kyTurn(connectKy(session, api, { fetch })),
    fetchTurn(connectFetch(session, api, { fetch }), api),
  ];
  return { ...client, name: "Freshtoken", turns };
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

async function signedIn(server: AuthorizationServer, account: string) {
  const tokens = await signIn(server, { account });
  const journal = createJournal();
  return { account, api: server.api, tokens, journal, wire: createWire(journal, tokens.access_token) };
}
