import type { SessionRecord, SessionStore } from "@freshtoken/core";

/** What it needs of `import * as SecureStore from "expo-secure-store"`. */
interface SecureStore {
  getItemAsync(key: string): Promise<string | null>;
  setItemAsync(key: string, value: string): Promise<void>;
  deleteItemAsync(key: string): Promise<void>;
}

/** Keeps a session in the keychain. In pieces, since SecureStore is made for values of 2 KB: a list of them comes last. */
export function secureStore(keychain: SecureStore, key = "session"): SessionStore {
  function piecesOf(list: string | null): string[] {
    const [id, count = 0] = list?.split(":") ?? [];
    return Array.from({ length: Number(count) }, (_, index) => `${key}.${id}.${index}`);
  }
  async function load(): Promise<SessionRecord | null> {
    const list = await keychain.getItemAsync(key);
    const pieces = await Promise.all(piecesOf(list).map((name) => keychain.getItemAsync(name)));
    // One is missing: saved over meanwhile, or lost.
    if (pieces.includes(null)) return (await keychain.getItemAsync(key)) === list ? null : load();
    return list && JSON.parse(decodeURIComponent(pieces.join("")));
  }
  async function save(record: SessionRecord | null): Promise<void> {
    const before = await keychain.getItemAsync(key);
    const pieces = (record && encodeURIComponent(JSON.stringify(record)).match(/.{1,2000}/g)) ?? [];
    const list = `${Math.random().toString(36).slice(2)}:${pieces.length}`;
    await Promise.all(piecesOf(list).map((name, index) => keychain.setItemAsync(name, pieces[index] ?? "")));
    await (record ? keychain.setItemAsync(key, list) : keychain.deleteItemAsync(key));
    await Promise.all(piecesOf(before).map((name) => keychain.deleteItemAsync(name)));
  }
  return { load, save };
}
