import { createSession } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import ky, { type Hooks, type KyInstance } from "ky";
import ky1 from "ky-1";
import { type SessionHooksOptions, sessionHooks } from "../src/index.ts";

const session = createSession({ refresh: async () => null });

// They go wherever ky takes hooks.
const hooks: Hooks = sessionHooks(session);
const client: KyInstance = ky.create({ prefix: "https://api.example.com", hooks });
client.extend({ hooks: sessionHooks(session, { origins: ["https://api.example.com"] }) });
ky1.create({ prefixUrl: "https://api.example.com", fetch: sessionFetch(session) });
sessionHooks(session, { origins: (url: URL) => url.hostname.endsWith(".example.com") });
sessionHooks(session, { origins: undefined });
const options: SessionHooksOptions = {};
void [options, client.get("me", { context: { session: false } })];

// The refresh may use the client that waits for it.
createSession({
  refresh: ({ refreshToken, signal }) => client.post("token", { json: { refreshToken }, signal }),
});
createSession({
  refresh: ({ signal }) => client.post("token", { signal }).json<{ access_token: string }>(),
});

// @ts-expect-error — a session is needed
sessionHooks();
// @ts-expect-error — a session is made by createSession
sessionHooks({ refresh: async () => null });
// @ts-expect-error — origins are a list, or a function of a URL
sessionHooks(session, { origins: "https://api.example.com" });
// @ts-expect-error — a function of a URL tells yes or no
sessionHooks(session, { origins: (url: URL) => url.hostname });
// @ts-expect-error — the fetch underneath is ky's own option
sessionHooks(session, { fetch });
// @ts-expect-error — ky 1 has no init hook: it goes through sessionFetch
ky1.create({ hooks: sessionHooks(session) });
// @ts-expect-error — they are hooks, not options
ky.create(sessionHooks(session));
