/// <reference types="node" />
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Whatever answers requests: a server of this package, or a function of the same shape. */
export interface Handler {
  fetch(request: Request): Promise<Response>;
}

export interface ListenOptions {
  /** @default a free one */
  readonly port?: number;
  /**
   * Lets pages of other origins in: answers preflights, and says so on every answer. A page then reads only the response
   * fields that CORS always shows, and those listed in `expose`.
   *
   * @default false
   */
  readonly cors?: boolean | { readonly expose?: readonly string[] };
}

export interface Listener {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /** How many connections were made so far. */
  readonly connections: number;
  /** How many of them are open now. */
  readonly open: number;
  /** Destroys every socket and frees the port. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Puts a server on a loopback port over `node:http`. Bodies stream both ways, a client that goes away aborts its request,
 * and a reset is a TCP reset.
 *
 * @example
 * ```ts
 * import { createServer } from "@freshtoken/testing";
 * import { listen } from "@freshtoken/testing/node";
 *
 * const server = createServer();
 * await using listener = await listen(server);
 * await fetch(`${listener.origin}/me`);
 * ```
 */
export async function listen(
  handler: Handler,
  { port = 0, cors = false }: ListenOptions = {},
): Promise<Listener> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createHttpServer((incoming, outgoing) => {
    if (cors) allow(incoming, outgoing, cors === true ? [] : (cors.expose ?? []));
    if (cors && isPreflight(incoming)) outgoing.writeHead(204).end();
    else void exchange(handler, incoming, outgoing);
  });
  server.keepAliveTimeout = 0; // an idle connection stays: closed in passing, it would look like a fault
  server.on("connection", (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await bind(server, port);

  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function bind(server: HttpServer, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function exchange(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  try {
    await send(await handler.fetch(requestFrom(incoming, outgoing)), outgoing);
  } catch {
    // No answer: the handler reset the connection, the client left, or a streamed answer broke off.
    incoming.socket.resetAndDestroy();
  }
}

function requestFrom(incoming: IncomingMessage, outgoing: ServerResponse): Request {
  const { method = "GET", url = "/", headers } = incoming;
  const controller = new AbortController();
  outgoing.on("close", () => controller.abort()); // after an answer it aborts nothing
  const empty = method === "GET" || method === "HEAD";
  return new Request(new URL(url, `http://${headers.host ?? "127.0.0.1"}`), {
    method,
    headers: fieldsOf(incoming),
    signal: controller.signal,
    // The web stream of node:stream and that of the DOM are two types of one object.
    ...(empty ? {} : { body: Readable.toWeb(incoming) as unknown as BodyInit, duplex: "half" }),
  });
}

function fieldsOf({ rawHeaders }: IncomingMessage): Headers {
  const fields = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    fields.append(rawHeaders[index] as string, rawHeaders[index + 1] as string);
  }
  return fields;
}

async function send(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) outgoing.appendHeader(name, value);
  if (!response.body) return void outgoing.end();
  outgoing.flushHeaders();
  await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), outgoing);
}

function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
}

function allow({ headers }: IncomingMessage, outgoing: ServerResponse, expose: readonly string[]): void {
  if (headers.origin === undefined) return;
  outgoing.setHeader("access-control-allow-origin", headers.origin);
  outgoing.setHeader("access-control-allow-credentials", "true");
  outgoing.setHeader("vary", "origin");
  const { "access-control-request-method": method, "access-control-request-headers": fields } = headers;
  if (method !== undefined) outgoing.setHeader("access-control-allow-methods", method);
  if (fields !== undefined) outgoing.setHeader("access-control-allow-headers", fields);
  if (expose.length > 0) outgoing.setHeader("access-control-expose-headers", expose.join(", "));
}
