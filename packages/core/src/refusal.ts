/** What a resource server answered, as far as a session needs to know. */
export interface Answer {
  readonly status: number;
  /** The final URL, after redirects; absent where the client does not tell. */
  readonly url?: string | undefined;
  /** A header field's value, or null. `name` is in lower case. */
  field(name: string): string | null;
  /** The client's own response. */
  readonly response: unknown;
}

// What new tokens cannot cure: RFC 9470 §3 (a stronger sign-in), RFC 6750 §3.1 (a wider scope), RFC 9449 §7.1 and
// §9 (another proof, which the scheme had its chance to make).
// Quoted values before it are stepped over, whatever they say.
const INCURABLE =
  /^(?:[^"]|"(?:\\.|[^"\\])*")*?[\s,]error\s*=\s*"?(?:insufficient_(?:scope|user_authentication)|invalid_dpop_proof|use_dpop_nonce)\b/i;

/**
 * Tells whether an answer is a refusal that new tokens can cure: a 401, unless its challenge or its origin
 * says otherwise. The challenge is often missing, or unreadable under CORS: used where present, never required.
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-3.1
 */
export function isRefusal(answer: Answer, requested: string | URL): boolean {
  if (answer.status !== 401) return false;
  if (INCURABLE.test(answer.field("www-authenticate") ?? "")) return false;
  return !answer.url || sameOrigin(answer.url, requested);
}

// An answer from another origin, after a redirect, was not about our token: it does not travel there.
function sameOrigin(one: string, other: string | URL): boolean {
  try {
    return new URL(one).origin === new URL(other, one).origin;
  } catch {
    return true;
  }
}
