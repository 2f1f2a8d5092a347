/**
 * Runs a Cloudflare Worker under Miniflare: `<package> <module> <variables as JSON> <further options as JSON>`. Prints its URL; the end of its
 * input ends it. A process of its own, with packages of its own: nothing else of the project needs them.
 */
const [, , spec, path, variables, more] = process.argv;
const { Miniflare } = await import(`npm:${spec}`);
const worker = new Miniflare({
  modules: true,
  scriptPath: path,
  compatibilityDate: "2026-07-01",
  bindings: JSON.parse(variables),
  host: "127.0.0.1",
  port: 0,
  ...JSON.parse(more),
});
console.log(String(await worker.ready));
for await (const _ of process.stdin) { /* nothing is said */ }
await worker.dispose();
