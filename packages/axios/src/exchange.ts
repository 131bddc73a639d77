import { type Connection, type Exchange, FreshtokenError } from "@freshtoken/core";
import axios, {
  type AxiosAdapter,
  AxiosError,
  AxiosHeaders,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from "axios";
import { type Body, bodyOf, isReplayable, sendableOnce } from "./body.ts";
import { watch } from "./cancellation.ts";
import { kept } from "./refused-stream.ts";

/** What an adapter came to: with `validateStatus` a refusal may be an error or not. */
interface Answered {
  readonly response: AxiosResponse;
  readonly error?: AxiosError;
}

/** Sends one request of axios through a session, as its adapter would: resolves or rejects with what that does. */
export async function sendThrough(
  connection: Connection,
  config: InternalAxiosRequestConfig,
  url: string,
  adapter: AxiosAdapter,
): Promise<AxiosResponse> {
  const cancellation = watch(config);
  try {
    const { response, error } = await connection.send(exchangeOf(config, url, adapter, cancellation.signal));
    if (error) throw error;
    return response;
  } catch (error) {
    throw errorOf(error, config);
  } finally {
    cancellation.end();
  }
}

function exchangeOf(
  config: InternalAxiosRequestConfig,
  url: string,
  adapter: AxiosAdapter,
  signal: AbortSignal | undefined,
): Exchange<Answered> {
  const body = bodyOf(config.data);
  const replayable = isReplayable(body.data);
  const leave = replayable ? undefined : sendableOnce(config);
  return {
    url,
    method: (config.method ?? "get").toUpperCase(),
    signal,
    replayable,
    async send(fields) {
      leave?.();
      return sentOnce(adapter, authorized(config, body, url, fields), config);
    },
    answer: ({ response }) => ({
      status: response.status,
      url: finalUrl(response),
      field: (name) =>
        AxiosHeaders.from(response.headers as AxiosHeaders)
          .get(name)
          ?.toString() ?? null,
      response,
    }),
    async release({ response, error }) {
      response.data = await kept(response.data);
      return error ? { response, error } : { response };
    },
    explain({ response, error }, why) {
      return error ? { response, error: withCause(error, why) } : { response };
    },
  };
}

// A config of its own for each send: adapters write into it, a Content-Length for instance, and the caller's
// own shows neither that nor our field. Copied with its descriptors: axios gives it a member that is hidden.
function authorized(
  config: InternalAxiosRequestConfig,
  body: Body,
  url: string,
  fields: Readonly<Record<string, string>>,
): InternalAxiosRequestConfig {
  const copy = Object.create(Object.getPrototypeOf(config), Object.getOwnPropertyDescriptors(config));
  return Object.assign(copy, {
    data: body.data,
    headers: config.headers.concat(body.fields, fields),
    beforeRedirect: withoutFields(config, url, fields),
  });
}

// On the redirects that axios follows in Node, older ones keep Authorization on the way to a subdomain, and all
// of them keep the other fields that a scheme may set.
function withoutFields(
  { beforeRedirect }: InternalAxiosRequestConfig,
  url: string,
  fields: Readonly<Record<string, string>>,
): NonNullable<InternalAxiosRequestConfig["beforeRedirect"]> {
  const { origin } = new URL(url, globalThis.location?.href);
  const names = Object.keys(fields).map((name) => name.toLowerCase());
  return (options, ...details) => {
    if (new URL(options.href).origin !== origin) {
      for (const name of Object.keys(options.headers)) {
        if (names.includes(name.toLowerCase())) delete options.headers[name];
      }
    }
    beforeRedirect?.(options, ...details);
  };
}

// With the caller's own config, which has no field of ours.
async function sentOnce(
  adapter: AxiosAdapter,
  sent: InternalAxiosRequestConfig,
  config: InternalAxiosRequestConfig,
): Promise<Answered> {
  try {
    const response = await adapter(sent);
    response.config = config;
    return { response };
  } catch (error) {
    // Older fetch adapters wrap one AxiosError in another.
    for (let each = error; axios.isAxiosError(each); each = each.cause) each.config = config;
    if (!axios.isAxiosError(error) || !error.response) throw error;
    error.response.config = config;
    return { response: error.response, error };
  } finally {
    // What a stream fails with later has the config that was sent.
    if (config.responseType === "stream") sent.headers = config.headers;
  }
}

// http and xhr tell the final URL; the fetch adapter does not.
function finalUrl({ request }: AxiosResponse): string | undefined {
  return request?.res?.responseUrl ?? request?.responseURL;
}

// What is no AxiosError and was aborted, axios itself turns into a CanceledError.
function errorOf(error: unknown, config: InternalAxiosRequestConfig): unknown {
  if (!(error instanceof FreshtokenError)) return error;
  return withCause(new AxiosError(error.message, error.code, config), error);
}

// Not enumerable, as a cause is.
function withCause(error: AxiosError, cause: FreshtokenError): AxiosError {
  return Object.defineProperty(error, "cause", { value: cause, writable: true, configurable: true });
}
