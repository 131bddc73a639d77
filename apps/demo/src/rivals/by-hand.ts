// What people write by hand, written well: a look at the expiry before a request leaves, one promise that all
// share while a refresh is in flight, one retry after a 401. Everything is in the module, as it is there.

/** A token response, as far as the wrapper reads it. */
interface Answer {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly expires_in?: number;
}

export interface ByHand {
  readonly issuer: string;
  readonly clientId: string;
  readonly tokens: Answer;
  readonly fetch: typeof fetch;
}

let config: ByHand;
let accessToken = "";
let refreshToken = "";
let expiresAt = Number.POSITIVE_INFINITY;
let refreshing: Promise<void> | undefined;

/** Starts the wrapper's session. */
export function signInByHand(byHand: ByHand): void {
  config = byHand;
  keep(byHand.tokens);
}

/** The wrapper around fetch. */
export async function fetchByHand(url: string): Promise<Response> {
  if (Date.now() >= expiresAt) await refresh();
  const response = await send(url);
  if (response.status !== 401) return response;

  await response.body?.cancel();
  await refresh();
  return send(url);
}

function send(url: string): Promise<Response> {
  return config.fetch(url, { headers: { authorization: `Bearer ${accessToken}` } });
}

function refresh(): Promise<void> {
  refreshing ??= requestTokens().finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

async function requestTokens(): Promise<void> {
  const response = await config.fetch(`${config.issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      client_id: config.clientId,
      refresh_token: refreshToken,
    }),
  });
  if (!response.ok) throw new Error(`The refresh was answered ${response.status}.`);
  keep((await response.json()) as Answer);
}

function keep({ access_token, refresh_token = refreshToken, expires_in }: Answer): void {
  accessToken = access_token;
  refreshToken = refresh_token;
  expiresAt = expires_in === undefined ? Number.POSITIVE_INFINITY : Date.now() + expires_in * 1000;
}
