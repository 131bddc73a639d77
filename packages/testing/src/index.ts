export { createClock, type ManualClock, settled } from "./clock.ts";
export type { Grace } from "./families.ts";
export type { Endpoint, Fault, Hold, Script } from "./faults.ts";
export { createGate, type Gate } from "./gate.ts";
export {
  type HistoryNote,
  type HistoryOptions,
  type HistoryRule,
  type Violation,
  violationsIn,
} from "./history.ts";
export { type Ledger, ledger } from "./ledger.ts";
export {
  type Arrival,
  type Entry,
  type Expired,
  entriesAt,
  type Issued,
  type RequestEntry,
  type ResourceRequest,
  type RevocationRequest,
  type SignedIn,
  type Status,
  type TokenOutcome,
  type TokenRequest,
  type Withdrawn,
} from "./log.ts";
export { createServer, type Server, type ServerOptions, type SignInOptions } from "./server.ts";
export { story } from "./story.ts";
export { readableTokens, secretTokens, type TokenNames, type TokenResponse } from "./tokens.ts";
export type { Wait } from "./wait.ts";
