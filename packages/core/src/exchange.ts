import {
  errorFor,
  type FreshtokenError,
  notReplayableError,
  RefreshRejectedError,
  type RequestLine,
} from "./errors.ts";
import type { Settings } from "./options.ts";
import { withoutQuery } from "./origin.ts";
import { type Answer, isRefusal } from "./refusal.ts";
import type { SessionRecord } from "./store.ts";
import { isThenable } from "./thenable.ts";

/** One request of one transport. */
export interface Exchange<R> {
  readonly url: string | URL;
  readonly method: string;
  readonly signal?: AbortSignal | null | undefined;
  /** False: the body, a stream, can be sent only once. */
  readonly replayable: boolean;
  /** The stamp of {@link Connection.family}, for clients whose phases lie apart. Absent: made now. */
  readonly family?: string | undefined;
  /** Sends the request once, with these authorization fields. */
  send(fields: Readonly<Record<string, string>>): Promise<R>;
  answer(response: R): Answer;
  /** Gives the socket back, without waiting for long. Returns what the caller may still read. */
  release(response: R): R | Promise<R>;
  /** Attaches to an answer why the caller gets it. */
  explain?(response: R, error: FreshtokenError): R;
}

/** What an adapter needs of a session, and all it needs. */
export interface Connection {
  /**
   * Tells whether a URL may see the token.
   * @throws TypeError where it may, but not over plain `http:`
   */
  covers(url: string | URL): boolean;
  /** Tells whether `refresh` was given this very signal: such a request passes through untouched. */
  owns(signal: AbortSignal | null | undefined): boolean;
  /** The stamp of a request made now: its family, `""` when signed out, undefined until that is known. */
  family(): string | undefined;
  /**
   * Waits until a request may leave. Undefined: go now. Resolves with its stamp, for one that had none yet.
   * Rejects as `send` does, with an error that names the request, where it is given.
   */
  hold(
    signal?: AbortSignal | null,
    request?: Pick<Exchange<unknown>, "method" | "url">,
  ): Promise<string | undefined> | undefined;
  /**
   * Sends a request, and replays it where new tokens can cure a refusal.
   * Rejects with a {@link FreshtokenError} that names the request, with its signal's reason, or as `send` does.
   */
  send<R>(exchange: Exchange<R>): Promise<R>;
}

/** How a request waits. */
interface Waiting {
  readonly signal?: AbortSignal | null | undefined;
  readonly replayable: boolean;
  /** It was never sent, so it counts as held. */
  readonly held: boolean;
}

/** What the exchange needs of its session. */
export interface Gate {
  readonly settings: Settings;
  owns(signal: AbortSignal | null | undefined): boolean;
  family(): string | undefined;
  /** What this family is served now. Throws what became of it, where it is not served any more. */
  served(family: string): SessionRecord;
  /**
   * Lets a request of this family wait for its turn; undefined: go now. Resolves with the stamp of a request made
   * when it was woken. Throws what became of its own family.
   */
  hold(made: string | undefined, waiting: Waiting): Promise<string | undefined> | undefined;
  /** Tells of a refusal. True: a round is in flight. False: there will be none. Throws where one has just failed. */
  refused(sent: SessionRecord): boolean;
  /** Waits until something newer than this may be there. */
  newer(sent: SessionRecord, signal: AbortSignal | null | undefined): Promise<void>;
  replayed(request: RequestLine): void;
  /** One more request is under way, or one less. */
  underWay(more: 1 | -1): void;
}

type Turn = Promise<string | undefined>;

const MAX_SENDS = 3;

export function createConnection(gate: Gate, covers: (url: string | URL) => boolean): Connection {
  return {
    covers,
    owns: gate.owns,
    family: gate.family,
    hold(signal, request) {
      const made = gate.family();
      const named = (error: unknown) => Promise.reject(request ? errorFor(error, lineOf(request)) : error);
      const next = (family: string | undefined) =>
        gate.hold(family, { signal, replayable: true, held: true });
      try {
        const first = made === "" ? undefined : next(made);
        return first && comeTo(first, next).catch(named);
      } catch (error) {
        return named(error);
      }
    },
    send(exchange) {
      return send(gate, exchange).catch((error: unknown) =>
        Promise.reject(errorFor(error, lineOf(exchange))),
      );
    },
  };
}

// Who is woken judges anew: what it was woken for may have passed, by a sign-out for instance.
async function comeTo(first: Turn, next: (family: string | undefined) => Turn | undefined): Turn {
  let pending: Turn | undefined = first;
  let family: string | undefined;
  while (pending) {
    family = await pending;
    pending = family === "" ? undefined : next(family);
  }
  return family;
}

// The way of one request:
//
//   hold ──▶ authorize ──▶ send ──▶ refused? ── no ──▶ the caller
//    ▲                                 │ yes
//    └── replay ◀── newer ◀── renew ◀──┘
//
// From the last look at the session to `send` nothing waits, unless the scheme does.
async function send<R>(gate: Gate, exchange: Exchange<R>): Promise<R> {
  const { scheme, isRefusal: custom } = gate.settings;
  const { signal, replayable } = exchange;
  const request = { url: String(exchange.url), method: exchange.method };
  let made = exchange.family ?? gate.family();
  let sends = 0;
  let hasWaited = false;
  // The answer that newer tokens are to better; `kept` once its socket was given back.
  let refused: R | undefined;
  let kept: Promise<R> | undefined;

  gate.underWay(1);
  try {
    for (;;) {
      for (let pending = hold(); pending; pending = hold()) {
        const stamp = await pending;
        made ??= stamp;
        hasWaited = sends > 0;
      }
      const sent = made ? gate.served(made) : null;
      if (!sent) return exchange.send({});
      const fields = scheme.fields(sent.tokens, request);
      const authorized = isThenable(fields) ? await fields : fields;
      if (signal?.aborted) throw signal.reason;
      gate.served(sent.family);
      if (sends++ > 0) gate.replayed(lineOf(exchange));
      const response = await exchange.send(authorized ?? {});
      // Refused, until it is known better: it is given back, whatever comes between.
      refused = response;
      kept = undefined;

      const answer = exchange.answer(response);
      const isAsked = scheme.answered?.(answer, request) === "replay";
      const verdict = isAsked || (custom ? custom(answer) : isRefusal(answer, request.url));
      if (!(isThenable(verdict) ? await verdict : verdict)) return response;
      // What the scheme asks for needs no newer tokens.
      if (!isAsked && !(await renewed(response, sent))) return kept ?? response;
      if (sends === MAX_SENDS) return response;
      giveBack(response);
    }
  } catch (error) {
    if (refused === undefined) throw error;
    if (error instanceof RefreshRejectedError) return explain(await (kept ?? refused), error);
    kept ??= release(refused);
    throw error;
  } finally {
    gate.underWay(-1);
  }

  function hold(): Turn | undefined {
    return hasWaited || made === "" ? undefined : gate.hold(made, { signal, replayable, held: sends === 0 });
  }

  // Waits for newer tokens than were sent. False: there are none to be had, and the caller gets the refusal.
  async function renewed(response: R, sent: SessionRecord): Promise<boolean> {
    while (gate.served(sent.family).generation === sent.generation) {
      if (hasWaited || sends === MAX_SENDS || !gate.refused(sent)) return false;
      giveBack(response);
      await gate.newer(sent, signal);
    }
    hasWaited ||= kept !== undefined;
    return true;
  }

  function giveBack(response: R): void {
    kept ??= release(response);
    if (!replayable) throw notReplayableError();
  }

  async function release(response: R): Promise<R> {
    try {
      return await exchange.release(response);
    } catch {
      return response;
    }
  }

  function explain(response: R, error: RefreshRejectedError): R {
    return exchange.explain?.(response, errorFor(error, lineOf(exchange))) ?? response;
  }
}

function lineOf({ method, url }: Pick<Exchange<unknown>, "method" | "url">): RequestLine {
  return { method, url: withoutQuery(url) };
}
