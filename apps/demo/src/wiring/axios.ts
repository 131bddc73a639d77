import { attachSession } from "@freshtoken/axios";
import type { Session } from "@freshtoken/core";
import axios, { type AxiosInstance, type CreateAxiosDefaults } from "axios";

/** An axios instance whose requests to `api` carry the session's token: copy from here. */
export function connectAxios(session: Session, api: string, options?: CreateAxiosDefaults): AxiosInstance {
  const instance = axios.create({ baseURL: api, ...options });
  attachSession(instance, session);
  return instance;
}
