/**
 * What a resource server demands of the sign-in before it lets a request pass: other tokens of the same sign-in do not
 * help.
 * @see https://www.rfc-editor.org/rfc/rfc9470#section-3
 */
export interface StepUpChallenge {
  /** Authentication context classes, the preferred first. Absent: it names none. */
  readonly acrValues?: readonly string[];
  /** How long ago the user may have signed in at most, in seconds. Absent: however long. */
  readonly maxAge?: number;
}

interface Answered {
  readonly status?: unknown;
  readonly headers?: { get?(name: string): unknown };
}

// A parameter with its value, quoted or not; before the first of a challenge stands its scheme. It begins where a word
// does, so that a long one is looked at once.
const PARAMETER = /(?<![\w-])(?:([\w-]+)\s+)?([\w-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s",]+))/g;

/**
 * Reads which stronger sign-in an answer demands; undefined: none. Takes the response of fetch, ky or axios, or the
 * error that one of them throws for it. Under CORS a page reads it only where the server exposes `WWW-Authenticate`.
 *
 * @example
 * ```ts
 * import { createOAuth, stepUpChallenge } from "@freshtoken/oauth";
 *
 * const oauth = createOAuth({ issuer: "https://login.example.com", clientId: "spa", scope: "openid" });
 *
 * export async function demanded(response: Response): Promise<string | undefined> {
 *   const stepUp = stepUpChallenge(response);
 *   return stepUp && (await oauth.authorizationUrl({ stepUp, returnTo: location.pathname })).url;
 * }
 * ```
 */
export function stepUpChallenge(answer: unknown): StepUpChallenge | undefined {
  const { status, headers }: Answered = Object(Object(answer).response ?? answer);
  const field = status === 401 ? headers?.get?.("www-authenticate") : undefined;
  if (typeof field !== "string") return undefined;
  const challenge = challengesIn(field).find(
    (parameters) => parameters.get("error") === "insufficient_user_authentication",
  );
  if (!challenge) return undefined;
  const acrValues = challenge.get("acr_values")?.split(" ").filter(Boolean) ?? [];
  const maxAge = challenge.get("max_age") ?? "";
  return {
    ...(acrValues.length > 0 && { acrValues }),
    ...(/^\d{1,15}$/.test(maxAge) && { maxAge: Number(maxAge) }),
  };
}

function challengesIn(field: string): readonly Map<string, string>[] {
  const challenges = [new Map<string, string>()];
  for (const [, scheme, name = "", quoted, plain = ""] of field.matchAll(PARAMETER)) {
    if (scheme) challenges.push(new Map());
    const value = quoted?.replace(/\\(.)/g, "$1") ?? plain;
    challenges.at(-1)?.set(name.toLowerCase(), value);
  }
  return challenges;
}
