import type { Connection, Session, SessionOptions } from "@freshtoken/core";
import axios, { type AxiosAdapter, type AxiosInstance, type InternalAxiosRequestConfig } from "axios";
import { sendThrough } from "./exchange.ts";

declare module "axios" {
  interface AxiosRequestConfig {
    /** False: the request goes out as if no session were attached, and is not held. */
    session?: false | undefined;
  }
}

type GivenAdapter = NonNullable<InternalAxiosRequestConfig["adapter"]>;

export interface AttachOptions {
  /** Which origins may see the token. @default those of the session, else the one of the instance's `baseURL` */
  origins?: SessionOptions["origins"];
}

// What each wrapped adapter wraps: an interceptor that runs behind ours may keep the config, and send it later.
const wraps = new WeakMap<AxiosAdapter, GivenAdapter>();

// Which session an instance is attached to: another one, attached later, replaces it.
const attached = new WeakMap<AxiosInstance, () => void>();

/**
 * Attaches a session to an axios instance: requests to its origins carry the token; they are held while it is
 * refreshed, and sent again where it was refused. Returns the undo.
 *
 * It goes in through `axios.interceptors`, and works below all of them: a synchronous request interceptor wraps
 * the adapter of each request, so each of your interceptors and transforms runs once, whatever is replayed.
 *
 * What a request rejects with beyond axios's own errors is an AxiosError with the code of the session's error,
 * and that error as its cause.
 *
 * @throws TypeError where nothing says which origins may see the token
 * @example
 * import axios from "axios";
 * import { attachSession } from "@freshtoken/axios";
 *
 * const api = axios.create({ baseURL: "https://api.example.com" });
 * const detach = attachSession(api, session);
 */
export function attachSession(
  instance: AxiosInstance,
  session: Session,
  { origins }: AttachOptions = {},
): () => void {
  const connection = session.connect({ origins, base: instance.defaults.baseURL });
  const through = (config: InternalAxiosRequestConfig) => {
    const given = config.adapter as GivenAdapter;
    config.adapter = wrapped(wraps.get(given as AxiosAdapter) ?? given, connection);
    return config;
  };
  attached.get(instance)?.();
  const id = instance.interceptors.request.use(through, null, { synchronous: true });

  function detach(): void {
    if (attached.get(instance) !== detach) return;
    attached.delete(instance);
    instance.interceptors.request.eject(id);
  }
  attached.set(instance, detach);
  return detach;
}

function wrapped(given: GivenAdapter, connection: Connection): AxiosAdapter {
  const adapter: AxiosAdapter = async (config) => {
    // The caller's own again, before anybody sees it: who sends this config once more starts anew.
    config.adapter = given;
    const bare =
      typeof given === "function" ? given : axios.getAdapter(given ?? axios.defaults.adapter, config);
    const url = addressOf(config);
    return isOurs(config, url, connection) ? sendThrough(connection, config, url, bare) : bare(config);
  };
  wraps.set(adapter, given);
  return adapter;
}

// Where axios sends it, as axios itself has it.
function addressOf({ baseURL = "", url = "", allowAbsoluteUrls = true }: InternalAxiosRequestConfig): string {
  return axios.getUri({ baseURL, url, allowAbsoluteUrls });
}

function isOurs(config: InternalAxiosRequestConfig, url: string, connection: Connection): boolean {
  if (config.session === false || config.auth || config.headers.has("authorization")) return false;
  if (hasCredentials(url)) return false;
  return !connection.owns(config.signal as AbortSignal | undefined) && connection.covers(url);
}

// axios makes a Basic Authorization of them, in the place of ours.
function hasCredentials(url: string): boolean {
  return /^\w+:[\\/]*[^\\/?#]*@/.test(url);
}
