/** How the panel is built (`deno task admin:build`) and served while it is worked on (`deno task admin:dev`). */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The local stack that `admin:dev` works on. */
const STACK = "http://127.0.0.1:54321";

export default defineConfig({
  // Relative, so that it runs in any folder of any host.
  base: "./",
  plugins: [react()],
  cacheDir: "../node_modules/.vite",
  // Its own build for browsers: the other one expects Node's Buffer.
  resolve: { alias: { "csv-stringify/sync": "csv-stringify/browser/esm/sync" } },
  // The manifest tells tests which files are loaded first.
  build: { target: "es2022", manifest: true, chunkSizeWarningLimit: 900 },
  server: {
    headers: { "content-security-policy": "frame-ancestors 'none'", "x-frame-options": "DENY" },
    proxy: {
      "/rest/v1": STACK,
      "/auth/v1": STACK,
      "/functions/v1": STACK,
      "/config.json": { target: STACK, rewrite: () => "/admin/config.json" },
    },
  },
});
