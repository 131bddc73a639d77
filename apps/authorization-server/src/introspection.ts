import type { ConfidentialClient } from "./clients.ts";

/** Asks the provider about a token: the account it stands for, or null where it is not active. */
export type Introspect = (token: string, signal: AbortSignal) => Promise<string | null>;

interface IntrospectionResponse {
  readonly active: boolean;
  readonly sub?: string;
  readonly client_id?: string;
  readonly token_type?: string;
}

/**
 * Joins the API to the provider's introspection endpoint. Every token is asked about every time: no answer is kept.
 *
 * @see RFC 7662 §2
 */
export function createIntrospect(endpoint: string, client: ConfidentialClient): Introspect {
  const credentials = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString("base64");
  return async (token, signal) => {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { authorization: `Basic ${credentials}` },
      body: new URLSearchParams({ token, token_type_hint: "access_token" }),
      signal,
    });
    if (!response.ok) throw new Error(`The introspection endpoint answered ${response.status}.`);
    return accountOf((await response.json()) as IntrospectionResponse);
  };
}

// A refresh token is active too, but it has no token_type and opens no API. A service's token stands for its client.
function accountOf({ active, sub, client_id, token_type }: IntrospectionResponse): string | null {
  return active && token_type === "Bearer" ? (sub ?? client_id ?? null) : null;
}
