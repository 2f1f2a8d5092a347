/**
 * The admin panel on the local stack: `/admin/`, built in the background if its sources changed. And `/messages/`, the pages of
 * masked messaging, which are built with it.
 */
import { Problem, problemResponse } from "../../supabase/functions/_shared/http/problem.ts";
import { log } from "../../supabase/functions/_shared/log/log.ts";
import { join } from "../../lib/paths.ts";
import { buildPanel, PANEL, panelIsBuilt } from "./build.ts";

export interface PanelOptions {
  /** Public URL of the stack, without a trailing slash. */
  url: string;
  publishableKey: string;
  /** Whether masked messaging is on for any organisation. While it is not there is nothing at `/messages/`. */
  messagingIsOn(): Promise<boolean>;
}

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  woff2: "font/woff2",
};

/**
 * Headers of each response against framing: the panel acts in its user's name, and an enclosing page could
 * misdirect clicks.
 */
const ALONE = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "frame-ancestors 'none'",
  "x-frame-options": "DENY",
};

/**
 * Serves the panel and starts a build if needed. Failure policy: if the panel cannot be built, its page says
 * so; the rest of the stack continues.
 */
export function createPanel(
  { url, publishableKey, messagingIsOn }: PanelOptions,
): { fetch(request: Request): Promise<Response>; messages(request: Request): Promise<Response> } {
  let state: "building" | "ready" | Error = "building";
  (async () => {
    try {
      if (!await panelIsBuilt()) await buildPanel();
      state = "ready";
    } catch (error) {
      log.error("the admin panel could not be built", { error });
      state = error as Error;
    }
  })();
  return {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/admin") {
        return new Response(null, { status: 308, headers: { location: "/admin/", ...ALONE } });
      }
      if (request.method !== "GET" && request.method !== "HEAD") {
        return new Response(null, { status: 405, headers: { allow: "GET, HEAD", ...ALONE } });
      }
      const path = pathname.slice("/admin/".length);
      if (path === "config.json") {
        return Response.json({ url, publishableKey }, { headers: { "cache-control": "no-store", ...ALONE } });
      }
      if (state !== "ready") return waiting(state);
      if (path === "messages" || path.startsWith("messages/")) {
        return new Response(null, { status: 308, headers: { location: "/messages/", ...ALONE } });
      }
      if (path === "status") {
        return new Response(null, { status: 308, headers: { location: "/admin/status/", ...ALONE } });
      }
      return await file(path.replace(/(^|\/)$/, "$1index.html"));
    },
    async messages(request) {
      const { pathname } = new URL(request.url);
      const isThere = pathname === "/messages" || pathname === "/messages/";
      if (!isThere || !await messagingIsOn()) {
        return problemResponse(new Problem("not_found"), crypto.randomUUID());
      }
      if (request.method !== "GET" && request.method !== "HEAD") {
        return new Response(null, { status: 405, headers: { allow: "GET, HEAD", ...ALONE } });
      }
      if (pathname === "/messages") {
        return new Response(null, { status: 308, headers: { location: "/messages/", ...ALONE } });
      }
      if (state !== "ready") return waiting(state);
      const page = await file("messages/index.html");
      // What lies beside the panel's own page is below /admin/ here.
      return new Response((await page.text()).replaceAll('="../', '="/admin/'), page);
    },
  };
}

async function file(path: string): Promise<Response> {
  const type = TYPES[path.split(".").at(-1)!];
  // Decoded by nobody, so that no other spelling of ".." leads out of the folder.
  if (!type || !/^[\w./-]+$/.test(path) || path.includes("..")) return missing();
  try {
    const content = await Deno.readFile(join(PANEL, path));
    return new Response(content, {
      headers: {
        "content-type": type,
        // Names under assets/ change with their content.
        "cache-control": path.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache",
        ...ALONE,
      },
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return missing();
    throw error;
  }
}

const missing = () => new Response("There is no such file.", { status: 404, headers: ALONE });

function waiting(state: "building" | Error): Response {
  const building = state === "building";
  const text = building
    ? "<h1>The admin panel is being built</h1><p>This takes a few seconds after its sources have changed. The page reloads automatically.</p>"
    : `<h1>The admin panel could not be built</h1><pre>${
      escape(state.message)
    }</pre><p>Fix the error, run <code>deno task admin:build</code>, and restart the stack.</p>`;
  return new Response(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">${
      building ? '<meta http-equiv="refresh" content="1">' : ""
    }<title>Gatelink</title></head>
<body style="font-family: system-ui; max-width: 40rem; margin: 20vh auto; padding: 0 1rem">${text}</body></html>`,
    {
      status: 503,
      headers: {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "retry-after": "1",
        ...ALONE,
      },
    },
  );
}

const escape = (text: string) => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
