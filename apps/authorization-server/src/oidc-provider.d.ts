// oidc-provider ships no types: this declares what is used here of its version 9, and nothing else.
declare module "oidc-provider" {
  import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

  export interface Adapter {
    upsert(id: string, payload: Payload, expiresIn: number | undefined): Promise<void>;
    find(id: string): Promise<Payload | undefined>;
    findByUid(uid: string): Promise<Payload | undefined>;
    consume(id: string): Promise<void>;
    destroy(id: string): Promise<void>;
    revokeByGrantId(grantId: string): Promise<void>;
  }
  export interface Payload {
    readonly uid?: string;
    readonly grantId?: string;
    readonly consumed?: number;
    readonly [claim: string]: unknown;
  }

  export interface Client {
    readonly clientId: string;
  }
  export interface RefreshToken {
    readonly jti: string;
    readonly grantId: string;
    readonly accountId: string;
  }
  export interface Session {
    destroy(): Promise<void>;
  }
  export interface Interaction {
    readonly params: {
      readonly client_id: string;
      readonly scope?: string;
      readonly login_hint?: string;
      readonly resource?: string | readonly string[];
    };
    readonly grantId?: string;
    session?: { readonly accountId: string; readonly uid: string } | undefined;
    persist(): Promise<string>;
  }
  export interface Grant {
    addOIDCScope(scope: string): void;
    addResourceScope(resource: string, scope: string): void;
    save(): Promise<string>;
  }
  export type InteractionResult =
    | { readonly login: { readonly accountId: string }; readonly consent: { readonly grantId: string } }
    | { readonly error: string; readonly error_description: string };

  export interface Context {
    readonly req: IncomingMessage;
    readonly res: ServerResponse;
    readonly path: string;
    readonly oidc: {
      readonly route: string;
      readonly params?: Readonly<Record<string, string | undefined>>;
      readonly entities: { readonly RotatedRefreshToken?: RefreshToken };
      readonly session: { readonly accountId?: string };
    };
    body: unknown;
    redirect(url: string): void;
  }

  export default class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>);
    silent: boolean;
    readonly Grant: {
      new (of: { accountId: string; clientId: string }): Grant;
      find(id: string): Promise<Grant | undefined>;
    };
    readonly Session: { findByUid(uid: string): Promise<Session | undefined> };
    callback(): RequestListener;
    pathFor(route: string): string;
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): void;
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>;
    interactionResult(
      request: IncomingMessage,
      response: ServerResponse,
      result: InteractionResult,
    ): Promise<string>;
    on(
      event: "refresh_token.saved" | "refresh_token.consumed",
      listener: (token: RefreshToken) => void,
    ): void;
    on(event: "grant.revoked", listener: (context: Context, grantId: string) => void): void;
    on(
      event: "grant.error" | "server_error",
      listener: (
        context: Context,
        error: Error & { readonly error?: string; readonly error_detail?: string },
      ) => void,
    ): void;
  }

  export class Check {
    constructor(reason: string, description: string, asks: (context: Context) => boolean);
  }
  export interface Prompt {
    readonly checks: { add(check: Check): void };
  }
  export const interactionPolicy: {
    readonly Check: typeof Check;
    base(): { get(prompt: "login" | "consent"): Prompt };
  };
}
