import type { Gate } from "./gate.ts";
import type { RequestEntry } from "./log.ts";
import type { Wait } from "./wait.ts";

/**
 * What goes wrong with one request. The parts combine; an empty fault is a server that behaves.
 *
 * @example
 * ```ts
 * server.next("token", { status: 503, retryAfter: 1 }, { reset: "after" });   // the first, then the second
 * server.next("/me", { refuse: true, times: 3 });
 * server.next("/late", { answerAfter: gate });                               // judged on arrival, told later
 * ```
 */
export interface Fault {
  /** How many requests it befalls, in a row. @default 1 */
  readonly times?: number;

  /** Waits before the server acts: the token is judged late. A request aborted meanwhile is never acted on. */
  readonly actAfter?: Wait;
  /** Waits between the server's act and its answer: the token was judged early. */
  readonly answerAfter?: Wait;

  /** Resets the connection, before or after the server acted. Through `fetch` a `TypeError` whose cause is an ECONNRESET. */
  readonly reset?: "before" | "after";
  /** Never answers until the request is aborted, before or after the server acted. */
  readonly hang?: "before" | "after";

  /** An answer with this status in the server's stead; with `json`, `body` or `html`, theirs. */
  readonly status?: number;
  /** Fields of the answer in the server's stead. Alone they do not make one. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Seconds, or a date as HTTP writes it. */
  readonly retryAfter?: number | string;
  /** An error of RFC 6749 §5.2 in the server's stead: 401 for `invalid_client`, else 400, or `status`. */
  readonly error?: string;
  /** A 401 in the server's stead, whatever the token; a string is its challenge. */
  readonly refuse?: true | string;
  /** A page of HTML in the server's stead, as gateways and captive portals send. */
  readonly html?: true;
  /** A JSON answer in the server's stead. */
  readonly json?: unknown;
  /** Any answer in the server's stead. A stream can be sent once: make it in `alter` for more. */
  readonly body?: BodyInit;
  /**
   * With an answer in the server's stead: the server acts all the same, and its own answer is lost.
   *
   * @default false
   */
  readonly acts?: boolean;

  /** Members laid over the server's own successful JSON answer; undefined takes one out. */
  readonly merge?: Readonly<Record<string, unknown>>;
  /** Replaces the answer with another made from it, last of all. */
  alter?(response: Response): Response | Promise<Response>;
}

/** A fault, or what decides on one when a request arrives. Undefined: the server behaves. */
export type Script = Fault | ((request: RequestEntry) => Fault | undefined);

/** Where a fault befalls requests: an endpoint of the authorization server, all of the resource server, or one path. */
export type Endpoint = "token" | "revoke" | "resource" | `/${string}`;

/** When a gate holds a request: before the server acts on it, or before its answer goes out. */
export type Hold = "request" | "answer";

/** What the test has scripted and has not happened yet. */
interface Faults {
  next(endpoint: Endpoint, ...scripts: readonly Script[]): void;
  always(endpoint: Endpoint, script: Script): () => void;
  hold(endpoint: Endpoint, hold: Hold, gate: Gate): void;
  /** The fault for a request that has just arrived: the next in order, else the latest that always holds. */
  take(request: RequestEntry): Fault;
  gates(request: RequestEntry, hold: Hold): Gate[];
}

interface Standing {
  readonly endpoint: Endpoint;
  readonly script: Script;
}

export function createFaults(): Faults {
  const queued: Standing[] = [];
  const standing: Standing[] = [];
  const gates: { endpoint: Endpoint; hold: Hold; gate: Gate }[] = [];

  function next(endpoint: Endpoint, ...scripts: readonly Script[]): void {
    for (const script of scripts) {
      const times = typeof script === "function" ? 1 : (script.times ?? 1);
      for (let time = 0; time < times; time += 1) queued.push({ endpoint, script });
    }
  }

  function always(endpoint: Endpoint, script: Script): () => void {
    const entry = { endpoint, script };
    standing.unshift(entry);
    return () => void (standing.includes(entry) && standing.splice(standing.indexOf(entry), 1));
  }

  function take(request: RequestEntry): Fault {
    const index = queued.findIndex(({ endpoint }) => isAt(request, endpoint));
    const found =
      index < 0 ? standing.find(({ endpoint }) => isAt(request, endpoint)) : queued.splice(index, 1)[0];
    if (!found) return {};
    return (typeof found.script === "function" ? found.script(request) : found.script) ?? {};
  }

  return {
    next,
    always,
    hold: (endpoint, hold, gate) => void gates.push({ endpoint, hold, gate }),
    take,
    gates: (request, hold) =>
      gates.filter((entry) => entry.hold === hold && isAt(request, entry.endpoint)).map(({ gate }) => gate),
  };
}

function isAt(request: RequestEntry, endpoint: Endpoint): boolean {
  return endpoint === request.at || endpoint === request.path;
}

/** The answer that a fault gives in the server's stead. Undefined: the server answers for itself. */
export function standIn(fault: Fault): Response | undefined {
  const answer = answerOf(fault);
  if (!answer) return undefined;
  const [status, type, body] = answer;
  const headers = new Headers(type ? { "content-type": type } : {});
  if (typeof fault.refuse === "string") headers.set("www-authenticate", fault.refuse);
  if (fault.refuse === true) headers.set("www-authenticate", 'Bearer error="invalid_token"');
  if (fault.retryAfter !== undefined) headers.set("retry-after", String(fault.retryAfter));
  for (const [name, value] of Object.entries(fault.headers ?? {})) headers.set(name, value);
  return new Response(body, { status: fault.status ?? status, headers });
}

function answerOf({ error, refuse, html, json, body, status }: Fault): Answer | undefined {
  if (body !== undefined) return [200, undefined, body];
  if (html) return [200, "text/html; charset=utf-8", "<!doctype html><title>Sign in</title><h1>Sign in</h1>"];
  if (json !== undefined) return [200, "application/json", JSON.stringify(json)];
  if (error !== undefined)
    return [error === "invalid_client" ? 401 : 400, "application/json", errorBody(error)];
  if (refuse !== undefined) return [401, "application/json", errorBody("invalid_token")];
  return status === undefined ? undefined : [status, undefined, null];
}

type Answer = readonly [status: number, type: string | undefined, body: BodyInit | null];

function errorBody(error: string): string {
  return JSON.stringify({ error });
}

/** The answer, with what a fault lays over it. */
export async function altered(response: Response, { merge, alter }: Fault): Promise<Response> {
  const merged = merge && response.ok ? await mergedWith(response, merge) : response;
  return alter ? alter(merged) : merged;
}

async function mergedWith(response: Response, members: Readonly<Record<string, unknown>>): Promise<Response> {
  const body = JSON.stringify({ ...(await response.json()), ...members });
  return new Response(body, { status: response.status, headers: response.headers });
}
