import type { ConfidentialClient } from "./clients.ts";

/** What an active token stands for. */
interface Active {
  readonly account: string;
  /** The thumbprint of the key that it is bound to. Absent: a Bearer token. */
  readonly jkt?: string | undefined;
}

/** Asks the provider about a token; null: it is not active. */
export type Introspect = (token: string, signal: AbortSignal) => Promise<Active | null>;

interface IntrospectionResponse {
  readonly active: boolean;
  readonly sub?: string;
  readonly client_id?: string;
  readonly token_type?: string;
  readonly cnf?: { readonly jkt?: string };
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
    return readActive((await response.json()) as IntrospectionResponse);
  };
}

// A refresh token is active too, but it has no token_type and opens no API. A service's token stands for its client.
// A token that is bound says so twice.
function readActive({ active, sub, client_id, token_type, cnf }: IntrospectionResponse): Active | null {
  const account = sub ?? client_id;
  const jkt = cnf?.jkt;
  if (!active || account === undefined || token_type !== (jkt ? "DPoP" : "Bearer")) return null;
  return { account, jkt };
}
