import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Introspect } from "./introspection.ts";
import type { Nonces } from "./nonces.ts";
import { createProofJudge, type JudgeProof, type NoteProof } from "./proofs.ts";
import { routes, sendJson, wait } from "./routes.ts";

/** What the API knows of proofs (RFC 9449). */
export interface ApiOptions {
  /** With them, every answer to a proof has a new one, and every proof has to carry one of the last. */
  readonly nonces?: Nonces | undefined;
  /** Hears of every proof. */
  readonly note?: NoteProof;
}

interface Desk {
  readonly introspect: Introspect;
  readonly judge: JudgeProof;
  readonly nonces: Nonces | undefined;
}

/** Creates the resource API: every request is judged by what the provider says about its token just then. */
export function createApi(introspect: Introspect, { nonces, note }: ApiOptions = {}): RequestListener {
  const desk = { introspect, judge: createProofJudge(nonces), nonces };
  return (request, response) => {
    const { dpop } = request.headers;
    if (typeof dpop === "string") response.once("finish", () => note?.("api", dpop, response.statusCode));
    serve(desk, request, response).catch((error: Error) => fail(response, error));
  };
}

async function serve(desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const signal = signalOf(response);
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  const route = routes.get(`${request.method} ${url.pathname}`);
  if (route === undefined) return sendJson(response, 404, { error: "not_found" });

  if (route.judged === "late") await wait(url, signal);
  const credentials = credentialsIn(request);
  if (credentials === undefined) return refuse(response, "Bearer");
  if (desk.nonces && credentials.scheme === "DPoP") response.setHeader("dpop-nonce", desk.nonces.next());
  const admitted = await admit(desk, request, credentials, signal);
  if ("error" in admitted) return refuse(response, credentials.scheme, admitted.error);
  await route.answer({ request, response, url, account: admitted.account, signal });
}

/** Says whose the token is; or why it is not taken: unknown, or bound to a key that the request does not show. */
async function admit(
  { introspect, judge }: Desk,
  request: IncomingMessage,
  { scheme, token }: Credentials,
  signal: AbortSignal,
): Promise<{ readonly account: string } | { readonly error: string }> {
  const judged = scheme === "DPoP" ? await judge(request, token) : { jkt: undefined };
  if ("error" in judged) return judged;
  const active = await introspect(token, signal);
  return active === null || active.jkt !== judged.jkt ? { error: "invalid_token" } : active;
}

// A request without a token learns only that one is wanted (RFC 6750 §3.1).
function refuse(response: ServerResponse, scheme: string, error?: string): void {
  response.setHeader("www-authenticate", error === undefined ? scheme : `${scheme} error="${error}"`);
  sendJson(response, 401, error === undefined ? {} : { error });
}

// A client that left in the middle ends up here too: nobody hears the answer then.
function fail(response: ServerResponse, error: Error): void {
  if (response.headersSent) response.destroy();
  else sendJson(response, 500, { error: "server_error", error_description: error.message });
}

interface Credentials {
  readonly scheme: "Bearer" | "DPoP";
  readonly token: string;
}

function credentialsIn(request: IncomingMessage): Credentials | undefined {
  const [, scheme = "", token] = /^(Bearer|DPoP) +(\S+) *$/i.exec(request.headers.authorization ?? "") ?? [];
  return token === undefined ? undefined : { scheme: /^d/i.test(scheme) ? "DPoP" : "Bearer", token };
}

function signalOf(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  return gone.signal;
}
