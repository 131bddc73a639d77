import { listen } from "@freshtoken/testing/node";
import OAuth2Server, { type TokenOptions } from "@node-oauth/oauth2-server";
import { onTestFinished } from "vitest";
import { createOAuth, type OAuth, type OAuthOptions } from "../src/index.ts";
import { createRecords, type Habits, publicClient, type Records } from "./plain-records.ts";

/** What arrived at the token endpoint, and how the server answered. */
interface TokenRequest {
  readonly grant: string;
  /** The number of the refresh token that was presented, from 0 in the order of their issue. */
  readonly presented?: number;
  readonly answer: string | number;
}

export interface PlainServerOptions extends Habits, TokenOptions {
  /** How it answers a revocation, which the package does not have. Absent: it has no such endpoint. */
  readonly revocation?: number;
  /** What its metadata says besides, or instead. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A server of OAuth 2.0 without OpenID, with an API at `/me`. */
export interface PlainServer extends Omit<Records, "model" | "numberOf"> {
  readonly origin: string;
  readonly redirectUri: string;
  readonly log: readonly TokenRequest[];
  /** What was asked for, in order. */
  readonly paths: readonly string[];
  /** Resets the connection instead of the next answer to a token request, which is carried out all the same. */
  loseAnswer(): void;
}

/** An application at a server on loopback that is not the one of the other tests: `@node-oauth/oauth2-server`. */
export async function plain(
  options: Partial<OAuthOptions> = {},
  serverOptions: PlainServerOptions = {},
): Promise<{ server: PlainServer; oauth: OAuth }> {
  const server = await startPlainServer(serverOptions);
  const { origin: issuer, redirectUri } = server;
  return { server, oauth: createOAuth({ issuer, clientId: publicClient.id, redirectUri, ...options }) };
}

type Answering = (request: OAuth2Server.Request, response: OAuth2Server.Response) => Promise<unknown>;

// What is granted and refused is the package's to say: here are only the routes.
async function startPlainServer({
  revocation,
  metadata,
  ...options
}: PlainServerOptions): Promise<PlainServer> {
  const { model, numberOf, ...records } = createRecords(options);
  const requireClientAuthentication = { authorization_code: false, refresh_token: false };
  const provider = new OAuth2Server({
    model,
    allowExtendedTokenAttributes: true,
    requireClientAuthentication,
    ...options,
  });
  const log: TokenRequest[] = [];
  const paths: string[] = [];
  let isLosing = false;

  const routes: Readonly<Record<string, Answering>> = {
    async "/.well-known/oauth-authorization-server"(_request, response) {
      response.body = { ...metadataOf(listener.origin, revocation), ...metadata };
    },
    "/authorize": (request, response) =>
      provider.authorize(request, response, { authenticateHandler: { handle: () => ({ name: "alice" }) } }),
    async "/token"(request, response) {
      const { grant_type: grant, refresh_token: presented } = request.body;
      const outcome = await provider.token(request, response).catch((error: Error) => error);
      const answer = outcome instanceof Error ? outcome.name : 200;
      log.push({ grant, ...(presented && { presented: numberOf(presented) }), answer });
    },
    async "/me"(request, response) {
      const { user } = await provider.authenticate(request, response);
      response.body = { account: user.name };
    },
    async "/revoke"(_request, response) {
      response.status = revocation ?? 404;
    },
  };

  async function fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    paths.push(pathname);
    const response = new OAuth2Server.Response();
    const answering = routes[pathname];
    if (!answering) return new Response(null, { status: 404 });
    await answering(await translated(request), response).catch((error) => refuse(response, error));
    if (pathname === "/token" && isLosing) {
      isLosing = false;
      throw new Error("The answer is lost");
    }
    const { status = 200, headers = {}, body } = response;
    return Response.json(body, { status, headers });
  }

  const listener = await listen({ fetch });
  onTestFinished(listener.close);
  return {
    ...records,
    origin: listener.origin,
    redirectUri: "http://127.0.0.1/callback",
    log,
    paths,
    loseAnswer() {
      isLosing = true;
    },
  };
}

function metadataOf(issuer: string, revocation: number | undefined): object {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    ...(revocation && { revocation_endpoint: `${issuer}/revoke` }),
    response_types_supported: ["code"],
    code_challenge_methods_supported: ["S256"],
  };
}

async function translated(request: Request): Promise<OAuth2Server.Request> {
  const { method, headers, url } = request;
  return new OAuth2Server.Request({
    method,
    headers: Object.fromEntries(headers),
    query: Object.fromEntries(new URL(url).searchParams),
    body: Object.fromEntries(new URLSearchParams(await request.text())),
  });
}

// A refusal by redirect is written down already, and so is one of the token endpoint.
function refuse(
  response: OAuth2Server.Response,
  { code = 500, name }: { code?: number; name: string },
): void {
  if (response.status !== 200) return;
  response.status = code;
  response.body = { error: name };
}
