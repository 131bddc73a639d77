import { createSession } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { DPoP } from "oauth4webapi";
import { afterEach, expect, inject, onTestFinished, test, vi } from "vitest";
import { browserKey, dpop } from "../src/dpop/index.ts";
import { createOAuth } from "../src/index.ts";

afterEach(clear);

/** What a user does who clears the site's data. */
function clear(): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase("freshtoken");
    request.onsuccess = () => resolve();
    request.onerror = request.onblocked = () => reject(request.error);
  });
}

const module = new URL("../src/dpop/browser-key.ts", import.meta.url).href;

/** The same module once more, as a page has it that is loaded anew. */
async function reloaded(): Promise<typeof browserKey> {
  return (await import(/* @vite-ignore */ `${module}?${crypto.randomUUID()}`)).browserKey;
}

/** Asks for the key in a thread of its own, as another tab does. */
async function elsewhere(ask: "load" | "create"): Promise<CryptoKeyPair> {
  const program = `
    import { browserKey } from ${JSON.stringify(module)};
    browserKey("app").${ask}().then(postMessage, (error) => postMessage(String(error)));
  `;
  const url = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  const found = await new Promise<CryptoKeyPair>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
  });
  worker.terminate();
  URL.revokeObjectURL(url);
  return found;
}

function thumbprints(pairs: readonly (CryptoKeyPair | undefined)[]): Promise<string[]> {
  return Promise.all(pairs.map((pair) => DPoP({}, pair as CryptoKeyPair).calculateThumbprint()));
}

/** Asks the host of servers to do something. */
async function tell(server: number, command: string, ...args: unknown[]) {
  const answer = await fetch(inject("host"), {
    method: "POST",
    body: JSON.stringify({ server, command, args }),
  });
  return answer.json();
}

async function begin(name: string) {
  const { id, origin } = await tell(-1, "open");
  await tell(id, "always", "token", { merge: { token_type: "DPoP" } });
  const oauth = createOAuth({
    issuer: origin,
    clientId: "spa",
    redirectUri: `${location.origin}/callback`,
    server: { token_endpoint: `${origin}/token`, authorization_endpoint: `${origin}/authorize` },
    dpop: dpop({ key: browserKey(name) }),
  });
  const session = createSession({ ...oauth.session(), origins: [origin] });
  await session.signIn({ ...(await tell(id, "signIn")), token_type: "DPoP" });
  return { id, origin, oauth, session };
}

test("keeps a key that signs, and that no script can read", async () => {
  const { privateKey, publicKey } = await browserKey("app").create();

  expect([privateKey.extractable, privateKey.usages, publicKey.extractable]).toStrictEqual([
    false,
    ["sign"],
    true,
  ]);
  await expect(crypto.subtle.exportKey("jwk", privateKey)).rejects.toThrow();
});

test("finds the key again when the page is loaded anew, and has another for another name", async () => {
  const made = await browserKey("app").create();
  const afterwards = await reloaded();

  const found = [await afterwards("app").load(), await afterwards("app").create()];

  expect(afterwards).not.toBe(browserKey);
  expect(new Set(await thumbprints([made, ...found])).size).toBe(1);
  expect(await browserKey("other").load()).toBeUndefined();
  expect(new Set(await thumbprints([made, await browserKey("other").create()])).size).toBe(2);
});

test("gives contexts that begin at once the same key", async () => {
  const modules = await Promise.all(Array.from({ length: 4 }, reloaded));

  const keys = await Promise.all([
    ...modules.map((again) => again("app").create()),
    ...Array.from({ length: 4 }, () => elsewhere("create")),
  ]);

  expect(new Set(await thumbprints([...keys, await browserKey("app").load()])).size).toBe(1);
});

test("finds the page's key in a worker", async () => {
  const made = await browserKey("app").create();

  const found = await elsewhere("load");

  expect(new Set(await thumbprints([made, found])).size).toBe(1);
});

test("reads the key once for requests that leave together, and anew for the next", async () => {
  await browserKey("app").create();
  const { load } = browserKey("app");
  const opened = vi.spyOn(indexedDB, "open");
  onTestFinished(() => opened.mockRestore());

  await Promise.all(Array.from({ length: 10 }, load));
  await clear();
  const next = await load();

  expect(opened).toHaveBeenCalledTimes(2);
  expect(next).toBeUndefined();
});

test("touches no database until a sign-in begins", async () => {
  await begin("app");
  const before = await indexedDB.databases();

  await browserKey("app").create();

  expect(before.map(({ name }) => name)).not.toContain("freshtoken");
});

test("calls and refreshes in Chromium with one key, and begins a sign-in with the same", async () => {
  const { id, origin, oauth, session } = await begin("app");
  const first = new URL((await oauth.authorizationUrl()).url);

  const { accessToken } = await session.refresh();
  const answer = await sessionFetch(session)(`${origin}/me`);
  const second = new URL((await oauth.authorizationUrl()).url);

  expect([accessToken, answer.status]).toStrictEqual(["a1", 200]);
  const jkt = (url: URL) => url.searchParams.get("dpop_jkt");
  expect(jkt(first)).toMatch(/^[\w-]{43}$/);
  expect(jkt(second)).toBe(jkt(first));
  const log: { at: string; headers?: Record<string, string> }[] = await tell(id, "log");
  expect(log.filter(({ headers }) => headers?.dpop).map(({ at }) => at)).toStrictEqual(["token", "resource"]);
});

test("ends the session when the database was cleared", async () => {
  const { id, origin, oauth, session } = await begin("app");
  await oauth.authorizationUrl();
  await clear();

  const lost = { code: "ERR_DPOP_KEY_LOST" };
  await expect(sessionFetch(session)(`${origin}/me`)).rejects.toMatchObject(lost);
  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_REJECTED", cause: lost });

  expect(session.state.status).toBe("signedOut");
  const log: { at: string }[] = await tell(id, "log");
  expect(log.map(({ at }) => at)).toStrictEqual(["signIn"]);
});

test("says what to expose where CORS hides the nonce", async () => {
  const { id, origin, oauth, session } = await begin("app");
  await oauth.authorizationUrl();
  const hidden = { headers: { "dpop-nonce": "n1" } };
  await tell(id, "next", "token", { error: "use_dpop_nonce", ...hidden });
  await tell(id, "next", "/me", { refuse: 'DPoP error="use_dpop_nonce"', ...hidden });

  const unreadable = { code: "ERR_DPOP_NONCE_UNREADABLE" };
  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED", cause: unreadable });
  await expect(sessionFetch(session)(`${origin}/me`)).rejects.toMatchObject(unreadable);

  expect(session.state.status).toBe("signedIn");
});
