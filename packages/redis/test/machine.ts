import { createSession, type TokenResponse } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { createGate } from "@freshtoken/testing";
import { redisStore } from "../src/index.ts";
import { connectIoredis, connectNodeRedis } from "./clients.ts";

export interface MachineOptions {
  readonly name: string;
  readonly port: number;
  readonly origin: string;
  readonly ids: readonly string[];
  readonly client?: "node-redis" | "ioredis" | undefined;
  readonly lease?: number | undefined;
  readonly refreshTimeout?: number | undefined;
  readonly refreshAttempts?: number | undefined;
  readonly commandTimeout?: number | undefined;
  /** Whether a refresh, its turn come, waits to be told before it sends anything. */
  readonly stopsBeforeSending?: boolean | undefined;
}

// Thousands of requests at once are for the session to bear, not for one server that ten processes share.
const SOCKETS = 64;

/** How many requests ended in which way, by status or code. */
export type Ends = Readonly<Record<string, number>>;

/** What shares sessions with others, over a connection of its own. */
export interface Machine {
  readonly name: string;
  /** Sends so many requests for each session at once. */
  burst(count: number): Promise<Ends>;
  signIn(tokens: readonly TokenResponse[]): Promise<unknown>;
  /** The access token of each session, or its status. */
  states(): Promise<readonly (string | undefined)[]>;
  /** Resolves when a refresh has its turn, and waits to be told. */
  stopped(): Promise<void>;
  goOn(): Promise<unknown>;
  /** Ends it, as a power cut would where it is a process. */
  kill(): Promise<void>;
}

/** Makes a machine in this process. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const {
    name,
    port,
    origin,
    ids,
    client: kind,
    lease,
    refreshTimeout,
    refreshAttempts,
    commandTimeout,
  } = options;
  const { client, close } = await (kind === "ioredis" ? connectIoredis : connectNodeRedis)(port);
  const gate = createGate();
  const fewAtOnce = limited(SOCKETS);
  let requests = 0;
  if (!options.stopsBeforeSending) gate.open();

  const members = ids.map((id, index) => {
    const by = `${name}/${index}`;
    const session = createSession({
      store: redisStore({ client, id, lease, commandTimeout }),
      origins: [origin],
      refreshTimeout,
      refreshAttempts,
      refusalLimit: false,
      async refresh({ refreshToken, signal }) {
        await gate.pass();
        return fetch(`${origin}/token`, {
          method: "POST",
          body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
          headers: { "x-by": by },
          signal,
        });
      },
    });
    return { by, session, authorized: sessionFetch(session, { fetch: fewAtOnce }) };
  });

  async function request({ by, authorized }: (typeof members)[number]): Promise<string> {
    try {
      const headers = { "x-by": by, "x-request": `${by} ${++requests}` };
      const response = await authorized(`${origin}/me`, { headers });
      await response.arrayBuffer();
      return String(response.status);
    } catch (error) {
      return String(Object(error).code ?? error);
    }
  }

  await Promise.all(members.map(({ session }) => session.loaded));
  return {
    name,
    async burst(count) {
      return sumOf(
        await Promise.all(members.flatMap((member) => Array.from({ length: count }, () => request(member)))),
      );
    },
    signIn: (tokens) =>
      Promise.all(members.map(({ session }, index) => session.signIn(tokens[index] as TokenResponse))),
    states: async () =>
      members.map(({ session: { state } }) =>
        state.status === "signedIn" ? state.tokens.accessToken : state.status,
      ),
    stopped: () => gate.reached(1),
    goOn: async () => gate.open(),
    async kill() {
      gate.open();
      close();
      await Promise.all(members.map(({ session }) => session.close()));
    },
  };
}

/** A fetch that has so many requests under way; the others wait. */
function limited(most: number): typeof fetch {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  return async (...given) => {
    if (underWay >= most) await new Promise<void>((resolve) => void waiting.push(resolve));
    underWay++;
    try {
      return await fetch(...given);
    } finally {
      underWay--;
      waiting.shift()?.();
    }
  };
}

function sumOf(ends: readonly string[]): Ends {
  const sums: Record<string, number> = {};
  for (const end of ends) sums[end] = (sums[end] ?? 0) + 1;
  return sums;
}
