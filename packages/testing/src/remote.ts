import type { Endpoint, Fault, Hold } from "./faults.ts";
import type { Entry, RequestEntry } from "./log.ts";
import type { ServerOptions, SignInOptions } from "./server.ts";
import type { TokenResponse } from "./tokens.ts";

/** A server that another process hosts: the same commands, each answered over the wire. */
export interface RemoteServer {
  readonly origin: string;
  signIn(options?: SignInOptions): Promise<TokenResponse>;
  expire(accessToken?: string): Promise<void>;
  withdraw(family?: number): Promise<void>;
  next(endpoint: Endpoint, ...faults: readonly RemoteFault[]): Promise<void>;
  always(endpoint: Endpoint, fault: RemoteFault): Promise<void>;
  gate(endpoint: Endpoint, hold?: Hold): Promise<RemoteGate>;
  /** Resolves as soon as no request is pending. */
  quiet(): Promise<void>;
  log(): Promise<readonly Entry[]>;
  /** What still waits for something rejects. */
  close(): Promise<void>;
}

/** A fault that can be sent as JSON. */
interface RemoteFault extends Omit<Fault, "actAfter" | "answerAfter" | "body" | "alter"> {
  readonly body?: string;
}

export interface RemoteGate {
  /** Resolves as soon as this many wait. */
  reached(count: number): Promise<void>;
  /** Lets the first that waits through. */
  step(): Promise<void>;
  open(): Promise<void>;
}

export interface RemoteServerOptions
  extends Pick<ServerOptions, "expiresIn" | "rotate" | "grace" | "revokeOnRotate"> {
  /** Whether tokens are long and in the form of a JWT, to look for in what is shown. @default false */
  readonly secret?: boolean;
}

/** What is sent to a host. */
export interface Call {
  readonly server: number;
  readonly command: "open" | "reached" | "step" | "release" | Exclude<keyof RemoteServer, "origin">;
  readonly args: readonly never[];
}

/** An entry of the log as it is sent, its body in base64. */
type Written<E = Entry> = E extends RequestEntry ? Omit<E, "body"> & { readonly body: string } : E;

/** Opens a server at a host: on a port, and so an origin, of its own. */
export async function openServer(host: string, options: RemoteServerOptions = {}): Promise<RemoteServer> {
  const { id, origin } = await call<{ id: number; origin: string }>(-1, "open", options);

  // As text, so that a page need not ask first whether it may.
  async function call<R = void>(server: number, command: Call["command"], ...args: unknown[]): Promise<R> {
    const answer = await fetch(host, { method: "POST", body: JSON.stringify({ server, command, args }) });
    const reply = await answer.json();
    if (!answer.ok) throw new Error(reply);
    return reply;
  }

  return {
    origin,
    signIn: (...args) => call(id, "signIn", ...args),
    expire: (...args) => call(id, "expire", ...args),
    withdraw: (...args) => call(id, "withdraw", ...args),
    next: (...args) => call(id, "next", ...args),
    always: (...args) => call(id, "always", ...args),
    async gate(...args) {
      const gate = await call<number>(id, "gate", ...args);
      return {
        reached: (count) => call(id, "reached", gate, count),
        step: () => call(id, "step", gate),
        open: () => call(id, "release", gate),
      };
    },
    quiet: () => call(id, "quiet"),
    async log() {
      const entries = await call<readonly Written[]>(id, "log");
      return entries.map((entry) => ("body" in entry ? { ...entry, body: bytesOf(entry.body) } : entry));
    },
    close: () => call(id, "close"),
  };
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
