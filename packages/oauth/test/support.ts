import { createSession, type Session, type SessionEvent, type SessionOptions } from "@freshtoken/core";
import {
  createClock,
  createServer,
  entriesAt,
  type Ledger,
  type Server,
  type ServerOptions,
} from "@freshtoken/testing";
import { createOAuth, type OAuth, type OAuthOptions } from "../src/index.ts";

export const METADATA = "/.well-known/openid-configuration";

/** The metadata of a scripted server. */
export function metadataOf({ origin }: Server) {
  return {
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    revocation_endpoint: `${origin}/revoke`,
  };
}

/** An application at a server in memory, which does what the test scripts. */
export function scripted(
  options: Partial<OAuthOptions> = {},
  serverOptions: ServerOptions = {},
): { server: Server; oauth: OAuth } {
  const server = createServer(serverOptions);
  server.always(METADATA, { json: metadataOf(server) });
  const oauth = createOAuth({
    issuer: server.origin,
    clientId: "web",
    redirectUri: "https://app.test/callback",
    fetch: server.fetch,
    ...options,
  });
  return { server, oauth };
}

/** A session that is signed in at a scripted server, and tries each refresh once. */
export async function begin(
  { server, oauth }: { server: Server; oauth: OAuth },
  options: Partial<SessionOptions> = {},
): Promise<{ session: Session; events: SessionEvent[] }> {
  const session = createSession({
    ...oauth.session(),
    clock: createClock(),
    refreshAttempts: 1,
    ...options,
  });
  await session.signIn(server.signIn());
  const events: SessionEvent[] = [];
  session.subscribe((event) => events.push(event));
  return { session, events };
}

/** The forms that arrived at the token endpoint or at the revocation endpoint. */
export function formsAt({ log }: Server, endpoint: "token" | "revoke"): [string, string][][] {
  return entriesAt(log, endpoint).map(({ body }) => [...new URLSearchParams(new TextDecoder().decode(body))]);
}

/** A whole ledger, of which most is nothing. */
export function account(lines: Partial<Ledger>): Ledger {
  const nothing = { signIns: 0, attempts: 0, refreshes: 0, reuses: 0, revocations: 0 };
  return { ...nothing, requests: 0, refusals: 0, answers: 0, unanswered: 0, ...lines };
}

/** How often the metadata was asked for. */
export function discoveries({ log }: Server): number {
  return entriesAt(log, "resource").filter(({ path }) => path.startsWith("/.well-known/")).length;
}

/** How a promise ends, as a value. */
export function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: unknown) => error,
  );
}

/** An ID token that has just been made, with these claims. Its signature is none: exchanges do not check it. */
export function unsigned(claims: object): string {
  const now = Math.floor(Date.now() / 1_000);
  return [{ alg: "RS256" }, { sub: "alice", iat: now, exp: now + 60, ...claims }, {}]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
}
