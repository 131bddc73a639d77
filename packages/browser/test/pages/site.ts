import {
  createServer,
  type RequestEntry,
  type Server,
  type ServerOptions,
  violationsIn,
} from "@freshtoken/testing";
import { type Listener, listen } from "@freshtoken/testing/node";
import { build } from "esbuild";
import type { PageOptions } from "./page.ts";

/** An origin on loopback: the pages of the tests, an authorization server that bites, and what it protects. */
export interface Site {
  readonly server: Server;
  /** The address of a page, of a plain one where there are no options. */
  page(options?: PageOptions): string;
  readonly plain: string;
  /** What the history shows that must never happen. */
  violations(): string[];
  /** How many documents have presented a refresh token. */
  refreshers(): number;
  close(): Promise<void>;
}

let bundles: Promise<Map<string, string>> | undefined;

// What the pages and workers run: the sources as they are, with their dynamic import.
async function bundle(): Promise<Map<string, string>> {
  const { outputFiles } = await build({
    entryPoints: ["page", "worker"].map((name) => `${import.meta.dirname}/${name}.ts`),
    bundle: true,
    conditions: ["@freshtoken/source"],
    format: "esm",
    // The package has no side effects; its pages have nothing else.
    ignoreAnnotations: true,
    outdir: "/",
    splitting: true,
    target: "es2022",
    write: false,
  });
  return new Map(outputFiles.map(({ path, text }) => [path, text]));
}

const HTML = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>page</title>`;

export async function openSite(options: ServerOptions = {}): Promise<Site> {
  bundles ??= bundle();
  const scripts = await bundles;
  const server = createServer(options);

  async function fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const script = scripts.get(pathname);
    if (script) return new Response(script, { headers: { "content-type": "text/javascript" } });
    if (pathname === "/plain") return html("");
    if (pathname === "/page") return html(`<script type="module" src="/page.js"></script>`);
    return server.fetch(request);
  }

  const listener: Listener = await listen({ fetch });
  const origin = listener.origin;
  return {
    server,
    page: (page = {}) => `${origin}/page?${encodeURIComponent(JSON.stringify(page))}`,
    plain: `${origin}/plain`,
    violations: () => violationsIn(server.log, { note }).map(({ what }) => what),
    refreshers: () =>
      new Set(server.log.flatMap((entry) => (entry.at === "token" ? [entry.headers["x-by"]] : []))).size,
    close: () => listener.close(),
  };
}

function html(head: string): Response {
  return new Response(HTML + head, { headers: { "content-type": "text/html" } });
}

function note({ headers }: RequestEntry) {
  return { by: headers["x-by"] ?? "", ...(headers["x-request"] ? { request: headers["x-request"] } : {}) };
}
