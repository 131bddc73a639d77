// axios-auth-refresh as its README shows it: the refresh logic, and a request interceptor that reads the token.
import axios, { type AxiosAdapter, type AxiosInstance } from "axios";
import { createAuthRefresh } from "axios-auth-refresh";

export interface AuthRefresh {
  readonly api: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly tokens: { readonly access_token: string; readonly refresh_token?: string };
  readonly adapter: AxiosAdapter;
}

/** An instance of axios with axios-auth-refresh. */
export function createAuthRefreshed({ api, issuer, clientId, tokens, adapter }: AuthRefresh): AxiosInstance {
  const instance = axios.create({ baseURL: api, adapter });
  let accessToken = tokens.access_token;
  let refreshToken = tokens.refresh_token ?? "";

  instance.interceptors.request.use((request) => {
    request.headers.Authorization = `Bearer ${accessToken}`;
    return request;
  });
  // Its types are CommonJS, and so are the types of axios that they speak of.
  createAuthRefresh(instance as unknown as Parameters<typeof createAuthRefresh>[0], async (failedRequest) => {
    const form = { grant_type: "refresh_token", client_id: clientId, refresh_token: refreshToken };
    const { data } = await axios.post(`${issuer}/token`, new URLSearchParams(form), { adapter });
    accessToken = data.access_token;
    refreshToken = data.refresh_token;
    failedRequest.response.config.headers.Authorization = `Bearer ${accessToken}`;
  });
  return instance;
}
