import type { Gate } from "./gate.ts";
import { type Listener, listen } from "./listener.ts";
import type { Entry } from "./log.ts";
import type { Call, RemoteServerOptions } from "./remote.ts";
import { createServer, type Server } from "./server.ts";
import { secretTokens } from "./tokens.ts";
import { until } from "./wait.ts";

/** Opens servers for contracts that run elsewhere, in a page for instance. */
export interface Host {
  /** What a contract is told, as its `host`. */
  readonly url: string;
  /** Closes every server that is still open, too. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Guest {
  readonly server: Server;
  readonly listener: Listener;
  readonly gates: Gate[];
  /** Aborts when the server closes: what somebody still waits for will not come. */
  readonly closing: AbortController;
}

type Command = (guest: Guest, ...args: never[]) => unknown;

const commands: Readonly<Record<Exclude<Call["command"], "open" | "close">, Command>> = {
  signIn: ({ server }, ...args) => server.signIn(...args),
  expire: ({ server }, ...args) => server.expire(...args),
  withdraw: ({ server }, ...args) => server.withdraw(...args),
  next: ({ server }, ...args: Parameters<Server["next"]>) => server.next(...args),
  always: ({ server }, ...args: Parameters<Server["always"]>) => void server.always(...args),
  gate: ({ server, gates }, ...args: Parameters<Server["gate"]>) => gates.push(server.gate(...args)) - 1,
  reached: ({ gates }, gate: number, count: number) => gates[gate]?.reached(count),
  step: ({ gates }, gate: number) => gates[gate]?.step(),
  release: ({ gates }, gate: number) => gates[gate]?.open(),
  quiet: ({ server }) =>
    server.when((log) => log.every((entry) => !("status" in entry) || entry.status !== "pending")),
  log: ({ server }) => server.log.map(written),
};

function written(entry: Entry): unknown {
  return "body" in entry ? { ...entry, body: Buffer.from(entry.body).toString("base64") } : entry;
}

/**
 * Starts a host on a loopback port. Pages of any origin may ask it for servers, and send to them.
 *
 * @example
 * ```ts
 * import { adapterContract } from "@freshtoken/testing/contract";
 * import { host } from "@freshtoken/testing/node";
 *
 * const { url, close } = await host();
 * for (const { title, run } of adapterContract({ host: url, attach })) test(title, run);
 * ```
 */
export async function host(): Promise<Host> {
  const guests: (Guest | undefined)[] = [];

  async function open({ secret, ...options }: RemoteServerOptions): Promise<{ id: number; origin: string }> {
    const server = createServer({ ...options, ...(secret ? { tokens: secretTokens } : {}) });
    const listener = await listen(server, { cors: { expose: ["www-authenticate"] } });
    return {
      id: guests.push({ server, listener, gates: [], closing: new AbortController() }) - 1,
      origin: listener.origin,
    };
  }

  async function obey({ server: id, command, args }: Call): Promise<unknown> {
    if (command === "open") return open(args[0] ?? {});
    const guest = guests[id];
    if (!guest) throw new RangeError(`The host has no server ${id}: it was closed, or never opened`);
    if (command === "close") return leave(guest, id);
    return until(commands[command](guest, ...(args as never[])), guest.closing.signal);
  }

  function leave({ listener, closing }: Guest, id: number): Promise<void> {
    delete guests[id];
    closing.abort(new RangeError(`The host closed server ${id} before what was waited for`));
    return listener.close();
  }

  const desk = await listen({ fetch: (request) => replyTo(request, obey) }, { cors: true });
  const close = async () => {
    await Promise.all(guests.map((guest, id) => guest && leave(guest, id)));
    await desk.close();
  };
  return { url: desk.origin, close, [Symbol.asyncDispose]: close };
}

async function replyTo(request: Request, obey: (call: Call) => Promise<unknown>): Promise<Response> {
  try {
    return Response.json((await obey(await request.json())) ?? null);
  } catch (error) {
    return Response.json(String(error), { status: 400 });
  }
}
