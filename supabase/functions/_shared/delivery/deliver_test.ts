/** Deliveries to real servers on this machine, friendly and not. */
import { assert, assertEquals, assertStringIncludes } from "../../../../tests/support/assert.ts";
import { Webhook } from "standardwebhooks";
import type { Resolution } from "./addresses.ts";
import { compileAllowlist } from "./allowlist.ts";
import { MAX_READ } from "../http/answers.ts";
import { MAX_KEPT } from "./answer.ts";
import { deliver, type DeliveryDeps, type DeliveryRequest } from "./deliver.ts";
import { selfSigned } from "../../../../tests/support/forward_samples.ts";

const SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"];
const PUBLIC: Resolution = { ok: true, addresses: ["93.184.215.14"] };

const local: DeliveryDeps = {
  fetch,
  resolve: () => Promise.reject(new Error("DNS is not asked about this machine")),
  allowlist: await compileAllowlist(["127.0.0.1", "localhost", "api.example.com"]),
  allowLoopback: true,
};

function request(url: string, changes: Partial<DeliveryRequest> = {}): DeliveryRequest {
  return {
    id: "msg_1",
    url,
    secrets: SECRETS,
    event: { type: "message.received", timestamp: "2026-03-02T10:00:00.000Z", data: { text: "grüße 👋" } },
    timeoutMs: 5000,
    ...changes,
  };
}

/** A request as a server got it; kept, because Deno closes the request itself with its answer. */
interface Got {
  method: string;
  url: string;
  headers: Headers;
  body: string;
}

/** Runs `work` against an HTTP server on a free port; keeps the requests it got. */
async function withServer(
  answer: (request: Request, count: number) => Response | Promise<Response>,
  work: (url: string, got: Got[]) => Promise<void>,
): Promise<void> {
  const got: Got[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { method, url } = request;
    got.push({ method, url, headers: new Headers(request.headers), body: await request.text() });
    return await answer(request, got.length);
  });
  try {
    await work(`http://127.0.0.1:${server.addr.port}/hook?tenant=1`, got);
  } finally {
    await server.shutdown();
  }
}

/** Runs `work` against a TCP server that does with each connection what `behave` says; keeps the bytes it got. */
async function withSocket(
  behave: (connection: Deno.TcpConn, firstBytes: Uint8Array) => Promise<void> | void,
  work: (port: number, got: string[]) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const got: string[] = [];
  const connections: Deno.TcpConn[] = [];
  const behaviours: Promise<void>[] = [];
  const serving = (async () => {
    for await (const connection of listener) {
      connections.push(connection);
      behaviours.push(
        (async () => {
          const buffer = new Uint8Array(65536);
          const length = await connection.read(buffer) ?? 0;
          got.push(new TextDecoder("latin1").decode(buffer.subarray(0, length)));
          await behave(connection, buffer.subarray(0, length));
        })().catch(() => {}),
      );
    }
  })();
  try {
    await work(listener.addr.port, got);
  } finally {
    listener.close();
    await serving;
    for (const connection of connections) {
      try {
        connection.close();
      } catch { /* closed by the behaviour */ }
    }
    await Promise.all(behaviours);
  }
}

const write = (connection: Deno.TcpConn, text: string) => connection.write(new TextEncoder().encode(text));

Deno.test("deliver(): sends one POST that each secret verifies, with id, time, trace and body", async () => {
  await withServer(() => new Response("thanks"), async (url, got) => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const now = Date.now();
    const result = await deliver({ ...local, now: () => now }, request(url, { traceparent }));
    assertEquals(result, { ok: true, status: 200, answer: "thanks", latencyMs: result.latencyMs });
    assert(Number.isInteger(result.latencyMs) && result.latencyMs >= 0 && result.latencyMs < 60_000);

    assertEquals(got.length, 1);
    const [{ method, headers, url: asked, body }] = got;
    assertEquals([method, asked], ["POST", url]);
    assertEquals(JSON.parse(body), request(url).event);
    assertEquals(headers.get("content-type"), "application/json");
    assertEquals(headers.get("user-agent"), "Gatelink-Webhooks/1");
    assertEquals(headers.get("webhook-id"), "msg_1");
    assertEquals(headers.get("webhook-timestamp"), String(Math.floor(now / 1000)));
    assertEquals(headers.get("traceparent"), traceparent);
    for (const secret of SECRETS) new Webhook(secret).verify(body, Object.fromEntries(headers));
  });
});

Deno.test("deliver(): classifies all kinds of answers", async () => {
  const json = (value: unknown, status = 200) => Response.json(value, { status });
  const replies = [{ type: "text", text: { body: "hi" } }];
  const big = (length: number) => JSON.stringify({ replies, x: "a".repeat(length) });
  const cases: [name: string, answer: () => Response, expected: Record<string, unknown>][] = [
    ["204", () => new Response(null, { status: 204 }), { ok: true, status: 204, answer: "" }],
    ["202 with replies", () => json({ replies }, 202), { ok: true, status: 202, replies }],
    ["replies in a failure are not used", () => json({ replies }, 500), {
      ok: false,
      error: "status",
      replies: undefined,
    }],
    ["JSON that is none", () => new Response("{", { headers: { "content-type": "application/json" } }), {
      ok: true,
      repliesIgnored: "not_json",
    }],
    ["400", () => new Response("no", { status: 400 }), {
      ok: false,
      status: 400,
      error: "status",
      answer: "no",
    }],
    ["410", () => new Response(null, { status: 410 }), { ok: false, status: 410, error: "status" }],
    ["503 with Retry-After", () => new Response("", { status: 503, headers: { "retry-after": "7" } }), {
      ok: false,
      error: "status",
      retryAfterMs: 7000,
    }],
    ["304", () => new Response(null, { status: 304 }), { ok: false, status: 304, error: "redirect" }],
    ["an answer kept in part", () => new Response("a".repeat(MAX_KEPT + 1)), {
      ok: true,
      answer: "a".repeat(MAX_KEPT),
    }],
    ["the longest answer that is read", () => new Response(big(MAX_READ - big(0).length), JSON_HEADERS), {
      ok: true,
      replies,
    }],
    ["an answer that is too long", () => new Response(big(MAX_READ - big(0).length + 1), JSON_HEADERS), {
      ok: true,
      replies: undefined,
      repliesIgnored: "answer_too_long",
    }],
  ];
  const JSON_HEADERS = { headers: { "content-type": "application/json" } };
  for (const [name, answer, expected] of cases) {
    await withServer(answer, async (url) => {
      const result: Record<string, unknown> = { ...await deliver(local, request(url)) };
      const picked = Object.fromEntries(Object.keys(expected).map((key) => [key, result[key]]));
      assertEquals(picked, expected, name);
    });
  }
});

Deno.test("deliver(): a redirect is a failure and its target is never called", async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    await withServer(() => new Response("stolen"), async (target, stolen) => {
      await withServer(
        () => new Response(null, { status, headers: { location: target } }),
        async (url, got) => {
          const result = await deliver(local, request(url));
          assertEquals([result.ok, result.status, result.error], [false, status, "redirect"]);
          assertEquals([got.length, stolen.length], [1, 0]);
        },
      );
    });
  }
});

Deno.test("deliver(): an endless answer is cut off", async () => {
  const endless = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(16384).fill(97));
        },
      }),
    );
  await withServer(endless, async (url) => {
    const result = await deliver(local, request(url));
    assertEquals([result.ok, result.answer?.length], [true, MAX_KEPT]);
  });
});

Deno.test("deliver(): a compressed answer counts by its decompressed size", async () => {
  const stream = new Blob(["a".repeat(20_000_000)]).stream().pipeThrough(new CompressionStream("gzip"));
  const bomb = new Uint8Array(await new Response(stream).arrayBuffer());
  assert(bomb.length < 30_000);
  await withServer(() => new Response(bomb, { headers: { "content-encoding": "gzip" } }), async (url) => {
    const result = await deliver(local, request(url));
    assertEquals([result.ok, result.answer], [true, "a".repeat(MAX_KEPT)]);
  });
});

Deno.test("deliver(): the timeout covers silence, a slow body and DNS", async () => {
  const timeoutMs = 150;
  const within = (ms: number) => assert(ms >= timeoutMs - 5 && ms < 60_000, `${ms} ms`);

  await withSocket(() => {}, async (port) => {
    const result = await deliver(local, request(`http://127.0.0.1:${port}/`, { timeoutMs }));
    assertEquals([result.ok, result.status, result.error], [false, undefined, "timeout"]);
    within(result.latencyMs);
  });
  const drip = async (connection: Deno.TcpConn) => {
    await write(connection, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
    while (true) {
      await write(connection, "a");
      // This pace is what is slow about it, and no silence in which a timer of the last byte would run out.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await withSocket(drip, async (port) => {
    const result = await deliver(local, request(`http://127.0.0.1:${port}/`, { timeoutMs }));
    assertEquals([result.ok, result.status, result.error], [false, 200, "timeout"]);
    within(result.latencyMs);
  });
  const world = { ...local, resolve: () => new Promise<never>(() => {}) };
  const result = await deliver(world, request("https://api.example.com/", { timeoutMs }));
  assertEquals([result.ok, result.error], [false, "timeout"]);
  within(result.latencyMs);
});

Deno.test("deliver(): each kind of connection failure has its name, and no error text contains the URL", async () => {
  const closedPort = await new Promise<number>((resolve) =>
    withSocket(() => {}, (port) => Promise.resolve(resolve(port)))
  );
  const cases: [name: string, behave: Parameters<typeof withSocket>[0], expected: unknown[]][] = [
    ["closed without a word", (c) => c.close(), [undefined, "connection"]],
    ["not HTTP", async (c) => (await write(c, "220 mail.example.com ESMTP\r\n"), c.close()), [
      undefined,
      "connection",
    ]],
    ["dropped in the answer's head", async (c) => (await write(c, "HTTP/1.1 200 OK\r\nx: "), c.close()), [
      undefined,
      "connection",
    ]],
    [
      "dropped in the answer's body",
      async (c) => (await write(c, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"), c.close()),
      [200, "connection"],
    ],
    [
      "a broken chunk",
      async (c) => (await write(c, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), c.close()),
      [200, "connection"],
    ],
  ];
  for (const [name, behave, expected] of cases) {
    await withSocket(behave, async (port) => {
      const result = await deliver(local, request(`http://127.0.0.1:${port}/hook?token=secret`));
      assertEquals([result.ok, result.status, result.error], [false, ...expected], name);
      assertEquals(JSON.stringify(result).includes("secret"), false, name);
    });
  }
  const refused = await deliver(local, request(`http://127.0.0.1:${closedPort}/hook?token=secret`));
  assertEquals([refused.ok, refused.error, JSON.stringify(refused).includes("secret")], [
    false,
    "connect",
    false,
  ]);
});

Deno.test("deliver(): does not call a forbidden address", async () => {
  let calls = 0;
  const world: DeliveryDeps = {
    ...local,
    allowLoopback: false,
    fetch: () => (calls++, Promise.reject(new Error("called"))),
    resolve: () => (calls++, Promise.resolve(PUBLIC)),
  };
  const cases: [url: string, detail: string][] = [
    ["http://api.example.com/", "scheme: "],
    ["https://evil.example/", "not_allowed: "],
    ["https://169.254.169.254/latest/meta-data", "ip_literal: "],
    ["http://127.0.0.1:1/", "loopback: "],
    ["https://user:s3cret@api.example.com/", "credentials: "],
  ];
  for (const [url, detail] of cases) {
    const result = await deliver(world, request(url));
    assertEquals([result.ok, result.error], [false, "not_permitted"], url);
    assertStringIncludes(result.detail ?? "", detail);
    assertEquals(result.detail?.includes("s3cret"), false);
  }
  assertEquals(calls, 0);
});

Deno.test("deliver(): resolves the host just before, and refuses it unless it is public", async () => {
  const asked: string[] = [];
  const answers: [resolution: Resolution, expected: string | undefined][] = [
    [{ ok: false, code: "address", why: "an address of the host is not public: private" }, "address"],
    [{ ok: false, code: "dns", why: "DNS did not answer" }, "dns"],
    [PUBLIC, undefined],
  ];
  for (const [resolution, expected] of answers) {
    let fetched = 0;
    const result = await deliver({
      ...local,
      resolve: (host) => (asked.push(host), Promise.resolve(resolution)),
      fetch: (input, init) => {
        fetched++;
        assertEquals([String(input), init?.redirect], ["https://api.example.com/", "manual"]);
        return Promise.resolve(new Response("ok"));
      },
    }, request("https://API.example.com"));
    assertEquals([result.error, fetched], [expected, expected === undefined ? 1 : 0]);
  }
  assertEquals(asked, ["api.example.com", "api.example.com", "api.example.com"]);
});

Deno.test("deliver(): what cannot be signed or sent is a result, not an exception, and nothing is sent", async () => {
  await withServer(() => new Response("ok"), async (url, got) => {
    const wrong: Partial<DeliveryRequest>[] = [
      { secrets: [] },
      { secrets: ["secret"] },
      { id: "two\r\nlines" },
      { traceparent: "two\nlines" },
      { event: { type: "x", timestamp: "y", data: 1n } },
    ];
    for (const changes of wrong) {
      const result = await deliver(local, request(url, changes));
      assertEquals([result.ok, result.error], [false, "unsendable"]);
    }
    assertEquals(got.length, 0);
  });
});

Deno.test("deliver(): a server without a certificate for the host receives nothing of the message", async () => {
  // What a changed DNS answer leads to: the right name, another machine.
  const https = async (name: string, work: (port: number, got: () => number) => Promise<void>) => {
    const { cert, key } = await selfSigned(name);
    let got = 0;
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", cert, key, onListen() {} },
      async (request) => {
        got++;
        await request.text();
        return new Response("ok");
      },
    );
    using client = Deno.createHttpClient({ caCerts: [cert] });
    const trusting: DeliveryDeps = {
      ...local,
      fetch: (url, init) => fetch(url, Object.assign({ client }, init)),
    };
    try {
      const run = (world: DeliveryDeps) => deliver(world, request(`https://localhost:${server.addr.port}/`));
      const trusted = await run(trusting);
      const untrusted = await run(local);
      assertEquals([untrusted.ok, untrusted.error], [false, "tls"]);
      assertEquals([trusted.ok, trusted.error], name === "localhost" ? [true, undefined] : [false, "tls"]);
      await work(server.addr.port, () => got);
    } finally {
      await server.shutdown();
    }
  };
  await https("localhost", (_, got) => Promise.resolve(assertEquals(got(), 1)));
  await https("other.example", (_, got) => Promise.resolve(assertEquals(got(), 0)));

  // A service that speaks no TLS sees a greeting with the host's name, and no byte of ours besides.
  await withSocket(
    async (c) => (await write(c, "-ERR unknown command\r\n"), c.close()),
    async (port, got) => {
      const result = await deliver(local, request(`https://localhost:${port}/path-of-ours`));
      assertEquals([result.ok, result.error], [false, "tls"]);
      assertEquals(got.length, 1);
      assertStringIncludes(got[0], "localhost");
      for (const ours of ["msg_1", "path-of-ours", "message.received", "webhook"]) {
        assertEquals(got[0].includes(ours), false, ours);
      }
    },
  );
});
