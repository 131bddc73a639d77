/** Resolves once the page is shown again. */
export function shown(): Promise<unknown> {
  return new Promise((resolve) => addEventListener("pageshow", resolve, { once: true }));
}

/** Listens until `end` aborts. On a server nothing happens to the page, and nothing is heard. */
export function listen(
  target: Partial<Pick<EventTarget, "addEventListener">>,
  type: string,
  listener: () => void,
  { signal }: AbortController,
): void {
  target.addEventListener?.(type, listener, { capture: true, signal });
}
