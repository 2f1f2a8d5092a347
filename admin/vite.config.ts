/**
 * How the panel is built (`deno task admin:build`) and served while it is worked on (`deno task admin:dev`). The pages of
 * masked messaging are a build of their own into the same folder (`--mode messages`): what the two share would otherwise be
 * cut into many small files, and both would load more.
 */
import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import { docsPages } from "./docs_pages.ts";

/** A file of this folder. */
const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The local stack that `admin:dev` works on. */
const STACK = "http://127.0.0.1:54321";

/** Adds the documentation to a build, and serves it while the panel is worked on. */
function docs(folder: string): Plugin {
  return {
    name: "gatelink-docs",
    generateBundle() {
      for (const [path, source] of docsPages(folder)) {
        this.emitFile({ type: "asset", fileName: `docs/${path}`, source });
      }
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = /^\/docs\/([^?]+)/.exec((request as { url?: string }).url ?? "")?.[1];
        const found = path === undefined ? undefined : docsPages(folder).get(path);
        if (found === undefined) return next();
        response.setHeader(
          "content-type",
          path!.endsWith(".html") ? "text/html; charset=utf-8" : "application/octet-stream",
        );
        response.end(found);
      });
    },
  };
}

export default defineConfig(({ mode }) => ({
  // Relative, so that it runs in any folder of any host.
  base: "./",
  plugins: mode === "messages" ? [react()] : [react(), docs("docs")],
  cacheDir: "../node_modules/.vite",
  // Its own build for browsers: the other one expects Node's Buffer.
  resolve: { alias: { "csv-stringify/sync": "csv-stringify/browser/esm/sync" } },
  // The manifest tells tests which files are loaded first.
  build: {
    target: "es2022",
    manifest: mode === "messages" ? ".vite/messages.json" : true,
    chunkSizeWarningLimit: 900,
    copyPublicDir: mode !== "messages",
    rolldownOptions: { input: at(mode === "messages" ? "messages/index.html" : "index.html") },
  },
  server: {
    headers: { "content-security-policy": "frame-ancestors 'none'", "x-frame-options": "DENY" },
    proxy: {
      "/rest/v1": STACK,
      "/auth/v1": STACK,
      "/functions/v1": STACK,
      "/config.json": { target: STACK, rewrite: () => "/admin/config.json" },
    },
  },
}));
