export { ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt, TlsClientAuth } from "oauth4webapi";
export type { AuthorizationOptions, Authorized, PendingAuthorization } from "./authorization.ts";
export { OAuthError, type OAuthErrorCode } from "./errors.ts";
export { createOAuth, type Grant, type OAuth } from "./oauth.ts";
export type { OAuthOptions } from "./options.ts";
export { type StepUpChallenge, stepUpChallenge } from "./step-up.ts";
