import OAuth2Server, {
  type AuthorizationCode,
  type AuthorizationCodeModel,
  type Client,
  type ClientCredentialsModel,
  type RefreshTokenModel,
  type Token,
  type User,
} from "@node-oauth/oauth2-server";

/** Where servers differ. */
export interface Habits {
  /** How many times more a refresh token is taken that was redeemed. Past that, its sign-in is revoked. @default 0 */
  readonly grace?: number;
  /** Whether a token response says when its token expires. @default true */
  readonly tellsExpiry?: boolean;
  /** Clients besides the public one. */
  readonly clients?: readonly Client[];
}

/** What the server keeps, and what can happen to it. */
export interface Records {
  readonly model: AuthorizationCodeModel & RefreshTokenModel & ClientCredentialsModel;
  /** The number of a refresh token, from 0 in the order of their issue. */
  numberOf(refreshToken: string): number;
  /** Ends the access tokens issued so far. */
  expire(): void;
  /** Ends what came from any sign-in so far. */
  revokeAll(): void;
  /** Whether anything can be looked up from now on. */
  break(isBroken: boolean): void;
  /** What token responses say from now on, besides or instead. */
  say(fields: Readonly<Record<string, unknown>>): void;
}

/** The client that people sign in with, without a secret. */
export const publicClient: Client = {
  id: "plain",
  grants: ["authorization_code", "refresh_token"],
  redirectUris: ["http://127.0.0.1/callback"],
};

const scopes = ["orders:read", "orders:write"];

export function createRecords({ grace = 0, tellsExpiry = true, clients = [] }: Habits): Records {
  const codes = new Map<string, AuthorizationCode>();
  const tokens: Token[] = [];
  const redeemed = new Map<string, number>();
  const [expired, revoked] = [new Set<string>(), new Set<string>()];
  let isBroken = false;
  let said = {};

  // The server hands a user on from grant to grant: the sign-in goes along.
  const isLive = ({ user }: { user: User }) => !revoked.has(user.signIn);

  return {
    model: {
      async getClient(id, secret) {
        if (isBroken) {
          const trouble = { name: "temporarily_unavailable", code: 503 };
          throw new OAuth2Server.OAuthError("The database is away", trouble);
        }
        const client = [publicClient, ...clients].find((one) => one.id === id);
        // The authorization endpoint asks with null: only the token endpoint authenticates.
        return secret === null || client?.secret === secret ? client : undefined;
      },
      getUserFromClient: async (client) => ({ name: client.id, signIn: client.id }),
      validateScope: async (_user, _client, scope = ["orders:read"]) =>
        scope.every((one) => scopes.includes(one)) ? scope : false,
      async saveAuthorizationCode(code, client, user) {
        const saved = { ...code, client, user: { ...user, signIn: code.authorizationCode } };
        codes.set(code.authorizationCode, saved);
        return saved;
      },
      getAuthorizationCode: async (code) => codes.get(code),
      revokeAuthorizationCode: async ({ authorizationCode }) => codes.delete(authorizationCode),
      async saveToken({ accessToken, accessTokenExpiresAt, refreshToken, scope }, client, user) {
        const token = {
          accessToken,
          ...(accessTokenExpiresAt && { accessTokenExpiresAt }),
          ...(refreshToken && { refreshToken }),
          ...(scope && { scope }),
          client,
          user,
        };
        tokens.push(token);
        return { ...token, ...(!tellsExpiry && { accessTokenExpiresAt: undefined }), ...said } as Token;
      },
      getAccessToken: async (accessToken) =>
        tokens.find(
          (token) => token.accessToken === accessToken && isLive(token) && !expired.has(accessToken),
        ),
      async getRefreshToken(refreshToken) {
        const token = tokens.find((one) => one.refreshToken === refreshToken);
        if (token && (redeemed.get(refreshToken) ?? 0) > grace) revoked.add(token.user.signIn);
        return token && isLive(token) ? { ...token, refreshToken } : undefined;
      },
      async revokeToken({ refreshToken }) {
        redeemed.set(refreshToken, (redeemed.get(refreshToken) ?? 0) + 1);
        return true;
      },
    },
    numberOf: (refreshToken) => tokens.flatMap((token) => token.refreshToken ?? []).indexOf(refreshToken),
    expire: () => tokens.forEach(({ accessToken }) => void expired.add(accessToken)),
    revokeAll: () => tokens.forEach(({ user }) => void revoked.add(user.signIn)),
    break: (broken) => {
      isBroken = broken;
    },
    say: (fields) => {
      said = fields;
    },
  };
}
