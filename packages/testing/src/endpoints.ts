import type { Families } from "./families.ts";
import type {
  Arrival,
  Line,
  Log,
  RequestEntry,
  ResourceRequest,
  RevocationRequest,
  TokenRequest,
} from "./log.ts";

/** One request that arrived, and what its endpoint will do with it. */
export interface Exchange {
  readonly line: Line<RequestEntry>;
  /** Resolves when the server can act, where it needs the body for it. */
  readonly ready: Promise<void> | undefined;
  act(): Response | Promise<Response>;
}

type Envelope = Omit<Arrival, "arrived">;

/** Notes a request in the log, starts to read its body, and says what the server would do. */
export function receive(request: Request, log: Log, families: Families): Exchange {
  const { pathname: path, search } = new URL(request.url);
  const { method } = request;
  const headers = Object.fromEntries(request.headers);
  const envelope = { answered: undefined, status: "pending", method, path, search, headers } as const;
  const unread = { ...envelope, body: new Uint8Array(), family: undefined };
  if (path === "/token") return receiveRefresh(unread, request, log, families);
  if (path === "/revoke") return receiveRevocation(unread, request, log, families);
  return receiveResource(unread, request, log, families);
}

function receiveRefresh(envelope: Envelope, request: Request, log: Log, families: Families): Exchange {
  const line = log.arrive<TokenRequest>({
    ...envelope,
    at: "token",
    presented: undefined,
    outcome: "untouched",
    issued: undefined,
  });
  const ready = read(request, (body) =>
    line.amend({ body, presented: formIn(line.read(), body)?.get("refresh_token") ?? undefined }),
  );
  return { line, ready, act: () => refresh(line, families) };
}

function receiveRevocation(envelope: Envelope, request: Request, log: Log, families: Families): Exchange {
  const line = log.arrive<RevocationRequest>({
    ...envelope,
    at: "revoke",
    presented: undefined,
    outcome: "untouched",
  });
  const ready = read(request, (body) =>
    line.amend({ body, presented: formIn(line.read(), body)?.get("token") ?? undefined }),
  );
  return { line, ready, act: () => revoke(line, families) };
}

function receiveResource(envelope: Envelope, request: Request, log: Log, families: Families): Exchange {
  const token = /^(?:Bearer|DPoP) +(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  const { family, generation } = families.trace(token) ?? {};
  const line = log.arrive<ResourceRequest>({
    ...envelope,
    at: "resource",
    token,
    family,
    generation,
    accepted: false,
  });
  const received = read(request, (body) => line.amend({ body }));
  // Judged at once, before the body is read, as servers do.
  return { line, ready: undefined, act: () => answerOnce(received, judge(line, families)) };
}

/** @see RFC 6749 §6 */
function refresh(line: Line<TokenRequest>, families: Families): Response {
  const { method, presented } = line.read();
  const complaint = complaintAbout(line.read());
  if (complaint) {
    line.amend({ outcome: "malformed" });
    return refusal(complaint, method);
  }
  const { response, ...redemption } = families.redeem(presented ?? "");
  line.amend(redemption);
  return response ? json(200, response, uncached) : refusal("invalid_grant", method);
}

function complaintAbout(entry: TokenRequest): string | undefined {
  const form = formIn(entry, entry.body);
  const names = [...(form?.keys() ?? [])];
  if (!form?.get("grant_type") || new Set(names).size < names.length) return "invalid_request";
  if (form.get("grant_type") !== "refresh_token") return "unsupported_grant_type";
  return entry.presented ? undefined : "invalid_request";
}

/** @see RFC 7009 §2 */
function revoke(line: Line<RevocationRequest>, families: Families): Response {
  const { method, presented } = line.read();
  if (!presented) {
    line.amend({ outcome: "malformed" });
    return refusal("invalid_request", method);
  }
  const family = families.revoke(presented);
  line.amend({ family, outcome: family === undefined ? "unknown" : "revoked" });
  return new Response();
}

/** @see RFC 6750 §3 */
function judge(line: Line<ResourceRequest>, families: Families): () => Response {
  const { token } = line.read();
  const accepted = families.accepts(token);
  line.amend({ accepted });
  if (accepted) return () => echo(line.read());
  if (token === undefined) return () => json(401, {}, { "www-authenticate": "Bearer" });
  return () => json(401, { error: "invalid_token" }, { "www-authenticate": 'Bearer error="invalid_token"' });
}

function echo({ method, path, search, family, generation, body }: ResourceRequest): Response {
  return json(200, { method, path, search, family, generation, length: body.byteLength });
}

async function answerOnce(received: Promise<void>, answer: () => Response): Promise<Response> {
  await received;
  return answer();
}

function read(request: Request, received: (body: Uint8Array) => void): Promise<void> {
  const reading = request.arrayBuffer().then((body) => received(new Uint8Array(body)));
  reading.catch(() => {}); // an upload that breaks off, with nobody left to wait for it
  return reading;
}

function formIn({ method, headers }: RequestEntry, body: Uint8Array): URLSearchParams | undefined {
  const type = headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (method !== "POST" || type !== "application/x-www-form-urlencoded") return undefined;
  return new URLSearchParams(new TextDecoder().decode(body));
}

const uncached = { "cache-control": "no-store" };

/** @see RFC 6749 §5.2 */
function refusal(error: string, method: string): Response {
  return method === "POST"
    ? json(400, { error }, uncached)
    : json(405, { error }, { ...uncached, allow: "POST" });
}

function json(status: number, body: unknown, headers?: Record<string, string>): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}
