import type { Figures } from "./figures.ts";

type Judged = Pick<Figures, "requests" | "answered" | "reused">;

/** Tells whether every request was answered, and the authorization server saw no refresh token twice. */
export function isFlawless({ requests, answered, reused }: Judged): boolean {
  return requests > 0 && answered === requests && reused === 0;
}

/** Says so in words, or what is wrong. */
export function verdict({ requests, answered, reused }: Judged): string {
  const lost = requests - answered;
  const answers = lost === 0 ? "Every request was answered" : `Lost ${lost} of ${requests} requests`;
  return `${answers}; the server saw ${reused === 0 ? "no refresh token" : `${reused} of the refresh tokens`} twice.`;
}
