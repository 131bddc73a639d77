import type { Session } from "@freshtoken/core";
import type { QueryClient } from "@tanstack/query-core";

/**
 * Empties the cache whenever the session ends or another begins, and fetches anew what is on screen after a
 * sign-in. What is still in flight is cancelled. Returns the undo.
 */
export function keepUsersApart(client: QueryClient, session: Session): () => void {
  return session.subscribe(({ type }) => {
    if (type !== "signedIn" && type !== "signedOut") return;
    empty(client);
    if (type === "signedIn") void client.refetchQueries();
  });
}

// `client.clear()` would leave on screen what is there: observers keep a query that was removed.
function empty(client: QueryClient): void {
  const cache = client.getQueryCache();
  for (const query of cache.getAll()) {
    if (query.getObserversCount() > 0) query.reset();
    else cache.remove(query);
  }
  client.getMutationCache().clear();
}
