export type { Ledger, Presentation, Revocation } from "./ledger.ts";
export type { SeenProof } from "./proofs.ts";
export {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  startAuthorizationServer,
} from "./server.ts";
export { follow, type SignInOptions, type SignInServer, signIn } from "./sign-in.ts";
