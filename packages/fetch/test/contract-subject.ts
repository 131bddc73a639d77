import type { AdapterSubject, ContractRequest } from "@freshtoken/testing/contract";
import { sessionFetch } from "../src/index.ts";

/** Some fetch under the contract. */
export function subjectOf(
  host: string,
  bare: typeof fetch,
  cannot: AdapterSubject["cannot"] = {},
): AdapterSubject {
  return {
    host,
    cannot: {
      hooks: "fetch has none",
      serializer: "fetch serializes nothing",
      strict: "fetch takes no status for an error",
      optOut: "who calls plain fetch has opted out",
      ...cannot,
    },
    attach(session, { origin, sent }) {
      const noting: typeof fetch = (input, init) => {
        sent(String(input));
        return bare(input, init);
      };
      const authorized = sessionFetch(session, { fetch: noting, origins: [origin] });
      return {
        async send(request) {
          const answer = await authorized(request.url, initOf(request));
          return { status: answer.status, body: await answer.text() };
        },
      };
    },
  };
}

function initOf({ method = "GET", headers, body, json, signal }: ContractRequest): RequestInit {
  return {
    method,
    headers: { ...(json === undefined ? {} : { "content-type": "application/json" }), ...headers },
    body: json === undefined ? (body ?? null) : JSON.stringify(json),
    signal: signal ?? null,
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
  };
}
