import { inspect } from "node:util";

/** What the session is signed in with. */
export const held = {
  accessToken: "A0-qW3rT5yU7iO9pL1kJ",
  refreshToken: "R0-zX8cV6bN4mA2sD0fG",
  idToken: "I0-hH5gG4fF3dD2sS1aA",
};

/** What an answer brings. */
export const brought = {
  accessToken: "A1-mN7bV5cX3zL1kJ9hG",
  refreshToken: "R1-tR6eW4qY2uI0oP8aS",
};

/** What somebody else says of the tokens that are held. */
export const quotation = `"${held.accessToken}" and ${held.refreshToken} of ${held.idToken.slice(0, 12)}`;

const ALL = { ...held, later: brought.accessToken, last: brought.refreshToken };

/** Every part of these tokens that can be seen in a value, at any depth. */
export function leaks(value: unknown, tokens: Readonly<Record<string, string>> = ALL): string[] {
  const shown = `${inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true })}${JSON.stringify(value)}`;
  return Object.values(tokens)
    .flatMap(partsOf)
    .filter((part) => shown.includes(part));
}

function partsOf(token: string): string[] {
  return Array.from({ length: token.length - 7 }, (_, at) => token.slice(at, at + 8));
}
