type Send = (url: string, init: RequestInit) => Promise<Response>;

/** A fetch of so many connections: one is busy until the body of its answer was read to its end, or cancelled. */
export function pooled(count: number): Send {
  const waiting: (() => void)[] = [];
  let free = count;

  function release(): void {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }

  return async (url, init) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      return watched(await fetch(url, init), release);
    } catch (error) {
      release();
      throw error;
    }
  };
}

function watched(response: Response, ended: () => void): Response {
  if (!response.body) {
    ended();
    return response;
  }
  // `cancel` came to transformers after the types of the DOM.
  const watch: Transformer & { cancel(): void } = { flush: ended, cancel: ended };
  const copy = new Response(response.body.pipeThrough(new TransformStream(watch)), response);
  return Object.defineProperty(copy, "url", { value: response.url });
}
