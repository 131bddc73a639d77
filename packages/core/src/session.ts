import { within } from "./deadline.ts";
import { digest } from "./digest.ts";
import { QueueFullError, SignedOutError } from "./errors.ts";
import { createAnnouncer, type SessionEvent } from "./events.ts";
import { type Connection, createConnection, type Gate, type Patience } from "./exchange.ts";
import {
  admit,
  closedError,
  type Effect,
  type First,
  familyOf,
  type Input,
  isCooling,
  isPending,
  type Round,
  refreshFailedError,
  signedOutError,
  transition,
  unread,
} from "./machine.ts";
import { type SessionOptions, settingsOf } from "./options.ts";
import { type Origins, originsOf } from "./origin.ts";
import { createQueue } from "./queue.ts";
import { type Desk, renew } from "./renewal.ts";
import { type SessionState, snapshot } from "./state.ts";
import { readRecord, type SessionRecord, sameRecord } from "./store.ts";
import { readTokens, type TokenResponse, type TokenSet } from "./tokens.ts";
import { createWriter } from "./writer.ts";

/** One sign-in: its tokens, its state, and the requests that wait for it. */
export interface Session {
  /** An immutable snapshot: the same object until something changes. */
  readonly state: SessionState;
  /** Resolves when the store was read, and a refresh that `restore` asks for has ended. Never rejects. */
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
   * Rejects with {@link RefreshFailedError}, RefreshRejectedError, {@link SignedOutError} or the signal's reason.
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
  const settings = settingsOf(options);
  const { clock, store, scheme, refreshTimeout } = settings;
  const given = settings.tokens && readAs("tokens", settings.tokens);
  const queue = createQueue(stayAwake);
  const announcer = createAnnouncer();
  const writer = createWriter(settings, look, storeFailed);
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
  // How often the user signed in or out here: what was read from the store before is of no use after.
  let changes = 0;
  let overtaken = new AbortController();
  let rouse = () => {};
  let running: Promise<unknown> = loaded;
  let saving: Promise<unknown> = loaded;
  let closing: Promise<void> | undefined;
  let families = 0;

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
    state = snapshot(machine, state);
    if (!isPending(machine)) resolveLoaded();
    if (!tellsLater) announcer.flush();
  }

  function perform(effect: Effect): void {
    switch (effect.type) {
      case "load":
        load();
        break;
      case "save":
        saving = save(effect.record, effect.expected);
        break;
      case "renew":
        start(effect.round);
        break;
      case "overtake":
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
    overtaken = new AbortController();
    running = renew(round, desk, overtaken.signal).then((outcome) =>
      dispatch({ type: "ended", round, outcome, now: clock.now() }),
    );
    lasting(running);
  }

  function wake(): void {
    const count = queue.wake();
    if (count > 0) announcer.add({ type: "released", count });
    rouse();
  }

  function emit(event: SessionEvent): void {
    announcer.add(event);
    if (inputs.length === 0) announcer.flush();
  }

  // What the store has

  function load(): void {
    try {
      const value = store.load();
      if (value instanceof Object && "then" in value) {
        void within(() => value, refreshTimeout, clock, "load() of the store").then(read, readFailed);
      } else {
        read(value);
      }
    } catch (error) {
      // Later, so that those who asked for it wait by then.
      void Promise.resolve(error).then(readFailed);
    }
  }

  function read(value: unknown): void {
    dispatch({ type: "read", record: accept(value), first: first(), now: clock.now() });
  }

  function readFailed(error: unknown): void {
    const cause = storeFailed(error);
    const failure = refreshFailedError("the store could not be read", clock.now(), cause);
    dispatch({ type: "readFailed", error: failure });
  }

  async function look(isInSection = false): Promise<SessionRecord | null> {
    const began = changes;
    const value = await within(() => store.load(), refreshTimeout, clock, "load() of the store").catch(
      (error) => {
        throw storeFailed(error);
      },
    );
    const record = accept(value);
    // A round that finds it is not alone leaves the section and ends: then it is told.
    if (began === changes) dispatch({ type: "found", record }, isInSection);
    return record;
  }

  function accept(value: unknown): SessionRecord | null {
    try {
      return readRecord(value, scheme);
    } catch (error) {
      storeFailed(error);
      return null;
    }
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

  function storeFailed(error: unknown, tokens: TokenSet = {}): Error {
    const shown = digest(error, [tokens, machine.record?.tokens ?? {}, former]);
    emit({ type: "storeFailed", error: shown });
    return shown;
  }

  let hints = 0;

  // Hints that come during a look ask for one more.
  async function hinted(): Promise<void> {
    if (hints++ > 0) return;
    for (let seen = 0; seen !== hints && !closing; ) {
      seen = hints;
      await look().catch(() => {});
    }
    hints = 0;
  }

  function save(record: SessionRecord | null, expected?: SessionRecord | null): Promise<unknown> {
    return desk.save({ record, expected, due: () => desk.serves(record) });
  }

  // What a round needs

  const desk: Desk = {
    settings,
    own,
    look: () => look(true),
    serves: (record) => machine.status !== "closed" && sameRecord(machine.record, record),
    save: (write) =>
      writer.write({
        ...write,
        ended(written) {
          if (written === "stored" || written === "failed") {
            dispatch({ type: "saved", record: write.record, stored: written === "stored" });
          }
          write.ended?.(written);
        },
      }),
    renewedLate: (record, stored) => dispatch({ type: "renewedLate", record, stored }),
    // After another sign-in nothing is revoked: servers tie two sign-ins of one browser to one grant.
    orphan: (tokens) => machine.status === "signedOut" && revoke(tokens),
    attempting(attempt) {
      const reason = machine.round?.reason;
      if (reason) emit({ type: "refreshStarted", reason, attempt });
    },
    sleep: (ms) =>
      new Promise((resolve) => {
        const stop = clock.timer(() => rouse(), closing ? 0 : ms, false);
        rouse = () => {
          stop();
          resolve(!closing);
        };
      }),
  };

  function revoke(tokens: TokenSet): void {
    const revoking = Promise.resolve(tokens).then((ended) => settings.revoke?.(ended));
    lasting(revoking.catch(() => {}));
  }

  function lasting(work: Promise<unknown>): void {
    try {
      settings.waitUntil?.(work);
    } catch {}
  }

  // What a request needs

  const gate: Gate = {
    settings,
    owns: (signal) => signal != null && own.has(signal),
    family: () => familyOf(machine),
    served(family) {
      const { record, rejected, status } = machine;
      if (record?.family === family && status !== "restoring") return record;
      if (rejected?.family === family) throw rejected.error;
      throw status === "closed" ? closedError() : signedOutError();
    },
    hold,
    refused(sent) {
      if (closing) throw closedError();
      dispatch({ type: "refused", family: sent.family, generation: sent.generation, now: clock.now() });
      if (machine.round) return true;
      if (machine.coolDown && isCooling(machine, clock.now())) throw machine.coolDown.error;
      return false;
    },
    async newer(sent, signal) {
      const isThere = !desk.serves(sent);
      if (!isThere) await queue.wait({ held: false, beyond: sent.generation, signal });
    },
    replayed: (request) => emit({ type: "replayed", ...request }),
  };

  function hold(made: string | undefined, patience: Patience): Promise<void> | undefined {
    const { signal, replayable, held } = patience;
    if (signal?.aborted) throw signal.reason;
    let admission = judge();
    if (admission.type !== "fail" && admission.first && !closing) {
      dispatch(admission.first);
      admission = judge();
    }
    if (admission.type === "go") return undefined;
    if (admission.type === "fail") throw admission.error;
    if (closing) throw closedError();
    if (held && queue.held >= settings.maxHeld) throw queueFullError(settings.maxHeld);
    const beyond = machine.record?.generation ?? -1;
    const waiting = queue.wait({ held, beyond, lenient: !replayable && !machine.refused, signal });
    if (held) emit({ type: "held", count: queue.held });
    return waiting;

    function judge() {
      if (made) gate.served(made);
      return admit(machine, replayable, clock.now(), settings);
    }
  }

  // A process in which somebody waits stays alive: every wait ends at some deadline, whose own timer would not hold it.
  let awake = 0;
  let letSleep = () => {};

  function stayAwake(isBusy: boolean): void {
    awake += isBusy ? 1 : -1;
    if (isBusy && awake === 1) letSleep = clock.timer(() => {}, 2 ** 31 - 1, true);
    if (awake === 0) letSleep();
  }

  async function awaited<T>(work: Promise<T>): Promise<T> {
    stayAwake(true);
    return work.finally(() => stayAwake(false));
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
  async function newestOf(ended: SessionRecord | null): Promise<SessionRecord | null> {
    if (!settings.revoke) return null;
    const stored = await look().catch(() => null);
    const isNewer =
      stored?.family === ended?.family && Number(stored?.generation) > Number(ended?.generation);
    return !ended || isNewer ? stored : ended;
  }

  function nobodyError(): Error {
    return machine.rejected?.error ?? new SignedOutError("Nobody is signed in. Call session.signIn() first");
  }

  // Waits until it is known who is signed in, and that it is stored; undefined: it is.
  function known(signal: AbortSignal | undefined): Promise<void> | undefined {
    if (closing) throw closedError();
    if (machine.status === "unread") dispatch({ type: "reload" });
    if (machine.status !== "loading" && machine.status !== "storing") return undefined;
    return queue.wait({ held: false, beyond: -1, signal });
  }

  async function close(): Promise<void> {
    // Only then is `closing` set, and a round that sleeps wakes to it.
    await Promise.resolve();
    rouse();
    if (machine.round) await running;
    await writer.close();
    unsubscribe?.();
    dispatch({ type: "close" });
    announcer.listeners.clear();
  }

  async function signOut(): Promise<void> {
    const { record, status } = machine;
    if (closing) throw closedError();
    if (status === "signedOut" && machine.stored === null) return;
    changes++;
    dispatch({ type: "signOut" });
    const newest = writer.inTurn(() => newestOf(record));
    await awaited(save(null));
    const ended = status === "signedOut" ? null : await newest;
    if (ended && ended.generation >= 0) revoke(ended.tokens);
  }

  const unsubscribe = store.subscribe?.(() => void hinted());
  dispatch({ type: "reload" });

  return {
    get state() {
      return state;
    },
    loaded,
    subscribe(listener) {
      // Its own function, so that one that subscribes twice hears twice, and each undo is its own.
      const own = (event: SessionEvent) => listener(event);
      announcer.listeners.add(own);
      return () => announcer.listeners.delete(own);
    },
    async signIn(value) {
      const tokens = readAs("signIn", value);
      if (closing) throw closedError();
      changes++;
      dispatch({ type: "signIn", record: Object.freeze({ family: newFamily(), generation: 0, tokens }) });
      await awaited(saving);
    },
    signOut,
    async tokens({ signal } = {}) {
      let made = familyOf(machine);
      const turn = () => (made === "" ? undefined : hold(made, { signal, replayable: true, held: false }));
      for (let pending = turn(); pending; pending = turn()) {
        await pending;
        made ??= familyOf(machine);
      }
      if (!made) throw nobodyError();
      return gate.served(made).tokens;
    },
    async refresh({ signal } = {}) {
      if (signal?.aborted) throw signal.reason;
      for (let pending = known(signal); pending; pending = known(signal)) await pending;
      const from = machine.record;
      if (!from) throw nobodyError();
      do {
        if (closing) throw closedError();
        dispatch({ type: "needed", reason: "requested", now: clock.now() });
        await gate.newer(from, signal);
      } while (desk.serves(from));
      return gate.served(from.family).tokens;
    },
    close() {
      closing ??= awaited(close());
      return closing;
    },
    connect: ({ origins = settings.origins, base } = {}) => createConnection(gate, originsOf(origins, base)),
  };
}

function queueFullError(limit: number): QueueFullError {
  return new QueueFullError(
    `${limit} requests are held already, as many as \`maxHeld\` allows. Try again when the refresh has ended`,
  );
}
