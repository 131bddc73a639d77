export type OAuthErrorCode =
  | "ERR_DISCOVERY_FAILED"
  | "ERR_ISSUER_MISMATCH"
  | "ERR_METADATA_INVALID"
  | "ERR_RETURN_TO_REFUSED"
  | "ERR_CALLBACK_INVALID"
  | "ERR_AUTHORIZATION_REFUSED"
  | "ERR_TOKEN_REQUEST_FAILED"
  | "ERR_TOKEN_RESPONSE_INVALID"
  | "ERR_DPOP_KEY_LOST"
  | "ERR_DPOP_KEY_UNAVAILABLE"
  | "ERR_DPOP_UNSUPPORTED"
  | "ERR_DPOP_NONCE_UNREADABLE";

/** For metadata that was read and is wrong: a session takes this for a matter of configuration, and asks no second time. */
export const MISCONFIGURED = { error: "invalid_client_metadata", status: 200 };

export interface Evidence {
  readonly cause?: unknown;
  readonly error?: string | undefined;
  readonly status?: number | undefined;
}

/**
 * What goes wrong between an application and its authorization server: a stable `code`, and a message that says
 * what to do next. Nothing in it quotes a token, a code or a secret.
 */
export class OAuthError extends Error {
  override readonly name = "OAuthError";
  declare readonly code: OAuthErrorCode;
  /**
   * The server's own error code; absent where it gave none. What is no such code is not shown. Where metadata is wrong,
   * `invalid_client_metadata`, with the status 200.
   * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
   */
  declare readonly error?: string | undefined;
  /** The status of the server's answer; absent where there was none. */
  declare readonly status?: number | undefined;

  constructor(code: OAuthErrorCode, message: string, { cause, error, status }: Evidence = {}) {
    super(
      message + ((error ?? status) ? ` (${error ?? status})` : ""),
      cause ? { cause: digest(cause) } : undefined,
    );
    Object.assign(this, { code, error, status });
  }
}

/** Finds the error code in what a server answered. Anything else under that name may quote what was sent. */
export function errorCodeIn(answer: unknown): string | undefined {
  return /^[a-z_]{1,40}$/.exec(Object(answer).error ?? "")?.[0];
}

/**
 * What may be shown of an error: those of clients carry the request that failed, and those of oauth4webapi the
 * answer. `said` replaces a message that may quote it.
 */
export function digest(error: unknown, said?: string): Error {
  const { name, message, code, cause } = Object(error);
  return Object.assign(new Error(said ?? message), { name, code: code ?? cause?.code });
}
