import { sessionFetch } from "@freshtoken/fetch";
import type { AdapterSubject, ContractRequest, Setting } from "@freshtoken/testing/contract";
import ky, { type Hooks, type HTTPError, type Options } from "ky-1";
import { copies } from "./contract-subject.ts";

/** ky 1 over `sessionFetch` under the contract. */
export function ky1Subject(host: string): AdapterSubject {
  return {
    host,
    cannot: {
      streams: copies,
      optOut: "who calls a ky without sessionFetch has opted out",
      ownSignal: "ky 1 makes a Request, which does not show it",
    },
    attach(session, setting) {
      const { origin, sent, serialize } = setting;
      const noting: typeof fetch = (input, init) => {
        sent((input as Request).url);
        return fetch(input, init);
      };
      const client = ky
        .create({
          retry: 0,
          timeout: false,
          fetch: sessionFetch(session, { fetch: noting, origins: [origin] }),
          ...(serialize ? { stringifyJson: serialize } : {}),
          hooks: hooksOf(setting, "before"),
        })
        .extend({ hooks: hooksOf(setting, "after") });
      return {
        async send(request) {
          const answer = await client(request.url, optionsOf(request));
          return { status: answer.status, body: await answer.text() };
        },
      };
    },
    async answerIn(error) {
      const { response } = error as HTTPError;
      return { status: response.status, body: await response.text() };
    },
  };
}

function hooksOf(setting: Setting, place: "before" | "after"): Hooks {
  const { request, answer } = setting[place];
  return { beforeRequest: [request], afterResponse: [(_, __, { status }) => answer(status)] };
}

function optionsOf({
  method = "GET",
  body,
  json,
  headers,
  signal,
  strict = false,
}: ContractRequest): Options {
  return {
    method,
    throwHttpErrors: strict,
    ...(headers ? { headers } : {}),
    ...(body === undefined ? {} : { body }),
    ...(json === undefined ? {} : { json }),
    ...(signal ? { signal } : {}),
  };
}
