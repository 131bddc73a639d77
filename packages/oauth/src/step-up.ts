import { isAge } from "./max-age.ts";

/**
 * What a resource server demands of the sign-in before it lets a request pass: other tokens of the same sign-in do not
 * help. The names are those of the authorization request, whose `parameters` it is good for.
 * @see https://www.rfc-editor.org/rfc/rfc9470#section-3
 */
export type StepUpChallenge = Readonly<{
  /** Authentication context classes, the preferred first, with spaces between. Absent: it names none. */
  acr_values?: string;
  /** How many seconds ago the user may have signed in at most, a whole number. Absent: however long. */
  max_age?: string;
}>;

interface Answered {
  readonly status?: unknown;
  readonly headers?: { get?(name: string): unknown };
}

// A parameter with its value, quoted or not; before the first of a challenge stands its scheme. It begins where a word
// does, so that a long one is looked at once.
const PARAMETER = /(?<![\w*-])(?:([\w*-]+)\s+)?([\w*-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s",]+))/g;

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
 * // Once: a server that cannot sign the user in as strongly would be asked without end.
 * export async function stronger(response: Response, isAsked: boolean) {
 *   const parameters = isAsked ? undefined : stepUpChallenge(response);
 *   return parameters && (await oauth.authorizationUrl({ parameters, returnTo: location.pathname }));
 * }
 * ```
 */
export function stepUpChallenge(answer: unknown): StepUpChallenge | undefined {
  const { status, headers }: Answered = Object(Object(answer).response ?? answer);
  const field = status === 401 ? headers?.get?.("www-authenticate") : undefined;
  if (typeof field !== "string") return undefined;
  const challenge = challengesIn(field).find(
    (parameters) => parameters.get("error")?.toLowerCase() === "insufficient_user_authentication",
  );
  if (!challenge) return undefined;
  const acr_values = challenge.get("acr_values")?.trim();
  const max_age = challenge.get("max_age") ?? "";
  return { ...(acr_values && { acr_values }), ...(isAge(max_age) && { max_age }) };
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
