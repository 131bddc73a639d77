import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Introspect } from "./introspection.ts";
import { routes, sendJson, wait } from "./routes.ts";

/** Creates the resource API: every request is judged by what the provider says about its token just then. */
export function createApi(introspect: Introspect): RequestListener {
  return (request, response) => {
    serve(introspect, request, response).catch((error: Error) => fail(response, error));
  };
}

async function serve(
  introspect: Introspect,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const signal = signalOf(response);
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  const route = routes.get(`${request.method} ${url.pathname}`);
  if (route === undefined) return sendJson(response, 404, { error: "not_found" });

  if (route.judged === "late") await wait(url, signal);
  const token = bearerToken(request);
  if (token === undefined) return refuse(response, "Bearer", {});
  const account = await introspect(token, signal);
  if (account === null) {
    return refuse(response, 'Bearer error="invalid_token"', { error: "invalid_token" });
  }
  await route.answer({ request, response, url, account, signal });
}

// A request without a token learns only that one is wanted (RFC 6750 §3.1).
function refuse(response: ServerResponse, challenge: string, body: object): void {
  response.setHeader("www-authenticate", challenge);
  sendJson(response, 401, body);
}

// A client that left in the middle ends up here too: nobody hears the answer then.
function fail(response: ServerResponse, error: Error): void {
  if (response.headersSent) response.destroy();
  else sendJson(response, 500, { error: "server_error", error_description: error.message });
}

function bearerToken(request: IncomingMessage): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1];
}

function signalOf(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  return gone.signal;
}
