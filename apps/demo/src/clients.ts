import { type AuthorizationServer, signIn } from "@freshtoken/authorization-server";
import type { Client } from "./bursts.ts";
import { fetchByHand, signInByHand } from "./by-hand.ts";
import { createJournal } from "./journal.ts";
import { loopback } from "./loopback.ts";
import { createWire } from "./wire.ts";
import { connect } from "./wiring.ts";

/** Signs in, and sends through Freshtoken. */
export async function freshtoken(server: AuthorizationServer): Promise<Client> {
  const { tokens, ...client } = await signedIn(server, "freshtoken");
  const { fetch } = await connect({
    ...server,
    tokens,
    fetch: client.wire.fetch,
    http: loopback(client.wire.fetch),
  });
  return { ...client, name: "Freshtoken", fetch };
}

/** Signs in, and sends through the wrapper that is written by hand. */
export async function byHand(server: AuthorizationServer): Promise<Client> {
  const { tokens, ...client } = await signedIn(server, "by-hand");
  signInByHand({ ...server, tokens, fetch: client.wire.fetch });
  return { ...client, name: "by hand", fetch: fetchByHand };
}

async function signedIn(server: AuthorizationServer, account: string) {
  const tokens = await signIn(server, { account });
  const journal = createJournal();
  return { account, api: server.api, tokens, journal, wire: createWire(journal, tokens.access_token) };
}
