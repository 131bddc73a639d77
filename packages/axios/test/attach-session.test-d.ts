import { createSession } from "@freshtoken/core";
import axios, { type AxiosRequestConfig } from "axios";
import { type AttachOptions, attachSession } from "../src/index.ts";

const session = createSession({ refresh: async () => null });
const api = axios.create({ baseURL: "https://api.example.com" });

const detach: () => void = attachSession(api, session);
attachSession(axios, session, { origins: ["https://api.example.com"] });
attachSession(api, session, { origins: (url: URL) => url.hostname.endsWith(".example.com") });
attachSession(api, session, { origins: undefined });
const options: AttachOptions = {};
const config: AxiosRequestConfig = { session: false };
void axios.create({ session: false });
void [detach, options, config];
void api.get("/public", { session: false });
void api.post("/public", {}, { session: false });
void api.request({ url: "/public", session: undefined });
api.interceptors.request.use((config) => ({ ...config, session: false }));

// @ts-expect-error — a session is needed
attachSession(api);
// @ts-expect-error — a session is made by createSession
attachSession(api, { refresh: async () => null });
// @ts-expect-error — what is attached to is an instance of axios
attachSession(fetch, session);
// @ts-expect-error — origins are a list, or a function of a URL
attachSession(api, session, { origins: "https://api.example.com" });
// @ts-expect-error — a function of a URL tells yes or no
attachSession(api, session, { origins: (url: URL) => url.hostname });
// @ts-expect-error — there is no such option
attachSession(api, session, { origin: "https://api.example.com" });
// @ts-expect-error — opting in is what attaching does
void api.get("/me", { session: true });
// @ts-expect-error — the session of a request cannot be another one
void api.get("/me", { session });

// What the README shows, as users type it.
declare const tokenResponse: { json(): Promise<{ access_token: string }> };

export async function example(): Promise<void> {
  await session.signIn(await tokenResponse.json());
  const { data } = await api.post<{ id: number }>("/orders", { id: 1 });
  const id: number = data.id;
  void id;
}
