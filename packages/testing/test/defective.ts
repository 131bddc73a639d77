import type { Exchange, Session } from "@freshtoken/core";
import type { Client, ContractAnswer } from "../src/contract/index.ts";
import { type Adapter, exchangeOf, isOurs, right, type Send, withFields } from "./contract-subject.ts";

type Fields = Readonly<Record<string, string>>;
type Change = (
  exchange: Exchange<Response>,
  send: (init: RequestInit, fields: Fields) => Promise<Response>,
  init: RequestInit,
) => Partial<Exchange<Response>>;

/** The right adapter, but for a part of what it tells the session. */
export function telling(change: Change): Adapter {
  return (session, origin, bare) => {
    const connection = session.connect({ origins: [origin] });
    return (url, init) => {
      if (!isOurs(connection, url, init)) return bare(url, init);
      const exchange = exchangeOf(url, init, bare);
      const send = (init: RequestInit, fields: Fields) =>
        bare(url, { ...init, headers: withFields(init, fields) });
      return connection.send({ ...exchange, ...change(exchange, send, init) });
    };
  };
}

/** The right adapter, but for which requests it takes for its own. */
export function taking(isTaken: (init: RequestInit, isOwned: boolean) => boolean): Adapter {
  return (session, origin, bare) => {
    const connection = session.connect({ origins: [origin] });
    return (url, init) => {
      const isOurs = connection.covers(url) && isTaken(init, connection.owns(init.signal));
      return isOurs ? connection.send(exchangeOf(url, init, bare)) : bare(url, init);
    };
  };
}

/** The right adapter over another way to send. */
export function over(transport: (bare: Send) => Send): Adapter {
  return (session, origin, bare) => right(session, origin, transport(bare));
}

/** The right adapter, but for what becomes of an answer. Undefined: it is handed over. */
export function answering(
  answered: (
    response: Response,
    again: () => Promise<Response>,
    session: Session,
  ) => Promise<Response> | undefined,
): Adapter {
  return (session, origin, bare) => {
    const send = right(session, origin, bare);
    return async (url, init) => {
      const response = await send(url, init);
      return answered(response, () => send(url, init), session) ?? response;
    };
  };
}

/** The right adapter, but for what becomes of an error. */
export function failing(
  failed: (error: unknown, again: () => Promise<Response>, session: Session) => Response | Promise<Response>,
): Adapter {
  return (session, origin, bare) => {
    const send = right(session, origin, bare);
    return (url, init) => send(url, init).catch((error) => failed(error, () => send(url, init), session));
  };
}

/** Sends with the token of just now: it holds nothing, and refreshes nothing. */
export const unheld: Adapter = (session, origin, bare) => (url, init) =>
  new URL(url).origin === origin
    ? bare(url, { ...init, headers: withFields(init, tokenOf(session)) })
    : bare(url, init);

/** The wrapper that people write around a fetch: those it sends share a promise, or each has its own. */
export function wrapper(shares: boolean): Adapter {
  return (session, origin, bare) => {
    const send = unheld(session, origin, bare);
    let refreshing: Promise<void> | undefined;
    return async (url, init) => {
      const response = await send(url, init);
      if (response.status !== 401) return response;
      await response.arrayBuffer();
      if (!shares) refreshing = undefined;
      refreshing ??= redeem(session, origin, init.signal).finally(() => {
        refreshing = undefined;
      });
      await refreshing;
      return send(url, init);
    };
  };
}

async function redeem(
  { state, signIn }: Session,
  origin: string,
  signal?: AbortSignal | null,
): Promise<void> {
  const refreshToken = (state.status === "signedIn" && state.tokens.refreshToken) || "";
  const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken });
  const answer = await fetch(`${origin}/token`, { method: "POST", body, signal: signal ?? null });
  await signIn(await answer.json());
}

type Around = (client: Client, session: Session) => Client;

/** The interceptor that people copy: it sends through its own client again. */
export function interceptor(
  answerIn: (sent: Promise<ContractAnswer>) => Promise<ContractAnswer | undefined>,
): Around {
  return ({ send }, session) => ({
    async send(request) {
      const sent = send(request);
      if ((await answerIn(sent))?.status !== 401) return sent;
      await session.refresh();
      return send(request);
    },
  });
}

/** Sends with the token that it saw last. */
export const remembering: Adapter = (session, origin, bare) => {
  const send = right(session, origin, bare);
  let last: Fields = {};
  return (url, init) => {
    if (session.state.status === "signedOut") return bare(url, { ...init, headers: withFields(init, last) });
    last = tokenOf(session);
    return send(url, init);
  };
};

/** Refreshes before each request where it knows when the token expires. */
export const impatient: Adapter = (session, origin, bare) => {
  const send = right(session, origin, bare);
  return async (url, init) => {
    const { state } = session;
    if (state.status === "signedIn" && state.tokens.expiresAt !== undefined) await session.refresh();
    return send(url, init);
  };
};

/** Sends what was made last first. */
export const lifo: Adapter = over((bare) => {
  const waiting: (() => void)[] = [];
  const leave = () => {
    for (const go of waiting.splice(0).reverse()) go();
  };
  return async (url, init) => {
    await new Promise<void>((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(leave);
    });
    return bare(url, init);
  };
});

/** Follows redirects with all the fields that it began with. */
export const following: Adapter = over((bare) => async (url, init) => {
  const response = await bare(url, { ...init, redirect: "manual" });
  const location = response.headers.get("location");
  return location ? bare(new URL(location, url).href, init) : response;
});

/** Sends to where a redirect led the last time. */
export const led: Adapter = over((bare) => {
  const targets = new Map<string, string>();
  return async (url, init) => {
    const response = await bare(targets.get(url) ?? url, init);
    targets.set(url, response.url);
    return response;
  };
});

function tokenOf({ state }: Session): Fields {
  return state.status === "signedIn" ? { authorization: `Bearer ${state.tokens.accessToken}` } : {};
}
