import { kindOf } from "./kind.ts";
import { type Origins, parseOrigin } from "./origin.ts";
import type { Answer } from "./refusal.ts";
import { bearer, type Scheme } from "./scheme.ts";
import { memoryStore, type SessionStore } from "./store.ts";
import type { TokenResponse, TokenSet } from "./tokens.ts";

/** Time and chance, as a session sees them. Give another one in tests. */
export interface Clock {
  /** The time in ms since the epoch. */
  now(): number;
  /** A number from 0 up to 1. */
  random(): number;
  /** Runs something once, after `ms`. `keepAlive`: the process waits for it. Returns its undo. */
  timer(run: () => void, ms: number, keepAlive: boolean): () => void;
}

/** What one attempt is given. */
export interface RefreshContext {
  /** The newest refresh token; `""` where there is none. */
  readonly refreshToken: string;
  readonly tokens: TokenSet;
  /**
   * Aborts when the attempt has run out of time. A request made with this very signal passes through the
   * clients that the session is attached to.
   */
  readonly signal: AbortSignal;
  /** Which call of `refresh` in its round: 1, 2 … */
  readonly attempt: number;
}

export interface SessionOptions {
  /**
   * Gets new tokens, once. A Response is read for you: its status, error code and Retry-After. Null ends the
   * session.
   * @see https://www.rfc-editor.org/rfc/rfc6749#section-6
   */
  refresh(context: RefreshContext): Promise<Response | TokenResponse | TokenSet | null>;
  /** Where the session is kept, and who shares it. @default memoryStore() */
  store?: SessionStore | undefined;
  /** A first token set, used where the store holds none. */
  tokens?: TokenSet | TokenResponse | undefined;
  /**
   * With an empty store, tries one refresh before calling the session signed out: for a refresh token in an
   * HttpOnly cookie. @default false
   */
  restore?: boolean | undefined;
  /**
   * Which origins may see the token, for example `["https://api.example.com"]`. Absent: the origin of the
   * client's base URL, else the page's own.
   */
  origins?: Origins | undefined;
  /** How a request shows that it is authorized. @default bearer() */
  scheme?: Scheme | undefined;
  /** Replaces the rule for what is a refusal: a 401 that new tokens can cure. Read a body only through a clone. */
  isRefusal?: ((answer: Answer) => boolean | Promise<boolean>) | undefined;
  /**
   * Overrules whether an error of `refresh` ends the session. Gets what `refresh` threw; for a Response, an
   * Error with its `status` and `code`. Undefined: as usual.
   */
  isRejection?: ((error: unknown) => boolean | undefined) | undefined;
  /**
   * Tells the authorization server that tokens are no longer used: after a sign-out the newest ones, and those
   * that a refresh still brings. Never holds up signing out.
   * @see https://www.rfc-editor.org/rfc/rfc7009
   */
  revoke?: ((tokens: TokenSet) => Promise<void>) | undefined;
  /** For runtimes that stop with the request: hears of work that should still end. */
  waitUntil?: ((work: Promise<unknown>) => void) | undefined;
  /**
   * A token with less than this left, in ms, is stale: it is not sent. A twentieth of its lifetime, where
   * that is less. @default 5_000
   */
  leeway?: number | undefined;
  /**
   * A token with less than this left, in ms, is ageing: it is sent, and refreshed in the background. A
   * quarter of its lifetime, where that is less. False: never. @default 60_000
   */
  refreshAhead?: number | false | undefined;
  /** How long one attempt may take, in ms; also the deadline of every call to the store. @default 10_000 */
  refreshTimeout?: number | undefined;
  /** How often `refresh` is called in one round, at most. @default 3 */
  refreshAttempts?: number | undefined;
  /**
   * How many refreshes refusals may cause within so many ms. Past that, refusals go to their callers.
   * @default { max: 5, within: 30_000 }
   */
  refusalLimit?: { readonly max: number; readonly within: number } | false | undefined;
  /** How many requests may be held. Refused ones that wait do not count. @default Infinity */
  maxHeld?: number | undefined;
  /** Time and chance. @default the platform's */
  clock?: Clock | undefined;
}

type WithoutDefault = Pick<
  SessionOptions,
  "tokens" | "origins" | "isRefusal" | "isRejection" | "revoke" | "waitUntil"
>;

type Complete = { readonly [K in keyof SessionOptions]-?: Exclude<SessionOptions[K], undefined> };

/** The options, with every default in its place. */
export type Settings = Omit<Complete, keyof WithoutDefault> & WithoutDefault;

/** Checks the options and completes them. Throws a TypeError that names the option and what arrived. */
export function settingsOf(options: SessionOptions): Settings {
  if (!isObject(options)) throw new TypeError(`createSession takes options, not ${kindOf(options)}`);
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(RULES, name)) throw new TypeError(`createSession knows no option \`${name}\``);
    const rule = RULES[name as keyof SessionOptions];
    const value: unknown = options[name as keyof SessionOptions];
    if (value === undefined) continue;
    if (!rule.allows(value)) throw new TypeError(`\`${name}\` is ${rule.is}, not ${shown(value)}`);
  }
  if (!options.refresh) throw new TypeError(`\`refresh\` is ${RULES.refresh.is}, not undefined`);
  if (Array.isArray(options.origins)) options.origins.forEach(parseOrigin);
  // What every session needs one of its own of is made here; the rest is shared.
  return { ...DEFAULTS, scheme: bearer(), store: memoryStore(), ...defined(options) } as Settings;
}

const DEFAULTS = {
  restore: false,
  leeway: 5_000,
  refreshAhead: 60_000,
  refreshTimeout: 10_000,
  refreshAttempts: 3,
  refusalLimit: { max: 5, within: 30_000 },
  maxHeld: Number.POSITIVE_INFINITY,
  clock: {
    now: () => Date.now(),
    random: () => Math.random(),
    timer(run, ms, keepAlive) {
      const timer: unknown = setTimeout(run, ms);
      if (!keepAlive) (timer as { unref?(): void }).unref?.();
      return () => clearTimeout(timer as number);
    },
  } satisfies Clock,
};

interface Rule {
  readonly is: string;
  allows(value: unknown): boolean;
}

const FUNCTION: Rule = { is: "a function", allows: (value) => typeof value === "function" };
const DURATION: Rule = { is: "a number of ms, 0 or more", allows: isDuration };
// A longer timer fires at once.
const LONGEST = 2 ** 31 - 1;
const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const has = (value: unknown, ...methods: string[]) =>
  methods.every((method) => typeof Object(value)[method] === "function");

const mayHave = (value: unknown, ...methods: string[]) =>
  methods.every((method) => Object(value)[method] === undefined || has(value, method));

const RULES: { readonly [K in keyof Required<SessionOptions>]: Rule } = {
  refresh: { is: "a function that returns a promise of new tokens", allows: FUNCTION.allows },
  store: {
    is: "a store: load(), save(), and perhaps exclusive() and subscribe()",
    allows: (value) => has(value, "load", "save") && mayHave(value, "exclusive", "subscribe"),
  },
  tokens: { is: "a token set or a token response", allows: isObject },
  restore: { is: "true or false", allows: (value) => typeof value === "boolean" },
  origins: {
    is: 'a list such as ["https://api.example.com"], or a function of a URL',
    allows: (value) => Array.isArray(value) || typeof value === "function",
  },
  scheme: {
    is: "a scheme such as bearer(): sendsToken, fields(), and perhaps answered()",
    allows: (value) =>
      has(value, "fields") && mayHave(value, "answered") && typeof Object(value).sendsToken === "boolean",
  },
  isRefusal: FUNCTION,
  isRejection: FUNCTION,
  revoke: FUNCTION,
  waitUntil: FUNCTION,
  leeway: DURATION,
  refreshAhead: { is: `${DURATION.is}, or false`, allows: (value) => value === false || isDuration(value) },
  refreshTimeout: { is: "a number of ms, more than 0", allows: (value) => isDuration(value) && value !== 0 },
  refreshAttempts: { is: "a whole number, 1 or more", allows: (value) => isCount(value, 1) },
  refusalLimit: {
    is: "{ max, within }, or false",
    allows: (value) => value === false || (isCount(Object(value).max, 0) && isDuration(Object(value).within)),
  },
  maxHeld: {
    is: "a number of requests, 0 or more",
    allows: (value) => value === Number.POSITIVE_INFINITY || isCount(value, 0),
  },
  clock: {
    is: "a clock, with now(), random() and timer()",
    allows: (value) => has(value, "now", "random", "timer"),
  },
};

function isDuration(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= LONGEST;
}

function isCount(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= least;
}

// A string or an object may hold a token: only what cannot is shown as it is.
function shown(value: unknown): string {
  return typeof value === "number" || typeof value === "boolean" ? String(value) : kindOf(value);
}

function defined(options: SessionOptions): Partial<SessionOptions> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
