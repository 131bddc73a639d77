import { FreshtokenError, QueueFullError, RefreshFailedError } from "@freshtoken/core";

// Those of TanStack Query.
const RETRIES = 3;
const LONGEST_DELAY = 30_000;

/** Tells whether another attempt may help: as TanStack Query has it, less what no attempt can cure. */
export function retry(failureCount: number, error: unknown): boolean {
  return failureCount < RETRIES && isPassing(error);
}

/** How long to wait before it, in ms: after a failed refresh, until the session makes another. */
export function retryDelay(failureCount: number, error: unknown): number {
  const reason = reasonOf(error);
  if (reason instanceof RefreshFailedError) return delayAfter(reason);
  return Math.min(1000 * 2 ** failureCount, LONGEST_DELAY);
}

function isPassing(error: unknown): boolean {
  const reason = reasonOf(error);
  if (reason instanceof RefreshFailedError) return delayAfter(reason) <= LONGEST_DELAY;
  if (reason) return reason instanceof QueueFullError;
  const { response, status = response?.status } = Object(error);
  return status !== 401 && status !== 403;
}

// In axios it is the cause of an AxiosError.
function reasonOf(error: unknown): FreshtokenError | undefined {
  return [error, Object(error).cause].find((one) => one instanceof FreshtokenError);
}

// A timer may fire a millisecond early, when the session would still say no.
function delayAfter({ retryAt }: RefreshFailedError): number {
  return Math.max(0, retryAt + 1 - Date.now());
}
