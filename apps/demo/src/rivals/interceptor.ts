// The interceptor that everyone copies: a flag while a refresh is in flight, a queue of those who were refused
// meanwhile, and the instance called again with the original request.
import axios, { type AxiosAdapter, type AxiosInstance, type InternalAxiosRequestConfig } from "axios";

export interface Interceptor {
  readonly api: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly tokens: { readonly access_token: string; readonly refresh_token?: string };
  readonly adapter: AxiosAdapter;
}

interface Waiting {
  resolve(token: string): void;
  reject(error: unknown): void;
}

let isRefreshing = false;
let failedQueue: Waiting[] = [];

function processQueue(error: unknown, token = ""): void {
  for (const { resolve, reject } of failedQueue) {
    if (error) reject(error);
    else resolve(token);
  }
  failedQueue = [];
}

/** An instance of axios with the interceptor. */
export function createIntercepted({ api, issuer, clientId, tokens, adapter }: Interceptor): AxiosInstance {
  const instance = axios.create({ baseURL: api, adapter });
  let refreshToken = tokens.refresh_token ?? "";
  instance.defaults.headers.common.Authorization = `Bearer ${tokens.access_token}`;

  async function refresh(): Promise<string> {
    const form = { grant_type: "refresh_token", client_id: clientId, refresh_token: refreshToken };
    const { data } = await axios.post(`${issuer}/token`, new URLSearchParams(form), { adapter });
    refreshToken = data.refresh_token;
    return data.access_token;
  }

  instance.interceptors.response.use(
    (response) => response,
    async (error) => {
      const originalRequest: InternalAxiosRequestConfig & { _retry?: boolean } = error.config;
      if (error.response?.status !== 401 || originalRequest._retry) throw error;

      if (isRefreshing) {
        const token = await new Promise<string>((resolve, reject) => failedQueue.push({ resolve, reject }));
        originalRequest.headers.Authorization = `Bearer ${token}`;
        return instance(originalRequest);
      }

      originalRequest._retry = true;
      isRefreshing = true;
      try {
        const token = await refresh();
        instance.defaults.headers.common.Authorization = `Bearer ${token}`;
        originalRequest.headers.Authorization = `Bearer ${token}`;
        processQueue(null, token);
      } catch (refreshError) {
        processQueue(refreshError);
        throw refreshError;
      } finally {
        isRefreshing = false;
      }
      return instance(originalRequest);
    },
  );
  return instance;
}
