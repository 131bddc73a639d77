import { DeadlineError } from "./deadline.ts";
import type { RefreshContext, Settings } from "./options.ts";
import { readTokens, renewedTokens, rotatedToken, type TokenSet } from "./tokens.ts";
import { judgeError, judgeResult, timedOut, unusable, type Verdict } from "./verdict.ts";

/** What came of one call of `refresh`. */
export type Attempted =
  | { readonly type: "renewed"; readonly tokens: TokenSet }
  /** With tokens: the answer cannot be used, yet the server has rotated the refresh token. */
  | (Verdict & { readonly tokens?: TokenSet });

/**
 * Calls `refresh` once, with a signal and a deadline of its own. Never rejects.
 * `late` gets the answer of an attempt that was given up.
 */
export function attempt(
  settings: Settings,
  context: Omit<RefreshContext, "signal">,
  own: WeakSet<AbortSignal>,
  late: (answer: Attempted) => void,
): Promise<Attempted> {
  const { clock, refreshTimeout } = settings;
  const controller = new AbortController();
  own.add(controller.signal);
  return new Promise((resolve) => {
    let settle: (answer: Attempted) => void = resolve;
    const giveUp = () => {
      settle = late;
      controller.abort(new DeadlineError(`The refresh took longer than ${refreshTimeout} ms`));
      resolve(timedOut(refreshTimeout));
    };
    const stop = clock.timer(giveUp, refreshTimeout, false);
    void ask(settings, { ...context, signal: controller.signal }).then((answer) => {
      stop();
      settle(answer);
    });
  });
}

async function ask(settings: Settings, context: RefreshContext): Promise<Attempted> {
  const { clock, isRejection } = settings;
  const requestedAt = clock.now();
  try {
    const judged = await judgeResult(await settings.refresh(context), isRejection, clock.now);
    return "value" in judged ? read(settings, judged.value, context.tokens, requestedAt) : judged;
  } catch (error) {
    return judgeError(error, isRejection, clock.now);
  }
}

function read(settings: Settings, value: unknown, previous: TokenSet, requestedAt: number): Attempted {
  try {
    const answered = readTokens(value, settings.scheme, requestedAt);
    const now = settings.clock.now();
    return { type: "renewed", tokens: renewedTokens(answered, previous, now, settings) };
  } catch (error) {
    const refreshToken = rotatedToken(value);
    const isKept = refreshToken === previous.refreshToken;
    if (!refreshToken || isKept || (settings.scheme.sendsToken && !previous.accessToken))
      return unusable(error);
    return { ...unusable(error), tokens: Object.freeze({ ...previous, refreshToken }) };
  }
}
