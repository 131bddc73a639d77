import type { Session } from "@freshtoken/core";
import { type SessionFetchOptions, sessionFetch } from "@freshtoken/fetch";

/** A fetch whose requests to `api` carry the session's token: copy from here. */
export function connectFetch(session: Session, api: string, options?: SessionFetchOptions): typeof fetch {
  return sessionFetch(session, { origins: [api], ...options });
}
