import { createSession, type SessionEvent, type TokenResponse } from "@freshtoken/core";
import { type SessionFetchOptions, sessionFetch } from "../src/index.ts";

const session = createSession({ refresh: async () => null });

// It goes wherever a fetch goes.
const authorized: typeof fetch = sessionFetch(session, { origins: ["https://api.example.com"] });
globalThis.fetch = sessionFetch(session);
sessionFetch(session, { fetch: authorized });
sessionFetch(session, { fetch, origins: (url: URL) => url.hostname.endsWith(".example.com") });
sessionFetch(session, { fetch: undefined, origins: undefined });
const answer: Promise<Response> = authorized(new Request("https://api.example.com"), { signal: null });
const options: SessionFetchOptions = {};
void [
  answer,
  options,
  authorized("/me"),
  authorized(new URL("https://api.example.com/me"), { method: "POST" }),
];

// @ts-expect-error — a session is needed
sessionFetch();
// @ts-expect-error — a session is made by createSession
sessionFetch({ refresh: async () => null });
// @ts-expect-error — origins are a list, or a function of a URL
sessionFetch(session, { origins: "https://api.example.com" });
// @ts-expect-error — a function of a URL tells yes or no
sessionFetch(session, { origins: (url: URL) => url.hostname });
// @ts-expect-error — the fetch underneath answers with a Response
sessionFetch(session, { fetch: async () => "answer" });
// @ts-expect-error — there is no such option
sessionFetch(session, { origin: "https://api.example.com" });
// @ts-expect-error — a request has a URL
authorized();
// @ts-expect-error — opting out is calling plain fetch
authorized("/me", { session: false });

// What design.md shows, as users type it.
declare const tokenResponse: Response;
declare const location: { assign(url: string): void };

export async function example(): Promise<void> {
  const session = createSession({
    refresh: ({ refreshToken, signal }) =>
      fetch("https://api.example.com/token", {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "refresh_token",
          client_id: "web",
          refresh_token: refreshToken,
        }),
        signal,
      }),
  });
  const authorized = sessionFetch(session, { origins: ["https://api.example.com"] });
  await session.signIn(await tokenResponse.json());
  await session.signIn((await tokenResponse.json()) as TokenResponse);
  session.subscribe((event) => {
    if (event.type === "signedOut") location.assign("/sign-in");
  });
  session.subscribe((event: SessionEvent) => void event);
  await authorized("https://api.example.com/me");
}
