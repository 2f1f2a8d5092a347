/** The least that a redirect costs: an answer that is always the same. */
const server = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen() {} },
  () => new Response(null, { status: 302, headers: { location: "https://www.example.com/" } }),
);
console.log(`listening on ${server.addr.port}`);
