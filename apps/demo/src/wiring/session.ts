import { createSession, type Session, type SessionOptions } from "@freshtoken/core";
import { createOAuth, type OAuth, type OAuthOptions } from "@freshtoken/oauth";

/** An application at its authorization server, and the session of its user. */
export interface Application {
  readonly oauth: OAuth;
  readonly session: Session;
}

/** Joins an authorization server and a session: copy from here, then `sign-in.ts`, and the file of each client that you use. */
export function connectSession(
  registration: OAuthOptions,
  options?: Omit<SessionOptions, "refresh">,
): Application {
  const oauth = createOAuth(registration);
  return { oauth, session: createSession({ ...oauth.session(), ...options }) };
}
