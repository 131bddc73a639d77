/** Listens until `end` aborts. On a server nothing happens to the page, and nothing is heard. */
export function listen(
  target: Partial<Pick<EventTarget, "addEventListener">>,
  type: string,
  listener: (event: Event) => void,
  { signal }: AbortController,
): void {
  target.addEventListener?.(type, listener, { capture: true, signal });
}
