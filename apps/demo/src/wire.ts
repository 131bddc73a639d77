import axios, { type AxiosAdapter, type AxiosResponse, type InternalAxiosRequestConfig } from "axios";
import type { Journal } from "./journal.ts";

/** A fetch, and an adapter for axios, at which one can see what a client really sends, and what comes back. */
export interface Wire {
  readonly fetch: typeof fetch;
  /** The one that axios uses in Node, over `node:http`. */
  readonly adapter: AxiosAdapter;
  /** Whether token responses say when the token expires. RFC 6749 §5.1 recommends it; some servers never do. */
  tellsExpiry: boolean;
  /** When the client's newest tokens came, by `performance.now()`. */
  readonly renewedAt: number;
  /** How old the client's tokens were, in ms, at each refresh. */
  readonly agesAtRefresh: readonly number[];
  /** How many refusals were of a token that the client had replaced by then. */
  readonly lateRefusals: number;
  /** Hears that a request is being made: if tokens come before it leaves, it was held. */
  made(url: string): void;
}

const http = axios.getAdapter("http");
const json = { "content-type": "application/json" };

/** Listens to a client, which may have an access token already. Each of its requests must have a URL of its own. */
export function createWire(journal: Journal, accessToken = ""): Wire {
  const madeAt = new Map<string, number>();
  const sent = new Set<string>();
  const agesAtRefresh: number[] = [];
  let newest = accessToken;
  let renewedAt = performance.now();
  let lateRefusals = 0;
  let tellsExpiry = true;

  function leaves(url: string): void {
    const made = madeAt.get(url) ?? Number.POSITIVE_INFINITY;
    if (sent.has(url)) journal.note("replayed");
    else if (made < renewedAt) journal.note("held", made);
    sent.add(url);
  }

  function answered(status: number, authorization: unknown): void {
    if (status !== 401) return;
    journal.note("refused");
    if (authorization !== `Bearer ${newest}`) lateRefusals += 1;
  }

  // Returns what turns the answer to a token request into what the client shall see.
  function renews(isRefresh: boolean): (status: number, text: string) => string {
    const start = performance.now();
    if (isRefresh) agesAtRefresh.push(start - renewedAt);
    return (status, text) => {
      if (isRefresh) journal.note("refresh", start);
      const tokens = JSON.parse(text) as Record<string, unknown>;
      if (status === 200) {
        newest = String(tokens.access_token);
        renewedAt = performance.now();
      }
      if (!tellsExpiry) delete tokens.expires_in;
      return JSON.stringify(tokens);
    };
  }

  async function post(request: Request): Promise<Response> {
    const grant = new URLSearchParams(await request.clone().text()).get("grant_type");
    return grant ? fetchTokens(request, grant === "refresh_token") : fetch(request);
  }

  async function fetchTokens(request: Request, isRefresh: boolean): Promise<Response> {
    const renewed = renews(isRefresh);
    const response = await fetch(request);
    const { status } = response;
    return new Response(renewed(status, await response.text()), { status, headers: json });
  }

  async function fetchResource(request: Request): Promise<Response> {
    leaves(request.url);
    const response = await fetch(request);
    answered(response.status, request.headers.get("authorization"));
    return response;
  }

  async function requestTokens(config: InternalAxiosRequestConfig): Promise<AxiosResponse> {
    const renewed = renews(true);
    const responding = http(config);
    const response = await answerOf(responding);
    response.data = renewed(response.status, response.data);
    return responding;
  }

  async function requestResource(config: InternalAxiosRequestConfig): Promise<AxiosResponse> {
    leaves(axios.getUri(config));
    const responding = http(config);
    const { status } = await answerOf(responding);
    answered(status, config.headers.get("authorization"));
    return responding;
  }

  return {
    fetch(input, init) {
      const request = new Request(input, init);
      return request.method === "POST" ? post(request) : fetchResource(request);
    },
    adapter: (config) => (config.method === "post" ? requestTokens(config) : requestResource(config)),
    get tellsExpiry() {
      return tellsExpiry;
    },
    set tellsExpiry(tells) {
      tellsExpiry = tells;
    },
    get renewedAt() {
      return renewedAt;
    },
    agesAtRefresh,
    get lateRefusals() {
      return lateRefusals;
    },
    made: (url) => void madeAt.set(url, performance.now()),
  };
}

// What came, also where axios calls it an error.
async function answerOf(responding: Promise<AxiosResponse>): Promise<AxiosResponse> {
  try {
    return await responding;
  } catch (error) {
    if (axios.isAxiosError(error) && error.response) return error.response;
    throw error;
  }
}
