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

interface Evidence {
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
  readonly code: OAuthErrorCode;
  /**
   * The server's own error code; absent where it gave none.
   * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
   */
  declare readonly error?: string;
  /** The status of the server's answer; absent where there was none. */
  declare readonly status?: number;

  constructor(code: OAuthErrorCode, message: string, { cause, error, status }: Evidence = {}) {
    super(message, cause ? { cause: digest(cause) } : undefined);
    this.code = code;
    if (error) this.error = error;
    if (status) this.status = status;
  }
}

// The errors of clients carry the request that failed, and those of oauth4webapi the answer.
function digest(error: unknown): Error {
  const { name, message, code, cause } = Object(error);
  return Object.assign(new Error(message), { name, code: code ?? Object(cause).code });
}
