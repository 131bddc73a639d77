import type { Connection, Exchange, Session } from "@freshtoken/core";
import type { AdapterSubject, Client, ContractRequest, Setting } from "../src/contract/index.ts";
import { pooled } from "./pool.ts";

export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** Makes what sends go through the session. */
export type Adapter = (session: Session, origin: string, bare: Send) => Send;

/** A small client, and the adapter between it and the session. */
export interface Parts {
  readonly adapter: Adapter;
  /** Makes a client of another. */
  readonly around?: (client: Client, session: Session) => Client;
}

/** A small client of its own under the contract: it can do whatever a case may need. */
export function subjectOf(host: string, { adapter, around = (client) => client }: Parts): AdapterSubject {
  return {
    host,
    attach(session, setting) {
      const pool = pooled(6);
      const bare: Send = (url, init) => {
        setting.sent(url);
        return pool(url, init);
      };
      return around(clientOf(adapter(session, setting.origin, bare), bare, setting), session);
    },
    answerIn: (error) => Object(error).answer,
  };
}

function clientOf(authorized: Send, bare: Send, { before, after, serialize }: Setting): Client {
  return {
    async send(request) {
      before.request();
      after.request();
      const response = await (request.optOut ? bare : authorized)(request.url, initOf(request, serialize));
      before.answer(response.status);
      after.answer(response.status);
      const answer = { status: response.status, body: await response.text() };
      if (!request.strict || response.ok) return answer;
      throw Object.assign(new Error(`${request.url} answered ${response.status}`), { answer });
    },
  };
}

function initOf(
  { method = "GET", headers, body, json, signal }: ContractRequest,
  serialize: Setting["serialize"] = JSON.stringify,
): RequestInit {
  const typed = json === undefined ? headers : { "content-type": "application/json", ...headers };
  return {
    method,
    headers: new Headers(typed),
    body: json === undefined ? (body ?? null) : serialize(json),
    signal: signal ?? null,
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
  };
}

/** What an adapter has to do, and no more. */
export const right: Adapter = (session, origin, bare) => {
  const connection = session.connect({ origins: [origin] });
  return (url, init) =>
    isOurs(connection, url, init) ? connection.send(exchangeOf(url, init, bare)) : bare(url, init);
};

export function isOurs(connection: Connection, url: string, { headers, signal }: RequestInit): boolean {
  return !new Headers(headers).has("authorization") && !connection.owns(signal) && connection.covers(url);
}

export function exchangeOf(url: string, init: RequestInit, bare: Send): Exchange<Response> {
  const body = kept(init.body);
  return {
    url,
    method: init.method ?? "GET",
    signal: init.signal,
    replayable: !(body instanceof ReadableStream),
    send: (fields) => bare(url, { ...init, body, headers: withFields(init, fields) }),
    answer: (response) => ({
      status: response.status,
      url: response.url,
      field: (name) => response.headers.get(name),
      response,
    }),
    release: async (response) => new Response(await response.arrayBuffer(), response),
  };
}

export function withFields({ headers }: RequestInit, fields: Readonly<Record<string, string>>): Headers {
  const all = new Headers(headers);
  for (const [name, value] of Object.entries(fields)) all.set(name, value);
  return all;
}

/** As it is now: its owner may overwrite it while the request waits. */
function kept(body: BodyInit | null = null): BodyInit | null {
  return body instanceof ArrayBuffer ? body.slice(0) : body;
}
