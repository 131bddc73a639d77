import { createSession, type RefreshContext, type Session } from "../../src/index.ts";
import { createWoundClock, type WoundClock } from "./clock.ts";
import { createServer, parse, type Server } from "./server.ts";
import { createStore, type ScriptedStore, type StoreKind } from "./store.ts";
import { type Call, createWitness, type Witness } from "./witness.ts";

/** What befalls one call of `refresh`. `again`: the new token set has the access token of the old one. */
export type RefreshFault =
  | "again"
  | "failed"
  | "asked to wait"
  | "asked to wait long"
  | "misconfigured"
  | "rejected"
  | "null"
  | "lost before"
  | "lost after"
  | "unusable"
  | "hangs";

export interface WorldOptions {
  readonly store: StoreKind;
  /** Whether the server answers a refresh token that is presented again. */
  readonly grace: boolean;
  readonly maxHeld: number;
  /** How many rounds refusals may cause in 30 s. */
  readonly refusals: number;
  /** The store holds a session from the start. */
  readonly isStored?: boolean;
  /** Resolves when what the label says happens. */
  turn(label: string): Promise<void>;
  /** Resolves when nothing moves on its own any more. */
  drained(): Promise<void>;
}

/** One session and all that it deals with, watched. */
export interface World {
  readonly session: Session;
  readonly witness: Witness;
  readonly clock: WoundClock;
  readonly server: Server;
  readonly shelf: ScriptedStore;
  readonly isClosed: boolean;
  drained(): Promise<void>;
  nextRefresh(fault: RefreshFault): void;
  /** The resource server refuses the next request, whatever it brings. */
  refuseNext(): void;
  send(options?: { readonly replayable?: boolean; readonly isCancellable?: boolean }): Call;
  tokens(isCancellable?: boolean): Call;
  refresh(isCancellable?: boolean): Call;
  /** Aborts one who asked. False: nobody can be. */
  abort(which: number): boolean;
  signIn(lifetime?: number): void;
  signOut(): void;
  close(): Promise<void>;
  /** Another context acts, and the session hears of it or does not. */
  another(deed: "renews" | "signs in" | "signs out", isHeard: boolean): void;
  /** Listeners that are left on signals which nobody has aborted. */
  readonly listeners: number;
}

export function createWorld(options: WorldOptions): World {
  const { store, grace, maxHeld, turn, drained } = options;
  let others = 0;
  const clock = createWoundClock(drained);
  const server = createServer(grace);
  const witness = createWitness({
    maxHeld,
    refusals: options.refusals,
    now: clock.now,
    elapsed: clock.elapsed,
    state: () => session?.state ?? { status: "loading" },
    owns: (signal) => connection.owns(signal),
  });
  const shelf = createStore(store, turn, witness);
  if (options.isStored) shelf.held = signedInElsewhere();
  const faults: RefreshFault[] = [];
  const controllers: { readonly call: Call; readonly controller: AbortController }[] = [];
  let refusals = 0;
  let listeners = 0;
  let isClosed = false;
  let session: Session | undefined;
  const made = createSession({
    refresh,
    store: shelf.store,
    clock,
    maxHeld,
    refusalLimit: { max: options.refusals, within: 30_000 },
    revoke,
    origins: ["https://api.test"],
    scheme: {
      sendsToken: true,
      tokenType: "Bearer",
      fields: ({ accessToken = "", refreshToken = "", expiresAt = Infinity, issuedAt = -Infinity }) => ({
        "access-token": accessToken,
        "refresh-token": refreshToken,
        "stale-at": String(expiresAt - Math.min(5_000, (expiresAt - issuedAt) / 20)),
      }),
    },
  });
  session = made;
  const connection = made.connect();
  made.subscribe(witness.heard);

  async function refresh({ refreshToken, tokens, attempt, signal }: RefreshContext) {
    const fault = faults.shift();
    const asked = witness.asked(refreshToken, tokens.expiresAt, attempt, signal);
    if (fault === "hangs") return untilAborted(new Promise<never>(() => {}), signal);
    await turn(`${refreshToken} arrives`);
    const isHeard = !fault || fault === "again" || fault === "lost after" || fault === "unusable";
    const { reuses } = server;
    const grant = isHeard ? server.redeem(refreshToken, fault === "again") : null;
    if (!grant && server.reuses > reuses)
      witness.limited(
        "an answer is lost after the rotation, and a server without grace takes the repeat for theft",
      );
    if (fault === "rejected" || fault === "null") server.withdraw(parse(refreshToken).family);
    await turn(`the answer to ${refreshToken} arrives`);
    if (fault === "lost before" || fault === "lost after") {
      witness.told(asked, "lost");
      throw new TypeError("fetch failed");
    }
    if (fault && !isHeard && fault !== "rejected" && fault !== "null") {
      witness.told(asked, "failed");
      const seconds = { "asked to wait": "2", "asked to wait long": "20" }[String(fault)];
      const code = fault === "misconfigured" ? { status: 401, error: "invalid_client" } : { status: 503 };
      throw Object.assign(new Error(fault), code, seconds && { headers: { "retry-after": seconds } });
    }
    if (!grant) {
      witness.told(asked, "rejected");
      if (fault === "null") return null;
      throw Object.assign(new Error("refused"), { status: 400, error: "invalid_grant" });
    }
    witness.told(asked, fault === "unusable" ? "unusable" : "renewed");
    const { access_token, ...rest } = grant.response;
    return fault === "unusable" ? (rest as typeof grant.response) : grant.response;
  }

  async function revoke({ refreshToken = "" }: { readonly refreshToken?: string | undefined }) {
    witness.revoked(refreshToken);
    server.withdraw(parse(refreshToken).family);
  }

  async function transport(call: Call, fields: Readonly<Record<string, string>>): Promise<number> {
    witness.sent(call, fields);
    const isRefused = refusals > 0 || !server.accepts(fields["access-token"]);
    if (refusals > 0) refusals--;
    await untilAborted(turn(`the answer to ${call.name} arrives`), call.signal);
    const status = isRefused ? 401 : 200;
    witness.answered(call, status);
    return status;
  }

  function signalFor(isCancellable: boolean): AbortController | undefined {
    if (!isCancellable) return undefined;
    const controller = new AbortController();
    const { signal } = controller;
    const { addEventListener, removeEventListener } = signal;
    // What is left when all has settled is a leak.
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    return controller;
  }

  function begin(
    kind: Call["kind"],
    isCancellable: boolean,
    replayable: boolean,
    ask: (call: Call) => Promise<unknown>,
  ): Call {
    const controller = signalFor(isCancellable);
    const call = witness.made({ kind, replayable, signal: controller?.signal });
    if (controller) controllers.push({ call, controller });
    ask(call).then(
      (value) => witness.settled(call, value),
      (error) => witness.settled(call, undefined, error),
    );
    return call;
  }

  function send({ replayable = true, isCancellable = false } = {}): Call {
    return begin("request", isCancellable, replayable, (call) =>
      connection.send<number>({
        url: "https://api.test/me",
        method: "GET",
        signal: call.signal,
        replayable,
        send: (fields) => transport(call, fields),
        answer: (status) => ({ status, field: () => null, response: status }),
        release(status) {
          witness.released(call);
          return status;
        },
      }),
    );
  }

  function signIn(lifetime?: number): void {
    const { family, refreshToken, response } = server.signIn(lifetime);
    witness.note(`signIn ${refreshToken}`);
    made.signIn(response).then(
      () => witness.note(`signIn ${refreshToken} has ended`),
      (error) => witness.violated(`signIn rejects: ${error}`),
    );
    witness.signedIn(family);
    const { state } = made;
    if (state.status !== "signedIn" || state.tokens.refreshToken !== refreshToken)
      witness.violated("rule 12: signIn has not taken effect at once");
  }

  function signOut(): void {
    witness.note("signOut");
    made.signOut().then(
      () => witness.note("signOut has ended"),
      (error) => witness.violated(`signOut rejects: ${error}`),
    );
    witness.signedOut();
    if (made.state.status !== "signedOut") witness.violated("rule 12: signOut has not taken effect at once");
  }

  function another(deed: "renews" | "signs in" | "signs out", isHeard: boolean): void {
    if (deed === "renews") void shelf.inTurn(() => act(deed, isHeard));
    else act(deed, isHeard);
  }

  function act(deed: "renews" | "signs in" | "signs out", isHeard: boolean): void {
    if (deed === "renews" && !shelf.held) return;
    shelf.held = deed === "renews" ? renewedElsewhere() : deed === "signs in" ? signedInElsewhere() : null;
    witness.note(`another ${deed}`);
    witness.wroteElsewhere(shelf.held);
    witness.saw(`another ${deed}${isHeard ? "" : ", unheard"}`);
    if (isHeard) void turn("the hint arrives").then(shelf.hint);
  }

  function renewedElsewhere() {
    if (!shelf.held) return null;
    const { family, generation, tokens } = shelf.held;
    const presented = String(tokens.refreshToken);
    witness.askedByAnother(presented);
    const grant = server.redeem(presented);
    if (!grant) return null;
    return {
      family,
      generation: generation + 1,
      tokens: {
        ...tokens,
        accessToken: grant.response.access_token,
        refreshToken: grant.refreshToken,
        ...(tokens.expiresAt !== undefined && {
          expiresAt: clock.now() + Number(grant.response.expires_in) * 1000,
          issuedAt: clock.now(),
        }),
      },
    };
  }

  function signedInElsewhere() {
    const { refreshToken, response } = server.signIn(undefined);
    const tokens = { accessToken: response.access_token, refreshToken };
    return { family: `another-${++others}`, generation: 0, tokens };
  }

  return {
    session: made,
    witness,
    clock,
    server,
    shelf,
    drained,
    get isClosed() {
      return isClosed;
    },
    nextRefresh: (fault) => void faults.push(fault),
    refuseNext() {
      refusals++;
    },
    send,
    tokens: (isCancellable = false) =>
      begin("tokens", isCancellable, true, ({ signal }) => made.tokens({ signal })),
    refresh: (isCancellable = false) =>
      begin("refresh", isCancellable, true, ({ signal }) => made.refresh({ signal })),
    abort(which) {
      const open = controllers.filter(({ call }) => call.place !== "settled" && !call.signal?.aborted);
      const chosen = open[which % open.length];
      if (!chosen) return false;
      witness.note(`${chosen.call.name} is aborted`);
      chosen.controller.abort(new DOMException("not wanted any more", "AbortError"));
      return true;
    },
    signIn,
    signOut,
    close() {
      isClosed = true;
      witness.note("close");
      witness.closing();
      return made.close().then(() => witness.note("close has ended"));
    },
    another,
    get listeners() {
      return listeners;
    },
  };
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    work.finally(() => signal.removeEventListener("abort", abort)).then(resolve, reject);
  });
}
