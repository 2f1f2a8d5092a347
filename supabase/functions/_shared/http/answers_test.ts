import { assertEquals } from "../../../../tests/support/assert.ts";
import { MAX_READ, parseRetryAfter, readAnswer, readResponse } from "./answers.ts";

Deno.test("readAnswer() reads up to its limit, in any chunks, and cancels the rest", async () => {
  for (
    const [length, cut] of [[0, false], [5, false], [MAX_READ, false], [MAX_READ + 1, true], [
      10 * MAX_READ,
      true,
    ]] as const
  ) {
    for (const piece of [1000, 65536, 10 * MAX_READ]) {
      let sent = 0, cancelled = false;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent >= length) return controller.close();
          const chunk = new Uint8Array(Math.min(piece, length - sent)).map((_, i) => (sent + i) % 251);
          sent += chunk.length;
          controller.enqueue(chunk);
        },
        cancel: () => {
          cancelled = true;
        },
      });
      const read = await readAnswer(body);
      assertEquals([read.bytes.length, read.cut], [Math.min(length, MAX_READ), cut]);
      assertEquals(read.bytes.every((byte, i) => byte === i % 251), true);
      assertEquals(cancelled || !cut, true);
    }
  }
  assertEquals(await readAnswer(null), { bytes: new Uint8Array(), cut: false });
});

Deno.test("readResponse() reads what readAnswer() would of the response of any server", async () => {
  const sizes = [0, 5, MAX_READ, MAX_READ + 1];
  const ending = new AbortController();
  const { signal } = ending;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", signal, onListen() {} }, async (request) => {
    const url = new URL(request.url);
    const bytes = new Uint8Array(Number(url.searchParams.get("size"))).map((_, i) => i % 251);
    const how = url.searchParams.get("how");
    if (how === "declared") return new Response(bytes);
    if (how === "chunked") return new Response(new Blob([bytes]).stream());
    // Many times its own length once it is decompressed.
    const packed = new Blob([new Uint8Array(10 * MAX_READ).fill(1)]).stream().pipeThrough(
      new CompressionStream("gzip"),
    );
    return new Response(await new Response(packed).arrayBuffer(), {
      headers: { "content-encoding": "gzip" },
    });
  });
  const at = `http://127.0.0.1:${server.addr.port}/`;
  try {
    for (const how of ["declared", "chunked"]) {
      for (const size of sizes) {
        const { bytes, cut } = await readResponse(await fetch(`${at}?how=${how}&size=${size}`));
        assertEquals([bytes.length, cut], [Math.min(size, MAX_READ), size > MAX_READ], `${how} ${size}`);
        assertEquals(bytes.every((byte, i) => byte === i % 251), true);
      }
    }
    const { bytes, cut } = await readResponse(await fetch(`${at}?how=packed`));
    assertEquals([bytes.length, cut], [MAX_READ, true]);
    assertEquals(await readResponse(new Response(null, { status: 204 })), {
      bytes: new Uint8Array(),
      cut: false,
    });
  } finally {
    // Not a shutdown, which waits for the connections that fetch keeps: minutes on the hosted Deno.
    ending.abort();
    await server.finished;
  }
});

Deno.test("readResponse() is not deceived by a declared length beside chunks", async () => {
  const head = ["HTTP/1.1 200 OK", "Content-Length: 5", "Transfer-Encoding: chunked", "", ""].join("\r\n");
  const chunk = `10000\r\n${"a".repeat(0x10000)}\r\n`;
  const text = new TextEncoder().encode(head + chunk.repeat(4) + "0\r\n\r\n");
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const served = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(1024));
    const writer = connection.writable.getWriter();
    // The reader may be gone before the end.
    await writer.write(text).then(() => writer.close()).catch(() => {});
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const { bytes, cut } = await readResponse(await fetch(`http://127.0.0.1:${port}/`));
  assertEquals([bytes.length, cut], [MAX_READ, true]);
  await served;
  listener.close();
});

Deno.test("parseRetryAfter() reads both formats", () => {
  const now = Date.parse("2026-03-02T10:00:00Z");
  const cases: [header: string | null, ms: number | undefined][] = [
    [null, undefined],
    ["", undefined],
    ["0", 0],
    ["120", 120_000],
    [" 120 ", 120_000],
    ["-1", undefined],
    ["1.5", undefined],
    ["99999999999", undefined],
    ["soon", undefined],
    ["2026-03-02T10:01:00Z", undefined],
    ["Mon, 02 Mar 2026 10:01:00 GMT", 60_000],
    ["Mon, 02 Mar 2026 09:00:00 GMT", 0],
    ["Monday, 02-Mar-26 10:01:00 GMT", 60_000],
    ["Mon, 99 Mar 2026 10:01:00 GMT", undefined],
  ];
  for (const [header, ms] of cases) assertEquals(parseRetryAfter(header, now), ms, String(header));
});
