import {
  createServer,
  type HistoryNote,
  type RequestEntry,
  type Server,
  type ServerOptions,
  violationsIn,
} from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { build } from "esbuild";
import type { PageOptions } from "./page.ts";

/** An origin on loopback: the pages of the tests, an authorization server that bites, and what it protects. */
export interface Site {
  readonly server: Server;
  readonly origin: string;
  /** The address of a page with a session. */
  page(options?: PageOptions, path?: "page" | "sandbox" | "worker.js"): string;
  /** The address of a page of the same origin that knows of no session. */
  readonly plain: string;
  /** The rules that the history breaks. */
  violations(): string[];
  close(): Promise<void>;
}

let bundles: Promise<Map<string, string>> | undefined;

// What the pages and workers run: the sources as they are, with their dynamic import.
async function bundle(): Promise<Map<string, string>> {
  const { outputFiles } = await build({
    entryPoints: ["page", "worker", "contract"].map((name) => `${import.meta.dirname}/${name}.ts`),
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

const SANDBOX = { "content-security-policy": "sandbox allow-scripts" };

export async function openSite(options: ServerOptions = {}, host = "127.0.0.1"): Promise<Site> {
  bundles ??= bundle();
  const scripts = await bundles;
  const server = createServer(options);

  async function fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const script = scripts.get(pathname);
    if (script) return answer(script, "text/javascript");
    if (pathname === "/plain") return answer(HTML, "text/html");
    if (pathname === "/page" || pathname === "/contract") return answer(htmlOf(pathname), "text/html");
    // Its origin is opaque: it has no storage, and no locks.
    if (pathname === "/sandbox") return answer(htmlOf("/page"), "text/html", SANDBOX);
    return server.fetch(request);
  }

  const { origin: address, close } = await listen({ fetch }, { cors: true });
  const origin = address.replace("127.0.0.1", host);
  return {
    server,
    origin,
    page: (page = {}, path = "page") => `${origin}/${path}?${encodeURIComponent(JSON.stringify(page))}`,
    plain: `${origin}/plain`,
    // Connections overtake one another: what arrives later may have been sent before.
    violations: () => violationsIn(server.log, { note, except: ["older"] }).map(({ rule }) => rule),
    close,
  };
}

function answer(body: string, type: string, more: Readonly<Record<string, string>> = {}): Response {
  return new Response(body, { headers: { "content-type": type, ...more } });
}

function htmlOf(script: string): string {
  return `${HTML}<script type="module" src="${script}.js"></script>`;
}

function note({ headers }: RequestEntry): HistoryNote {
  const { "x-by": by = "", "x-request": request } = headers;
  return { by, ...(request !== undefined && { request }) };
}
