import type { TokenSet } from "./tokens.ts";

// A part of a token that is shorter than this says nothing of it.
const PART = 8;
// What is longer was not written to be read.
const LONGEST = 10_000;

/**
 * Returns what is safe to show of an error: its name, message, code, status and stack, cleared of every
 * token in `known` and of every part of one. Nothing else of it is kept: a client's error carries its
 * request, and with it the token.
 */
export function digest(error: unknown, known: readonly TokenSet[]): Error {
  try {
    const secrets = [...new Set(known.flatMap(secretsOf))];
    const seen = (value: unknown) => clear(String(value).slice(0, LONGEST), secrets);
    const { name, message, stack, code, status, cause, response } = Object(error) as ErrorLike;
    // A parser quotes what it could not read, which may be a token that nobody knows yet.
    const said = name === "SyntaxError" ? "The text could not be parsed" : seen(message ?? error);
    const copy: ErrorLike & Error = new Error(said);
    copy.name = seen(name ?? "Error");
    copy.stack = seen(stack && message ? stack.split(message).join(said) : `${copy.name}: ${said}`);
    const shown = code ?? Object(cause).code;
    if (shown !== undefined) copy.code = typeof shown === "number" ? shown : seen(shown);
    const answered = status ?? Object(response).status;
    if (typeof answered === "number") copy.status = answered;
    return copy;
  } catch {
    return new Error("An error that cannot be read");
  }
}

interface ErrorLike {
  name?: string;
  message?: string;
  stack?: string;
  code?: unknown;
  status?: unknown;
  cause?: unknown;
  response?: unknown;
}

function secretsOf({ accessToken, refreshToken, idToken, extra }: TokenSet): string[] {
  // What is short beside the tokens is no secret: clearing it would only garble the text.
  const others = stringsIn(extra, 4).filter((text) => text.length >= PART);
  const secrets = [accessToken, refreshToken, idToken, ...others].filter((secret) => secret !== undefined);
  return secrets.filter((secret) => secret !== "").flatMap((secret) => [secret, inUrl(secret)]);
}

// A URL has no half of a surrogate pair.
function inUrl(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd"));
}

function stringsIn(value: unknown, depth: number): string[] {
  if (typeof value === "string") return [value];
  return depth > 0 ? Object.values(Object(value)).flatMap((inner) => stringsIn(inner, depth - 1)) : [];
}

function clear(text: string, secrets: readonly string[]): string {
  return secrets.reduce((cleared, secret) => {
    const whole = cleared.split(secret).join("[token]");
    return secret.length > PART ? clearParts(whole, secret) : whole;
  }, text);
}

function clearParts(text: string, secret: string): string {
  let cleared = "";
  let at = 0;
  while (at < text.length) {
    let end = at + PART;
    if (end > text.length || !secret.includes(text.slice(at, end))) {
      cleared += text[at++];
      continue;
    }
    while (end < text.length && secret.includes(text.slice(at, end + 1))) end++;
    cleared += "[token]";
    at = end;
  }
  return cleared;
}
