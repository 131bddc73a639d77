import type { SessionRecord, TokenSet } from "@freshtoken/core";

/** A key that records are encrypted with. */
export interface EncryptionKey {
  /** Its name, kept beside what it encrypts: 1 to 64 letters, digits, `_` and `-`. */
  readonly id: string;
  /**
   * 32 random bytes, of which the store makes a copy; or a CryptoKey for AES-GCM with 256 bits, which may decrypt, and
   * the first also encrypt.
   */
  readonly key: Uint8Array | CryptoKey;
}

/** A key that a store keeps for itself, and imports once it is used. */
interface OwnKey {
  readonly id: string;
  cryptoKey(): Promise<CryptoKey>;
}

/** Turns the tokens of a record into a text for Redis, and back. */
export interface Seal {
  close(record: SessionRecord): Promise<string>;
  /** Undefined: what is there is not of a session. Rejects when it is encrypted and cannot be decrypted. */
  open(text: string, family: string, generation: string): Promise<TokenSet | undefined>;
}

const IV = 12;

/**
 * With keys: AES-256-GCM. The id, the family and the generation are authenticated with it, so that no record passes
 * for another's, or for a later one.
 * @see https://nvlpubs.nist.gov/nistpubs/Legacy/SP/nistspecialpublication800-38d.pdf
 */
export function createSeal(id: string, keys: readonly EncryptionKey[]): Seal {
  const owned = keys.map(own);
  const [first] = owned;
  return {
    async close({ family, generation, tokens }) {
      const text = JSON.stringify(tokens);
      return first ? encrypt(first, text, boundTo(id, family, String(generation))) : text;
    },
    async open(text, family, generation) {
      const [, name, sealed] = /^aes:([\w-]+):(.+)$/.exec(text) ?? [];
      if (name === undefined || sealed === undefined) return first ? refusePlain() : parse(text);
      const key = owned.find((each) => each.id === name);
      if (!key) throw new Error(unknownKey(name, first !== undefined));
      return parse(await decrypt(key, sealed, boundTo(id, family, generation)));
    },
  };
}

function refusePlain(): never {
  throw new Error(
    "The session in Redis is not encrypted, and `encryptionKeys` says that it is: sign in again to replace it",
  );
}

function unknownKey(name: string, hasKeys: boolean): string {
  const given = hasKeys ? "which is none of" : "and there are no";
  return `The session in Redis is encrypted with the key "${name}", ${given} \`encryptionKeys\`: add that key, or sign in again`;
}

function boundTo(...parts: string[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(parts));
}

async function encrypt(key: OwnKey, text: string, additionalData: BufferSource): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(IV));
  const algorithm = { name: "AES-GCM", iv, additionalData };
  const sealed = await crypto.subtle.encrypt(
    algorithm,
    await key.cryptoKey(),
    new TextEncoder().encode(text),
  );
  return `aes:${key.id}:${toBase64(iv)}${toBase64(new Uint8Array(sealed))}`;
}

async function decrypt(key: OwnKey, sealed: string, additionalData: BufferSource): Promise<string> {
  try {
    const bytes = Uint8Array.from(atob(sealed), (character) => character.charCodeAt(0));
    const algorithm = { name: "AES-GCM", iv: bytes.subarray(0, IV), additionalData };
    const text = await crypto.subtle.decrypt(algorithm, await key.cryptoKey(), bytes.subarray(IV));
    return new TextDecoder().decode(text);
  } catch {
    throw new Error(
      `The session in Redis cannot be decrypted with the key "${key.id}": another key had that name, or it was changed there. Put the right key back, or sign in again`,
    );
  }
}

// Who gave the bytes may overwrite them from now on.
function own({ id, key }: EncryptionKey): OwnKey {
  const bytes = key instanceof Uint8Array ? Uint8Array.from(key) : undefined;
  let imported: Promise<CryptoKey> | undefined;
  return {
    id,
    async cryptoKey() {
      if (!bytes) return key as CryptoKey;
      imported ??= crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
      return imported;
    },
  };
}

// 12 bytes are 16 characters without padding: the two parts can be read as one.
function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

// A parser quotes what it cannot read, which may be a token: that is for nobody to see.
function parse(text: string): TokenSet | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
