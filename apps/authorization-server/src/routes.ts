import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";

/** One admitted request: its token was active, and `account` is whose it was. */
interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly account: string;
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal;
}

/** Answers a call. `judged: "late"` waits before the token is looked at, so that a 401 comes late too. */
export interface Route {
  readonly judged: "onArrival" | "late";
  answer(call: Call): Promise<void>;
}

/** What the API offers, by method and path. */
export const routes: ReadonlyMap<string, Route> = new Map([
  ["GET /me", { judged: "onArrival", answer: me }],
  ["GET /slow", { judged: "onArrival", answer: slow }],
  ["GET /late", { judged: "late", answer: me }],
  ["POST /echo", { judged: "onArrival", answer: echo }],
  ["POST /upload", { judged: "onArrival", answer: upload }],
  ["PUT /upload", { judged: "onArrival", answer: upload }],
  ["GET /stream", { judged: "onArrival", answer: stream }],
] satisfies [string, Route][]);

/** Waits for as long as `?ms=` says. */
export async function wait(url: URL, signal: AbortSignal): Promise<void> {
  await delay(count(url, "ms", 0), undefined, { signal });
}

/** Sends a value as JSON. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

async function me({ response, url, account }: Call): Promise<void> {
  sendJson(response, 200, { account, path: url.pathname + url.search });
}

async function slow(call: Call): Promise<void> {
  await wait(call.url, call.signal);
  await me(call);
}

async function echo({ request, response }: Call): Promise<void> {
  const type = request.headers["content-type"];
  if (type !== undefined) response.setHeader("content-type", type);
  await pipeline(request, response);
}

async function upload({ request, response, account }: Call): Promise<void> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    hash.update(chunk);
  }
  sendJson(response, 200, { account, bytes, sha256: hash.digest("hex") });
}

async function stream({ response, url, signal }: Call): Promise<void> {
  response.writeHead(200, { "content-type": "text/plain" });
  await pipeline(Readable.from(lines(url, signal)), response);
}

// The first line leaves at once, each further one after ?ms=.
async function* lines(url: URL, signal: AbortSignal): AsyncGenerator<string> {
  const chunks = count(url, "chunks", 5);
  for (let chunk = 1; chunk <= chunks; chunk += 1) {
    if (chunk > 1) await wait(url, signal);
    yield `chunk ${chunk} of ${chunks}\n`;
  }
}

function count(url: URL, name: string, absent: number): number {
  const value = Number(url.searchParams.get(name) ?? absent);
  return Number.isInteger(value) && value >= 0 ? Math.min(value, 60_000) : absent;
}
