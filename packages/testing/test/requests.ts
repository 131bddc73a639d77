/** Anything that fetches: a server in memory, or the platform. */
interface Fetches {
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

export function refresh(at: Fetches, refreshToken: string, origin = ""): Promise<Response> {
  const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken });
  return at.fetch(`${origin}/token`, { method: "POST", body });
}

export function revoke(at: Fetches, token: string): Promise<Response> {
  return at.fetch("/revoke", { method: "POST", body: new URLSearchParams({ token }) });
}

export function get(at: Fetches, url: string, token?: string, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return at.fetch(url, { headers, ...(signal ? { signal } : {}) });
}

/** A whole answer, to compare at once. */
export async function wholeOf(answer: Response | Promise<Response>): Promise<[number, unknown]> {
  const response = await answer;
  const text = await response.text();
  return [response.status, isJson(response) ? JSON.parse(text) : text];
}

function isJson(response: Response): boolean {
  return response.headers.get("content-type") === "application/json";
}
