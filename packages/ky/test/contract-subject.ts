import type { AdapterSubject, ContractRequest, Setting } from "@freshtoken/testing/contract";
import type { Hooks, HTTPError, KyInstance, Options } from "ky";
import { sessionHooks } from "../src/index.ts";

export const copies = "ky keeps a copy of each stream, and sends that again";

/** Some release of ky 2 under the contract. */
export function subjectOf(
  host: string,
  ky: KyInstance,
  cannot: AdapterSubject["cannot"] = {},
): AdapterSubject {
  return {
    host,
    cannot: { streams: copies, ...cannot },
    attach(session, setting) {
      const client = ky
        .create({ ...plain(setting), baseUrl: setting.origin, hooks: hooksOf(setting, "before") })
        .extend({ hooks: sessionHooks(session) })
        .extend({ hooks: hooksOf(setting, "after") });
      return {
        async send(request) {
          const answer = await client(request.url, optionsOf(request));
          return { status: answer.status, body: await answer.text() };
        },
      };
    },
    async answerIn(error) {
      const { response, data } = error as HTTPError;
      return { status: response.status, body: JSON.stringify(data) };
    },
  };
}

function plain({ sent, serialize }: Setting): Options {
  return {
    retry: 0,
    timeout: false,
    ...(serialize ? { stringifyJson: serialize } : {}),
    fetch(input, init) {
      sent((input as Request).url);
      return fetch(input, init);
    },
  };
}

function hooksOf(setting: Setting, place: "before" | "after"): Hooks {
  const { request, answer } = setting[place];
  return { beforeRequest: [request], afterResponse: [({ response }) => answer(response.status)] };
}

function optionsOf({ method = "GET", body, json, headers, ...request }: ContractRequest): Options {
  const { signal, strict = false, optOut = false } = request;
  return {
    method,
    throwHttpErrors: strict,
    ...(headers ? { headers } : {}),
    ...(body === undefined ? {} : { body }),
    ...(json === undefined ? {} : { json }),
    ...(signal ? { signal } : {}),
    ...(optOut ? { context: { session: false } } : {}),
  };
}
