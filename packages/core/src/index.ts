export {
  FreshtokenError,
  type FreshtokenErrorCode,
  NotReplayableError,
  QueueFullError,
  RefreshFailedError,
  RefreshRejectedError,
  type RequestLine,
  SignedOutError,
} from "./errors.ts";
export type { By, Reason, SessionEvent } from "./events.ts";
export type { Connection, Exchange } from "./exchange.ts";
export { jwtExpiresAt } from "./jwt.ts";
export type { Clock, RefreshContext, SessionOptions } from "./options.ts";
export type { Origins } from "./origin.ts";
export { type SessionPool, type SessionPoolOptions, sessionPool } from "./pool.ts";
export type { Answer } from "./refusal.ts";
export { bearer, cookie, type Scheme, type SchemeRequest } from "./scheme.ts";
export { createSession, type Session } from "./session.ts";
export type { SessionState } from "./state.ts";
export { memoryStore, type SessionRecord, type SessionStore } from "./store.ts";
export type { TokenResponse, TokenSet } from "./tokens.ts";
