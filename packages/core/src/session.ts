import { closedError, nobodyError, refreshFailedError } from "./errors.ts";
import { createAnnouncer, type SessionEvent } from "./events.ts";
import { type Connection, createConnection } from "./exchange.ts";
import { createGate } from "./gate.ts";
import {
  type Effect,
  type First,
  familyOf,
  type Input,
  isPending,
  type Round,
  transition,
  unread,
} from "./machine.ts";
import { type SessionOptions, settingsOf } from "./options.ts";
import { type Origins, originsOf } from "./origin.ts";
import { createQueue } from "./queue.ts";
import { type Desk, renew } from "./renewal.ts";
import { type SessionState, snapshot } from "./state.ts";
import { type SessionRecord, sameRecord } from "./store.ts";
import { readTokens, type TokenResponse, type TokenSet } from "./tokens.ts";
import { createVault } from "./vault.ts";
import { createVigil } from "./vigil.ts";

/** One sign-in: its tokens, its state, and the requests that wait for it. */
export interface Session {
  /** An immutable snapshot: the same object until something changes. */
  readonly state: SessionState;
  /**
   * Resolves when the store was read, and a refresh that `restore` asks for has ended. Never rejects: where
   * that failed, `state` is still loading, and the next request tries again.
   */
  readonly loaded: Promise<void>;
  /** Calls `listener` with every event. Returns its undo. */
  subscribe(listener: (event: SessionEvent) => void): () => void;
  /**
   * Starts a session with the tokens of a sign-in, in place of any other. Takes effect at once; resolves when
   * it is stored, or `storeFailed` was said.
   * Rejects with a TypeError where the tokens cannot be used.
   */
  signIn(tokens: TokenSet | TokenResponse): Promise<void>;
  /** Ends the session. Takes effect at once; resolves when the store knows. `revoke` is not waited for. */
  signOut(): Promise<void>;
  /**
   * Returns fresh tokens; waits or refreshes where they are not.
   * Rejects with RefreshFailedError, RefreshRejectedError, {@link SignedOutError} or the signal's reason.
   */
  tokens(options?: { signal?: AbortSignal | undefined }): Promise<TokenSet>;
  /** Refreshes now, whatever the expiry says, or joins a refresh in flight. Rejects as `tokens` does. */
  refresh(options?: { signal?: AbortSignal | undefined }): Promise<TokenSet>;
  /**
   * Lets a refresh in flight and its save end, then forgets timers, listeners and the store. What waits
   * rejects with {@link SignedOutError}.
   */
  close(): Promise<void>;
  /**
   * For adapters: how their requests go through the session.
   * @throws TypeError where nothing says which origins may see the token
   */
  connect(options?: { origins?: Origins | undefined; base?: string | URL | undefined }): Connection;
}

/**
 * Creates a session: it holds requests while the access token is refreshed once, and lets them go on.
 *
 * @throws TypeError that names the option that is wrong, and what arrived
 * @example
 * import { createSession } from "@freshtoken/core";
 *
 * const session = createSession({
 *   refresh: ({ refreshToken, signal }) =>
 *     fetch("https://api.example.com/token", {
 *       method: "POST",
 *       body: new URLSearchParams({ grant_type: "refresh_token", client_id: "web", refresh_token: refreshToken }),
 *       signal,
 *     }),
 * });
 */
export function createSession(options: SessionOptions): Session {
  return openSession(options).session;
}

/** A session, and what only its keeper sees of it. */
export interface OpenSession {
  readonly session: Session;
  /** Somebody waits for it, a request or a refresh is under way, or something is not stored yet. */
  isBusy(): boolean;
}

/** Creates a session for a keeper, who closes it when it is idle. Throws as {@link createSession} does. */
export function openSession(options: SessionOptions): OpenSession {
  const settings = settingsOf(options);
  const { clock, scheme } = settings;
  const given = settings.tokens && readAs("tokens", settings.tokens);
  const vigil = createVigil(clock);
  const queue = createQueue(vigil.keep);
  const announcer = createAnnouncer();
  const own = new WeakSet<AbortSignal>();
  const inputs: Input[] = [];
  let machine = unread;
  let state = snapshot(machine);
  // What was served before: a store may quote what it was to replace or to remove.
  let former: TokenSet = {};
  let resolveLoaded = () => {};
  const loaded = new Promise<void>((resolve) => {
    resolveLoaded = resolve;
  });
  let overtaken = new AbortController();
  let rouse = () => {};
  let running: Promise<unknown> = Promise.resolve();
  let saving: Promise<unknown> = running;
  let closing: Promise<void> | undefined;
  // Another one with each sign-in and sign-out, ours or another's.
  let reign = {};
  let requests = 0;
  let families = 0;

  const vault = createVault(settings, {
    stored: () => machine.stored,
    known: () => [machine.record?.tokens ?? {}, former],
    opened: (record) => dispatch({ type: "read", record, first: first(), now: clock.now() }),
    unreadable(cause) {
      const error = refreshFailedError("the store could not be read", clock.now(), cause);
      dispatch({ type: "readFailed", error });
    },
    // A round that finds it is not alone leaves the section and ends: then it is told.
    found: (record, isInSection) => dispatch({ type: "found", record }, isInSection),
    saved: (record, stored) => dispatch({ type: "saved", record, stored }),
    storeFailed: (error) => emit({ type: "storeFailed", error }),
  });

  // The machine decides; what it decided is carried out, in order, and then told.
  function dispatch(input: Input, tellsLater = false): void {
    if (inputs.push(input) > 1) return;
    for (const next of inputs) {
      const [moved, effects] = transition(machine, next, settings);
      if (moved.record !== machine.record) former = machine.record?.tokens ?? former;
      machine = moved;
      effects.forEach(perform);
    }
    inputs.length = 0;
    const before = state;
    state = snapshot(machine, before);
    // A change that has no event of its own: a refresh ended after another's tokens had come.
    if (state !== before && announcer.isEmpty) announcer.add({ type: "released", count: 0 });
    if (!isPending(machine)) resolveLoaded();
    if (!tellsLater) announcer.flush();
  }

  function perform(effect: Effect): void {
    switch (effect.type) {
      case "load":
        vault.open();
        break;
      case "save":
        saving = save(effect.record);
        break;
      case "renew":
        start(effect.round);
        break;
      case "overtake":
        reign = {};
        overtaken.abort();
        rouse();
        break;
      case "wake":
        wake();
        break;
      case "fail":
        queue.fail(effect.error, effect.through);
        break;
      case "emit":
        announcer.add(effect.event);
    }
  }

  function start(round: Round): void {
    const mine = reign;
    overtaken = new AbortController();
    const bound: Desk = { ...desk, serves: (record) => reign === mine && desk.serves(record) };
    const work = renew(round, bound, overtaken.signal).then((outcome) =>
      dispatch({ type: "ended", round, outcome, now: clock.now() }),
    );
    // Also those that were overtaken: what they bring late may have to be revoked.
    running = Promise.all([running, work]).then(() => {});
    void outliving(work);
  }

  function wake(): void {
    const count = queue.wake(familyOf(machine));
    if (count > 0) announcer.add({ type: "released", count });
    rouse();
  }

  function emit(event: SessionEvent): void {
    announcer.add(event);
    announcer.flush();
  }

  function first(): First | null {
    if (given) return { status: "storing", record: { family: newFamily(), generation: 0, tokens: given } };
    if (settings.restore)
      return { status: "restoring", record: { family: newFamily(), generation: -1, tokens: {} } };
    // All who share the cookie share its family, though none of them signed in.
    return scheme.sendsToken
      ? null
      : { status: "signedIn", record: { family: "cookie", generation: 0, tokens: {} } };
  }

  function save(record: SessionRecord | null): Promise<unknown> {
    const mine = reign;
    return vault.save({ record, due: () => reign === mine && desk.serves(record) });
  }

  const gate = createGate({
    settings,
    queue,
    own,
    machine: () => machine,
    isClosing: () => closing !== undefined,
    dispatch,
    emit,
    underWay(more) {
      requests += more;
    },
  });

  // What a round needs

  const desk: Desk = {
    settings,
    own,
    look: () => vault.look(true),
    serves: (record) => sameRecord(machine.record, record),
    save: vault.save,
    written: vault.written,
    renewedLate: (record, stored) => dispatch({ type: "renewedLate", record, stored }),
    orphan: (tokens) => revoke(Promise.resolve(tokens)),
    attempting: (reason, attempt) => emit({ type: "refreshStarted", reason, attempt }),
    sleep: (ms) =>
      new Promise((resolve) => {
        rouse = () => {
          stop();
          resolve(!closing);
        };
        const stop = clock.timer(rouse, closing ? 0 : ms, false);
      }),
  };

  // Decides when the last of a session is known: close() waits for that, though not for the server. After another
  // sign-in nothing is revoked: servers tie two sign-ins of one browser to one grant.
  function revoke(ending: Promise<TokenSet | undefined>): void {
    let revoking: unknown;
    const decided = ending
      .then((tokens) => {
        if (tokens && machine.status === "signedOut") revoking = settings.revoke?.(tokens);
      })
      .catch(() => {});
    running = Promise.all([running, decided]).then(() => {});
    void outliving(decided.then(() => revoking).catch(() => {}));
  }

  async function outliving(work: Promise<unknown>): Promise<void> {
    try {
      await settings.waitUntil?.(work);
    } catch {}
  }

  function newFamily(): string {
    const parts = [clock.now(), clock.random(), clock.random(), ++families];
    return parts.map((part) => part.toString(36).replace("0.", "")).join("-");
  }

  function readAs(name: string, value: unknown): TokenSet {
    try {
      return readTokens(value, scheme, clock.now());
    } catch (error) {
      throw new TypeError(`\`${name}\`: ${(error as TypeError).message}`);
    }
  }

  // The newest that the store has of what was signed out: a peer may have renewed it unheard.
  async function newestOf(ended: SessionRecord | null): Promise<TokenSet | undefined> {
    const found = await vault.read().catch(() => null);
    const isNewer = !ended || (found?.family === ended.family && found.generation > ended.generation);
    const newest = isNewer ? found : ended;
    return newest && newest.generation >= 0 ? newest.tokens : undefined;
  }

  async function close(): Promise<void> {
    // Only then is `closing` set, and a round that sleeps wakes to it.
    await Promise.resolve();
    rouse();
    await running;
    await vault.close();
    dispatch({ type: "close" });
    announcer.listeners.clear();
  }

  async function signOut(): Promise<void> {
    const { record, status } = machine;
    if (closing) throw closedError();
    // Asked when earlier writes have ended and before the store forgets it, and not waited for: a store that hangs
    // must not keep the session.
    const isRevoked = settings.revoke && status !== "signedOut";
    const newest = isRevoked ? Promise.resolve(vault.written()).then(() => newestOf(record)) : undefined;
    const saved = written({ type: "signOut" });
    if (newest) revoke(saved.then(() => newest));
    await saved;
  }

  // A call that comes from inside another input waits for its turn: its write is known a little later.
  async function written(input: Input): Promise<void> {
    dispatch(input);
    await Promise.resolve();
    await vigil.during(saving);
  }

  dispatch({ type: "reload" });

  const session: Session = {
    get state() {
      return state;
    },
    loaded,
    subscribe(listener) {
      // Its own function, so that one that subscribes twice hears twice, and each undo is its own.
      const told = (event: SessionEvent) => listener(event);
      announcer.listeners.add(told);
      return () => announcer.listeners.delete(told);
    },
    async signIn(value) {
      const tokens = readAs("signIn", value);
      if (closing) throw closedError();
      await written({
        type: "signIn",
        record: Object.freeze({ family: newFamily(), generation: 0, tokens }),
      });
    },
    signOut,
    async tokens({ signal } = {}) {
      let made = gate.family();
      const turn = () => gate.hold(made, { signal, replayable: true, held: false });
      for (let pending = turn(); pending; pending = turn()) {
        const stamp = await pending;
        made ??= stamp;
      }
      if (!made) throw machine.rejected?.error ?? nobodyError();
      return gate.served(made).tokens;
    },
    async refresh({ signal } = {}) {
      if (signal?.aborted) throw signal.reason;
      let from: SessionRecord | null | undefined;
      while (from === undefined || desk.serves(from)) {
        if (closing) throw closedError();
        const pending = gate.known(signal);
        if (pending) {
          await pending;
          continue;
        }
        from ??= machine.record;
        if (!from) throw machine.rejected?.error ?? nobodyError();
        dispatch({ type: "needed", reason: "requested", now: clock.now() });
        await gate.newer(from, signal);
      }
      // Who asked while it was being restored, asked under nobody: whoever is served now will do.
      const family = from && from.generation >= 0 ? from.family : familyOf(machine);
      return gate.served(family ?? "").tokens;
    },
    close() {
      closing ??= vigil.during(close());
      return closing;
    },
    connect: ({ origins = settings.origins, base } = {}) => createConnection(gate, originsOf(origins, base)),
  };

  return {
    session,
    isBusy: () => requests > 0 || isPending(machine) || machine.round !== null || vault.isPending,
  };
}
