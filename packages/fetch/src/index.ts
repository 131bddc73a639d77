export { type SessionFetchOptions, sendThrough, sessionFetch } from "./session-fetch.ts";
