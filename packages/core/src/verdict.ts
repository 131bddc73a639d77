import { DeadlineError } from "./deadline.ts";
import { kindOf } from "./kind.ts";

/** Why an attempt gave no tokens, and what follows from it. */
export interface Verdict {
  /** Rejected: the refresh token is refused for good. Failed: it may work later. */
  readonly type: "rejected" | "failed";
  /** What happened, as a clause: "the authorization server answered 503". */
  readonly what: string;
  /** The raw error, where there was one: to be digested before anyone sees it. */
  readonly error: unknown;
  /** The server may have acted although its answer was not seen. */
  readonly lost: boolean;
  /** Asking again at once would not help: the registration or the wiring is wrong. */
  readonly permanent: boolean;
  /** What the server asked to wait, in ms. */
  readonly retryAfter?: number | undefined;
}

/** What an answer or an error shows of how the attempt ended. */
interface Evidence {
  readonly error: unknown;
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  readonly html?: boolean;
  readonly unsent?: boolean;
  readonly retryAfter?: string | null | undefined;
}

const REJECTING = /^(?:invalid_grant|invalid_token|interaction_required|login_required)$/;
const PASSING = /^(?:temporarily_unavailable|server_error|slow_down|use_dpop_nonce)$/;
// Frameworks put words of their own under `error`: only what RFC 6749 §5.2 and its extensions register is a code.
const REGISTERED =
  /^(?:invalid_(?:request|client|scope|target|dpop_proof|authorization_details|client_metadata)|unauthorized_client|unsupported_(?:grant_type|response_type|token_type)|access_denied|insufficient_(?:scope|user_authentication)|(?:account_selection|consent)_required|authorization_pending|expired_token)$/;
// The request never left, so its answer cannot have been lost.
const UNSENT =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_INVALID_URL)$/;

/** An answer of the token endpoint that brought no tokens. It quotes nothing of the body but a registered code. */
class AnswerError extends Error {
  override readonly name = "AnswerError";
  readonly status: number;
  readonly code: string | undefined;

  constructor(status: number, code: string | undefined) {
    super(`The token endpoint answered ${[status, code].filter(Boolean).join(" ")}`);
    this.status = status;
    this.code = code;
  }
}

/** Reads what `refresh` returned: a success to be read as tokens, or a verdict. */
export async function judgeResult(
  result: unknown,
  overrule: Overrule,
  now: () => number,
): Promise<{ readonly value: unknown } | Verdict> {
  if (result === null) return rejected("`refresh` returned null", undefined);
  if (!isResponse(result)) {
    const code = codeIn(result);
    const error = code ? new AnswerError(200, code) : undefined;
    return code ? judge({ error, status: 200, code }, overrule, now) : { value: result };
  }
  if (result.bodyUsed) return unusable(new TypeError("the body of the Response was read already"));
  const body = await result.text();
  const value = parse(body);
  const code = codeIn(value);
  const html = isHtml(result.headers.get("content-type"), body);
  if (result.status < 300 && result.status >= 200 && !code && !html) return { value: wireForm(value ?? {}) };
  const error = new AnswerError(result.status, code);
  return judge(
    { error, status: result.status, code, html, retryAfter: result.headers.get("retry-after") },
    overrule,
    now,
  );
}

/** Reads what `refresh` threw: errors of fetch, axios, ky and oauth4webapi show their answer in different places. */
export async function judgeError(error: unknown, overrule: Overrule, now: () => number): Promise<Verdict> {
  return judge(await evidenceOf(error), overrule, now);
}

/** The verdict on an answer that was read and brought no usable tokens. */
export function unusable(error: unknown): Verdict {
  const what = error instanceof TypeError ? error.message : `the answer is ${kindOf(error)}`;
  return {
    type: "failed",
    what: `the token response cannot be used: ${what}`,
    error,
    lost: false,
    permanent: true,
  };
}

/** The verdict on an attempt that did not answer in time. */
export function timedOut(ms: number): Verdict {
  const what = `\`refresh\` did not answer within ${ms} ms. If it uses a client that this session is attached to, pass that request the \`signal\` it was given`;
  return { type: "failed", what, error: new DeadlineError(what), lost: true, permanent: false };
}

// A body that names no access token at all is still a token response: under cookies it may carry other things.
function wireForm(value: unknown): unknown {
  const named = typeof value !== "object" || Array.isArray(value) || "accessToken" in Object(value);
  return named ? value : { access_token: undefined, ...Object(value) };
}

type Overrule = ((error: unknown) => boolean | undefined) | undefined;

function judge(evidence: Evidence, overrule: Overrule, now: () => number): Verdict {
  const { error, status, code } = evidence;
  const said = [status, code, evidence.html && "with a page of HTML"].filter(Boolean).join(" ");
  const what = said
    ? `the authorization server answered ${said}`
    : "the authorization server could not be asked";
  if (overruled(overrule, error) ?? isRejection(evidence)) return rejected(what, error);
  return {
    type: "failed",
    what,
    error,
    lost: status ? status === 502 || status === 504 : !evidence.unsent,
    permanent: isPermanent(evidence),
    retryAfter: retryAfter(evidence.retryAfter, now),
  };
}

function rejected(what: string, error: unknown): Verdict {
  return { type: "rejected", what, error, lost: false, permanent: true };
}

function overruled(overrule: Overrule, error: unknown): boolean | undefined {
  try {
    const said = overrule?.(error);
    return typeof said === "boolean" ? said : undefined;
  } catch {
    return undefined;
  }
}

function isRejection({ status, code, html }: Evidence): boolean {
  if (code) return REJECTING.test(code);
  return !html && (status === 400 || status === 401 || status === 403);
}

function isPermanent({ status, code, html }: Evidence): boolean {
  if (code) return !PASSING.test(code);
  if (!status || html) return false;
  return status >= 300 && status < 500 && ![408, 425, 429].includes(status);
}

// axios: response.data. ky: data, or an unread response. oauth4webapi: error, or a Response or challenges as cause.
async function evidenceOf(error: unknown): Promise<Evidence> {
  try {
    const { status, response, cause, data, headers } = Object(error);
    const answered = (value: unknown) => typeof Object(value).status === "number";
    const answer = [error, response, cause].find(isResponse) ?? [response, cause].find(answered);
    const unread = isResponse(answer) && !answer.bodyUsed ? await answer.clone().text() : undefined;
    const body = unread === undefined ? [data, Object(answer).data] : [parse(unread)];
    const challenge = Array.isArray(cause) ? cause[0]?.parameters : undefined;
    const type = field(Object(answer).headers, "content-type");
    return {
      error,
      status: [status, Object(answer).status].find((value) => typeof value === "number"),
      code: [error, ...body, cause, challenge].map(codeIn).find((code) => code),
      html: isHtml(type, unread ?? body.find((value) => typeof value === "string")),
      unsent: UNSENT.test(String(networkCode(error))),
      retryAfter: field(headers, "retry-after") ?? field(Object(answer).headers, "retry-after"),
    };
  } catch {
    return { error };
  }
}

function codeIn(value: unknown): string | undefined {
  const code = Object(value).error;
  if (typeof code !== "string") return undefined;
  return [REJECTING, PASSING, REGISTERED].some((codes) => codes.test(code)) ? code : undefined;
}

// The innermost code: clients wrap what the platform reports, ky twice.
function networkCode(error: unknown): unknown {
  const { code, cause } = Object(error);
  return cause ? (networkCode(cause) ?? code) : code;
}

function isHtml(contentType: string | null | undefined, body: unknown): boolean {
  return /\bhtml\b/i.test(contentType ?? "") || (typeof body === "string" && /^\s*</.test(body));
}

function field(headers: unknown, name: string): string | null | undefined {
  const fields = Object(headers);
  return typeof fields.get === "function" ? fields.get(name) : fields[name];
}

/** Reads a Retry-After field (RFC 9110 §10.2.3): seconds, or a date. Returns ms. */
export function retryAfter(value: unknown, now: () => number): number | undefined {
  const text = typeof value === "number" || typeof value === "string" ? String(value).trim() : "";
  if (/^\d+$/.test(text)) return +text * 1000;
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now());
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isResponse(value: unknown): value is Response {
  const { status, headers, text } = Object(value);
  return typeof status === "number" && typeof headers?.get === "function" && typeof text === "function";
}
