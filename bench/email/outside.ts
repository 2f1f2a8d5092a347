/**
 * A SendGrid that takes what is sent, in a process of its own, and notes when the forward of each answer came.
 *
 * Prints its port. Paths: `POST /v3/mail/send`; `GET /report` gives {@linkcode Forwards} and forgets them.
 */

/** When each forward came, by the number of its answer, in milliseconds since 1970 with their fraction. */
export interface Forwards {
  at: [number: number, at: number][];
}

let at: Forwards["at"] = [];

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  if (request.method === "GET") {
    const report: Forwards = { at };
    at = [];
    return Response.json(report);
  }
  const now = performance.timeOrigin + performance.now();
  const number = /question (\d+)/.exec(await request.text())?.[1];
  if (number !== undefined) at.push([Number(number), now]);
  return new Response(null, { status: 202, headers: { "x-message-id": crypto.randomUUID() } });
});
await Deno.stdout.write(new TextEncoder().encode(`listening on ${server.addr.port}\n`));
