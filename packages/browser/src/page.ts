/** Resolves once the page is shown again, or goes on after it was frozen. */
export function shown(): Promise<unknown> {
  return new Promise((resolve) => {
    const over = new AbortController();
    listen(over, () => resolve(over.abort()), "pageshow", "resume");
  });
}

/** Listens until `end` aborts. On a server nothing happens to the page, and nothing is heard. */
export function listen(
  { signal }: AbortController,
  listener: () => void,
  ...types: readonly ("freeze" | "online" | "pagehide" | "pageshow" | "resume" | "visibilitychange")[]
): void {
  for (const type of types) globalThis.addEventListener?.(type, listener, { capture: true, signal });
}
