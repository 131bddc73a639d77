export { type SessionFetchOptions, sessionFetch } from "./session-fetch.ts";
