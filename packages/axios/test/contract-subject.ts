import type {
  AdapterSubject,
  Client,
  ContractAnswer,
  Setting,
  UserHooks,
} from "@freshtoken/testing/contract";
import axios, { AxiosError, type AxiosInstance, type CreateAxiosDefaults } from "axios";
import { attachSession } from "../src/index.ts";

type Adapter = "http" | "fetch" | "xhr";

interface Options {
  readonly cannot?: AdapterSubject["cannot"];
  readonly defaults?: CreateAxiosDefaults;
  /** Makes the kind of stream that the adapter sends. */
  stream?(stream: ReadableStream): unknown;
  /** Whether an answer can be had as a stream. @default true */
  readonly streamsAnswers?: boolean;
}

/** One of the adapters of axios under the contract. */
export function subjectOf(host: string, adapter: Adapter, options: Options = {}): AdapterSubject {
  return {
    host,
    cannot: { views: "axios sends the whole buffer under a view", ...options.cannot },
    attach(session, setting) {
      const api = axios.create({ baseURL: setting.origin, ...noting(adapter, setting), ...options.defaults });
      use(api, setting.before);
      attachSession(api, session);
      use(api, setting.after);
      return clientOf(api, setting, options);
    },
    errorIn: (error) => Object(error).cause,
    isAbort: (error) => axios.isCancel(error),
    answerIn: (error) => answerOf(Object(error).response),
  };
}

function noting(adapter: Adapter, { sent }: Setting): CreateAxiosDefaults {
  return {
    adapter(config) {
      sent(config.url ?? "");
      return axios.getAdapter(adapter, config)(config);
    },
  };
}

function use({ interceptors }: AxiosInstance, { request, answer }: UserHooks): void {
  interceptors.request.use((config) => {
    request();
    return config;
  });
  interceptors.response.use(
    (response) => {
      answer(response.status);
      return response;
    },
    (error) => {
      if (error instanceof AxiosError && error.response) answer(error.response.status);
      throw error;
    },
  );
}

function clientOf(
  api: AxiosInstance,
  { serialize }: Setting,
  { stream = (same) => same, streamsAnswers = true }: Options,
): Client {
  return {
    async send({ url, method = "GET", headers = {}, body, json, signal, ...request }) {
      const { strict = false, streamed = false, optOut = false } = request;
      const response = await api.request({
        url,
        method,
        headers,
        data: json ?? (body instanceof ReadableStream ? stream(body) : body),
        responseType: streamed && streamsAnswers ? "stream" : "text",
        transformResponse: [(text) => text],
        ...(signal ? { signal } : {}),
        ...(strict ? {} : { validateStatus: null }),
        ...(optOut ? { session: false } : {}),
        ...(json !== undefined && serialize ? { transformRequest: [serialize] } : {}),
      });
      return answerOf(response);
    },
  };
}

async function answerOf({ status, data }: { status: number; data: BodyInit }): Promise<ContractAnswer> {
  return { status, body: typeof data === "string" ? data : await new Response(data).text() };
}
