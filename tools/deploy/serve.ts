/**
 * Serves one function as Supabase's runtime does: imports its index.ts, takes `export default { fetch }`, and
 * passes only the request. Runs under the hosted Deno, in its own process:
 *
 *     deno run <permissions> serve.ts <path of index.ts>
 *
 * Prints `ready <port>` once it listens, which is after the import: a hosted worker accepts no request before.
 */

// Work after the answer goes on here as long as the process lives.
Object.assign(globalThis, { EdgeRuntime: { waitUntil: (work: Promise<unknown>) => void work } });

const entry = new URL(Deno.args[0], "file:///");
const { default: exported } = await import(entry.href);
if (typeof exported?.fetch !== "function") {
  throw new TypeError("index.ts must have `export default { fetch }` with a function");
}
Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.log(`ready ${port}`),
}, (request) => exported.fetch(request));
