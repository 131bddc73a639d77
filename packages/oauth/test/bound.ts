import { createHash } from "node:crypto";
import { createSession, type Session, type SessionEvent, type SessionOptions } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { createClock, entriesAt, type Server, type ServerOptions } from "@freshtoken/testing";
import { generateKeyPair } from "oauth4webapi";
import type { DPoPKey } from "../src/dpop/index.ts";
import { dpop } from "../src/dpop/index.ts";
import type { OAuth, OAuthOptions } from "../src/index.ts";
import { scripted } from "./support.ts";

export const pair: CryptoKeyPair = await generateKeyPair("ES256");

/** Keeps a key where a test can take it away, and counts who asks for it. */
export function createKeep(
  kept: CryptoKeyPair | undefined = undefined,
): DPoPKey & { asked: string[]; lose(): void } {
  let held = kept;
  const asked: string[] = [];
  return {
    asked,
    lose() {
      held = undefined;
    },
    async load() {
      asked.push("load");
      return held;
    },
    async create() {
      asked.push("create");
      held ??= pair;
      return held;
    },
  };
}

/** An application with a key, at a server in memory whose tokens are bound. */
export function bound(
  key: CryptoKeyPair | DPoPKey = pair,
  options: Partial<OAuthOptions> = {},
  serverOptions: ServerOptions = {},
): { server: Server; oauth: OAuth } {
  const given = scripted({ dpop: dpop({ key }), ...options }, serverOptions);
  given.server.always("token", { merge: { token_type: "DPoP" } });
  return given;
}

/** A session that is signed in with bound tokens, and tries each refresh once. */
export async function begin(
  { server, oauth }: { server: Server; oauth: OAuth },
  options: Partial<SessionOptions> = {},
): Promise<{ session: Session; events: SessionEvent[]; send: typeof fetch }> {
  const session = createSession({
    ...oauth.session(),
    clock: createClock(),
    origins: [server.origin],
    refreshAttempts: 1,
    ...options,
  });
  await session.signIn({ ...server.signIn(), token_type: "DPoP" });
  const events: SessionEvent[] = [];
  session.subscribe((event) => events.push(event));
  return { session, events, send: sessionFetch(session, { fetch: server.fetch }) };
}

/** A proof, as a server reads it. */
export interface Shown {
  readonly header: { readonly typ: string; readonly alg: string; readonly jwk: JsonWebKey };
  readonly claims: {
    readonly htm: string;
    readonly htu: string;
    readonly iat: number;
    readonly jti: string;
    readonly ath?: string;
    readonly nonce?: string;
  };
}

/** The proofs that arrived at an endpoint, in order. */
export function proofsAt({ log }: Server, at: "token" | "resource"): Shown[] {
  return entriesAt(log, at)
    .filter(({ path }) => !path.startsWith("/.well-known/"))
    .map(({ headers }) => {
      const [header, claims] = String(headers.dpop).split(".").slice(0, 2).map(decoded);
      return { header, claims } as unknown as Shown;
    });
}

/** The nonces in the proofs that arrived at an endpoint. */
export function noncesAt(server: Server, at: "token" | "resource"): (string | undefined)[] {
  return proofsAt(server, at).map(({ claims }) => claims.nonce);
}

/** What a proof says of the access token that it goes with. */
export function digestOf(accessToken: string): string {
  return createHash("sha256").update(accessToken).digest("base64url");
}

/** The Date field of a server whose clock is so many seconds ahead. */
export function dateIn(seconds: number): string {
  return new Date(Date.now() + seconds * 1_000).toUTCString();
}

function decoded(part: string): unknown {
  return JSON.parse(Buffer.from(part, "base64url").toString());
}
