import fc from "fast-check";
import { converse, demand } from "./conversation.ts";
import { type Property, propertyOf } from "./property.ts";
import { type Member, prepare, type Recipe, recipes } from "./recipe.ts";
import { brought, held, quotation } from "./secrets.ts";

/** An error that a client throws for an answer it does not like, in the shape of that client. */
interface Thrown {
  readonly client: "axios" | "ky" | "ky, unread" | "oauth4webapi" | "a challenge";
  readonly status: number;
  readonly code: string | undefined;
  readonly html: boolean;
}

const thrown: fc.Arbitrary<Thrown> = fc.record({
  client: fc.constantFrom("axios", "ky", "ky, unread", "oauth4webapi", "a challenge"),
  status: fc.constantFrom(400, 401, 403, 404, 408, 418, 425, 429, 500, 502, 503, 504),
  code: fc.constantFrom(
    "invalid_grant",
    "login_required",
    "invalid_client",
    "slow_down",
    "Unauthorized",
    undefined,
  ),
  html: fc.boolean(),
});

// Everything about it quotes what was sent, as the errors of clients do.
function errorOf({ client, status, code, html }: Thrown): unknown {
  const message = `Request failed with status code ${status}: ${quotation}`;
  const body = html ? `<html>${code} ${quotation}</html>` : JSON.stringify({ error: code, hint: quotation });
  const data = html ? body : JSON.parse(body);
  const type = html ? "text/html" : "application/json";
  const config = {
    data: `refresh_token=${held.refreshToken}`,
    headers: { authorization: `Bearer ${held.accessToken}` },
  };
  const response = new Response(body, { status, headers: { "content-type": type } });
  const error = new Error(message);
  switch (client) {
    case "axios":
      return Object.assign(error, {
        ...{ name: "AxiosError", code: "ERR_BAD_REQUEST", status, config },
        response: { status, data, headers: { "content-type": type }, config },
      });
    case "ky":
      void response.text();
      return Object.assign(error, { name: "HTTPError", response, data, request: config });
    case "ky, unread":
      return Object.assign(error, { name: "HTTPError", response, request: config });
    case "oauth4webapi":
      return Object.assign(error, {
        status,
        ...(!html && { error: code, cause: data, error_description: quotation }),
        response,
      });
    case "a challenge":
      return Object.assign(error, {
        status,
        cause: [{ scheme: "bearer", parameters: { error: code, hint: quotation } }],
        response,
      });
  }
}

function isRejection({ client, status, code, html }: Thrown): boolean {
  const isRead = !html || client === "a challenge";
  if (isRead && code && code !== "Unauthorized") return code === "invalid_grant" || code === "login_required";
  return !html && [400, 401, 403].includes(status);
}

const NAMES = [
  ...["name", "message", "stack", "code", "status", "cause", "error", "data", "body", "then"],
  ...[
    "response",
    "headers",
    "text",
    "clone",
    "get",
    "bodyUsed",
    "content-type",
    "retry-after",
    "parameters",
    "0",
  ],
];
const VALUES = [
  ...[
    400,
    401,
    503,
    "invalid_grant",
    "invalid_client",
    "ECONNRESET",
    "ERR_INVALID_URL",
    "AxiosError",
    "SyntaxError",
  ],
  ...[
    `refused ${quotation}`,
    encodeURIComponent(quotation),
    { error: "login_required" },
    brought.refreshToken.slice(0, 7),
  ],
];

// A client's error of which one member resists, or is something else.
const broken = fc.tuple(
  thrown,
  fc.record({
    name: fc.constantFrom(
      "response",
      "cause",
      "status",
      "data",
      "message",
      "stack",
      "name",
      "code",
      "headers",
    ),
    how: fc.constantFrom<Member["how"]>(
      "value",
      "getter",
      "throws",
      "throws a TypeError",
      "throws null",
      "throws itself",
    ),
    value: recipes(NAMES, VALUES),
  }),
);

function brokenOf([given, member]: [Thrown, Member]): unknown {
  const error = errorOf(given) as object;
  const wrapper: Recipe = { is: "plain", members: [member] };
  return Object.defineProperties(error, Object.getOwnPropertyDescriptors(prepare(wrapper) as object));
}

const thrower = (make: () => unknown) => () => {
  throw make();
};

/** What `refresh` throws. */
export const errors: readonly Property[] = [
  propertyOf(
    "an error of axios, ky or oauth4webapi: rejected or failed, as its answer says",
    thrown,
    async (given) => {
      const { state, asked } = await converse(thrower(() => errorOf(given)));
      const { message } = Object(asked).error.cause;
      demand(message.startsWith("Request failed with status code"), "the evidence is lost", message);
      demand((state.status === "signedOut") === isRejection(given), state.status);
    },
  ),
  propertyOf("an error of a client with one hostile member: rejected or failed", broken, async (given) => {
    await converse(thrower(() => brokenOf(given)));
  }),
  propertyOf("any value that refresh throws: rejected or failed", recipes(NAMES, VALUES), async (recipe) => {
    await converse(thrower(() => prepare(recipe)));
  }),
];
