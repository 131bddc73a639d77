import type { AxiosInstance } from "axios";
import type { KyInstance } from "ky";

export const transports = ["axios", "ky", "fetch"] as const;
export type Transport = (typeof transports)[number];

/** One of those who take turns in a burst. */
export interface Turn {
  readonly transport: Transport;
  /** Asks for a path. Resolves with the body of the answer; rejects where there is none, or it is not ok. */
  get(path: string): Promise<unknown>;
}

export function axiosTurn(instance: AxiosInstance): Turn {
  return { transport: "axios", get: async (path) => (await instance.get(path)).data };
}

export function kyTurn(instance: KyInstance): Turn {
  return { transport: "ky", get: (path) => instance.get(path).json() };
}

export function fetchTurn(fetch: (url: string) => Promise<Response>, api: string): Turn {
  return {
    transport: "fetch",
    async get(path) {
      const response = await fetch(api + path);
      if (!response.ok) throw new Error(`GET ${path} was answered ${response.status}.`);
      return response.json();
    },
  };
}
