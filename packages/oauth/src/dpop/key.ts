import { OAuthError } from "../errors.ts";
import { inTime } from "./deadline.ts";

/** Where a key is kept: beside the session, by whoever shares that. */
export interface DPoPKey {
  /**
   * Finds the key; undefined: there is none. Asked for every request, so that all use the one that is there now, with
   * 5 s to answer.
   */
  load(): Promise<CryptoKeyPair | undefined>;
  /**
   * Finds the key, or makes it and stores it. Asked when a sign-in begins; those who ask together, in several tabs
   * or processes, have to get the same one.
   */
  create(): Promise<CryptoKeyPair>;
}

/** What a key has to be, as a clause. */
export const SIGNING_PAIR = "a CryptoKeyPair that can sign, with an extractable public key";

/** Takes a key pair for one that is always there, and gives one that is stored a deadline. */
export function keptKey(key: CryptoKeyPair | DPoPKey): DPoPKey {
  if ("privateKey" in key) return { load: async () => key, create: async () => key };
  return { load: () => reached(() => key.load()), create: () => reached(() => key.create()) };
}

/** Tells whether a value is a key pair, or something that keeps one. */
export function isKey(value: unknown): value is CryptoKeyPair | DPoPKey {
  const { load, create } = Object(value);
  return isSigningPair(value) || (typeof load === "function" && typeof create === "function");
}

function isSigningPair(value: unknown): value is CryptoKeyPair {
  const { privateKey, publicKey } = Object(value);
  return (
    privateKey?.type === "private" &&
    privateKey.usages.includes("sign") &&
    publicKey?.type === "public" &&
    publicKey.extractable
  );
}

export function keyLost(): OAuthError {
  return new OAuthError(
    "ERR_DPOP_KEY_LOST",
    "The key that the tokens are bound to is gone, and nothing can be done with them. Let the user sign in again",
  );
}

async function reached<R>(ask: () => Promise<R>): Promise<R> {
  try {
    const found = await inTime(ask);
    if (found && !isSigningPair(found)) throw new TypeError(`it is not ${SIGNING_PAIR}`);
    return found;
  } catch (cause) {
    throw new OAuthError(
      "ERR_DPOP_KEY_UNAVAILABLE",
      "The key that tokens are bound to could not be read or stored, or is none; the cause says why. Nothing was sent",
      { cause },
    );
  }
}
