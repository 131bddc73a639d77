/** Where one session is in Redis, and how others are told of it. */
export interface Place {
  /** One slot of a cluster: what is in braces decides. */
  readonly key: string;
  readonly channel: string;
}

/** Names the place of an id after its hash: neither the id nor anything of a token is in a name. */
export async function placeOf(prefix: string, id: string): Promise<Place> {
  const name = await digestOf("SHA-256", id);
  return { key: `${prefix}{${name}}`, channel: `${prefix}${name}` };
}

/** The digest of a text, in hexadecimal. */
export async function digestOf(algorithm: "SHA-1" | "SHA-256", text: string): Promise<string> {
  const digest = await crypto.subtle.digest(algorithm, new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
