import { randomUUID } from "node:crypto";

/** The nonces that a server gives to its clients. */
export interface Nonces {
  next(): string;
  accepts(nonce: unknown): boolean;
}

/** Gives a new nonce each time; each is good until `lifetime` more were given. */
export function createNonces(lifetime: number): Nonces {
  const given: string[] = [];

  return {
    next() {
      const nonce = randomUUID();
      given.push(nonce);
      if (given.length > lifetime) given.shift();
      return nonce;
    },
    accepts: (nonce) => given.includes(String(nonce)),
  };
}
