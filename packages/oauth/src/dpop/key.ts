import { OAuthError } from "../errors.ts";

/** Where a key is kept: beside the session, by whoever shares that. */
export interface DPoPKey {
  /** Finds the key; undefined: there is none. Asked for every request, so that all use the one that is there now. */
  load(): Promise<CryptoKeyPair | undefined>;
  /**
   * Finds the key, or makes it and stores it. Asked when a sign-in begins; those who ask together, in several tabs
   * or processes, have to get the same one.
   */
  create(): Promise<CryptoKeyPair>;
}

/** Takes a key pair for one that is always there, and names the errors of one that is stored. */
export function keptKey(key: CryptoKeyPair | DPoPKey): DPoPKey {
  const { load, create } = "privateKey" in key ? constant(key) : key;
  return { load: () => reached(() => load.call(key)), create: () => reached(() => create.call(key)) };
}

/** Tells whether a value is a key pair, or something that keeps one. */
export function isKey(value: unknown): value is CryptoKeyPair | DPoPKey {
  const { privateKey, publicKey, load, create } = Object(value);
  return (privateKey && publicKey) || (typeof load === "function" && typeof create === "function");
}

export function keyLost(): OAuthError {
  return new OAuthError(
    "ERR_DPOP_KEY_LOST",
    "The key that the tokens are bound to is gone, and nothing can be done with them. Let the user sign in again",
  );
}

function constant(pair: CryptoKeyPair): DPoPKey {
  return { load: async () => pair, create: async () => pair };
}

async function reached<R>(ask: () => Promise<R>): Promise<R> {
  try {
    return await ask();
  } catch (cause) {
    throw new OAuthError(
      "ERR_DPOP_KEY_UNAVAILABLE",
      "The key that tokens are bound to could not be read or stored; the cause says why. Nothing was sent",
      { cause },
    );
  }
}
