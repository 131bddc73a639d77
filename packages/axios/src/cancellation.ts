import type { InternalAxiosRequestConfig } from "axios";

/** A request's signal and cancel token as one signal, for as long as the request lasts. */
export interface Cancellation {
  readonly signal: AbortSignal | undefined;
  end(): void;
}

export function watch({ signal, cancelToken }: InternalAxiosRequestConfig): Cancellation {
  const given = signal as AbortSignal | undefined;
  if (!cancelToken) return { signal: given, end() {} };
  // Not in axios's types, though in its code since cancel tokens were kept for compatibility.
  const token = cancelToken as unknown as {
    subscribe(listener: (reason: unknown) => void): void;
    unsubscribe(listener: (reason: unknown) => void): void;
  };
  const controller = new AbortController();
  const cancel = (reason: unknown) => controller.abort(reason);
  const abort = () => controller.abort(given?.reason);
  token.subscribe(cancel);
  if (given?.aborted) abort();
  given?.addEventListener("abort", abort);
  return {
    signal: controller.signal,
    end() {
      token.unsubscribe(cancel);
      given?.removeEventListener("abort", abort);
    },
  };
}
