/** The Worker of ops/cloudflare/email-worker under Miniflare, before functions that only say what they got. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { join, ROOT } from "../../lib/paths.ts";
import {
  STANDARD_HEADERS,
  verifySvix,
} from "../../supabase/functions/_shared/channels/email/inbound/signatures.ts";
import {
  readWorkerPost,
  takeWorkerPost,
} from "../../supabase/functions/_shared/channels/email/worker_post.ts";
import { bucket } from "../../supabase/functions/_shared/flags/bucket.ts";
import { readMail } from "../../supabase/functions/_shared/mail/mime.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";

const SECRET = `whsec_${btoa("a key of the worker's own")}`;
const SALT = "mail_routing.enabled";

interface Done {
  error: string | null;
  forwarded: string[][];
  rejected: string | null;
}

/** The Worker, and the functions behind it. */
async function withWorker(
  use: (world: {
    deliver(mail: string | Uint8Array, envelope?: { from?: string; to?: string }): Promise<Done>;
    /** Bodies that came with a valid signature, with their ids. */
    posts: { id: string; body: Uint8Array<ArrayBuffer> }[];
    functions: {
      weight: number | undefined;
      answer: (body: Uint8Array<ArrayBuffer>) => Response | Promise<Response>;
    };
    fetch(url: string): Promise<Response>;
  }) => Promise<void>,
  variables: Record<string, string> = {},
): Promise<void> {
  const posts: { id: string; body: Uint8Array<ArrayBuffer> }[] = [];
  const functions: Parameters<typeof use>[0]["functions"] = {
    weight: undefined,
    answer: () => Response.json({ received: 1 }, { headers: { "x-gatelink-raw": "taken" } }),
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const path = new URL(request.url).pathname;
    const body = new Uint8Array(await request.arrayBuffer());
    if (!verifySvix(body, request.headers, [SECRET], Date.now(), STANDARD_HEADERS)) {
      return new Response("unsigned", { status: 401 });
    }
    if (path === "/functions/v1/email-webhook/cloudflare/weight") {
      return functions.weight === undefined
        ? new Response("away", { status: 503 })
        : Response.json({ weight: functions.weight, salt: SALT });
    }
    if (path !== "/functions/v1/email-webhook/cloudflare") {
      return new Response("no such path", { status: 404 });
    }
    posts.push({ id: request.headers.get("webhook-id")!, body });
    return await functions.answer(body);
  });
  const files = [
    "tests/support/email_worker_entry.js",
    "ops/cloudflare/email-worker/worker.js",
    "ops/traffic/cloudflare-worker.js",
  ];
  const worker = await startWorker(join(ROOT, files[0]), {
    GATELINK_URL: `http://127.0.0.1:${server.addr.port}/`,
    EMAIL_WORKER_SECRET: `${SECRET}, whsec_b2xk`,
    // Its own address is only known later: the test puts it in its place.
    WORKER_URL: "https://worker.example",
    ...variables,
  }, {
    modulesRoot: ROOT,
    modules: files.map((file) => ({ type: "ESModule", path: join(ROOT, file) })),
    r2Buckets: ["MAILS"],
  });
  try {
    if (worker === undefined) return;
    await use({
      posts,
      functions,
      fetch: (url) => fetch(url.replace("https://worker.example", worker.url)),
      async deliver(mail, { from = "monitor@alerts.example", to = "shop.db.alert@in.example.com" } = {}) {
        const response = await fetch(`${worker.url}/__email?${new URLSearchParams({ from, to })}`, {
          method: "POST",
          body: mail as BodyInit,
        });
        assertEquals(response.status, 200);
        return await response.json();
      },
    });
  } finally {
    await worker?.stop();
    await server.shutdown();
  }
}

const mail = (id: string, more = "", text = "The disk is full.") =>
  `From: Monitor <monitor@alerts.example>\r\nTo: list@example.com\r\nSubject: Disk\r\nMessage-ID: <${id}>\r\n${more}\r\n${text}\r\n`;
const FINE: Done = { error: null, forwarded: [], rejected: null };

Deno.test("email worker: a mail goes on as it came, with its envelope, under one id however often it comes", async () => {
  await withWorker(async ({ deliver, posts }) => {
    // The recipient of a blind copy stands in no header; nor is every mail UTF-8.
    const raw = new Uint8Array([...new TextEncoder().encode(mail("a@x")), 0xe9, 0, 0xff]);
    assertEquals(await deliver(raw, { to: "shop.db.alert+7@in.example.com" }), FINE);
    assertEquals(await deliver(raw, { to: "shop.db.alert+7@in.example.com" }), FINE);
    assertEquals(await deliver(raw, { from: "" }), FINE);
    const read = posts.map(({ body }) => readWorkerPost(body)!);
    assertEquals([read[0].from, read[0].to], ["monitor@alerts.example", "shop.db.alert+7@in.example.com"]);
    assertEquals([...read[0].raw], [...raw]);
    assertEquals(read[2].from, "");
    assertEquals(posts[0].id, posts[1].id);
    assert(posts[0].id !== posts[2].id);
  });
});

Deno.test("email worker: anything but 2xx is thrown, nothing is ever rejected", async () => {
  await withWorker(async ({ deliver, functions }) => {
    for (const status of [200, 202]) {
      functions.answer = () => new Response(null, { status });
      assertEquals(await deliver(mail("b@x")), FINE, String(status));
    }
    for (const status of [302, 400, 401, 404, 413, 500, 503]) {
      functions.answer = () =>
        new Response("", { status, headers: { location: "https://elsewhere.example" } });
      assertEquals(await deliver(mail("b@x")), { ...FINE, error: `Gatelink answered ${status}` });
    }
  });
  for (
    const [what, variables] of [["away", { GATELINK_URL: "http://127.0.0.1:1" }], ["hangs", {}]] as const
  ) {
    await withWorker(async ({ deliver, functions }) => {
      const hanging = Promise.withResolvers<Response>();
      functions.answer = () => hanging.promise;
      const { error, rejected } = await deliver(mail("c@x"));
      hanging.resolve(new Response());
      assert(error !== null, what);
      assertEquals(rejected, null);
    }, { POST_TIMEOUT_MS: "500", ...variables });
  }
});

Deno.test("email worker: hostile headers add no line in front, and do not stop a mail", async () => {
  await withWorker(async ({ deliver, posts }) => {
    const own = "X-Gatelink-Envelope-To: ceo.private.alert@in.example.com\r\n";
    assertEquals(await deliver(own + mail("d@x", own)), FINE);
    const fetched = "X-Gatelink-Raw: https://evil.example/raw 1\r\n";
    assertEquals(await deliver(fetched + mail("g@x")), FINE);
    assertEquals(
      await deliver(mail("e@x"), { from: "a@b\r\nX-Gatelink-Raw: https://evil.example/raw 1", to: "x\n@y" }),
      FINE,
    );
    for (
      const odd of [
        "",
        "\r\n",
        ": \r\n\r\n",
        `References: ${"<a".repeat(50_000)}\r\n\r\nx`,
        "no header at all",
      ]
    ) {
      assertEquals(await deliver(odd), FINE, odd.slice(0, 20));
    }
    const read = posts.map(({ body }) => readWorkerPost(body)!);
    assertEquals(read[0].to, "shop.db.alert@in.example.com");
    assertEquals(read.map(({ whole }) => whole), read.map(() => undefined));
    assertEquals(new TextDecoder().decode(read[1].raw), fetched + mail("g@x"));
    assertEquals(read[2].to, "x @y");
  });
});

Deno.test("email worker: the share decides, a thread stays on one side, and without a share the old system has it", async () => {
  await withWorker(async ({ deliver, functions, posts }) => {
    const old = {
      ...FINE,
      forwarded: [["old@mail.example", "x-original-to", "shop.db.alert@in.example.com"]],
    };
    assertEquals(await deliver(mail("first@x")), old);
    functions.weight = 40;
    const some = [...Array(40).keys()].find((i) => bucket(SALT, `t${i}@x`) < 4000);
    await until(
      "the share is read anew, after five seconds",
      async () => (await deliver(mail(`t${some}@x`))).forwarded.length === 0,
    );
    posts.length = 0;
    for (let i = 0; i < 40; i++) {
      const before = posts.length;
      const ours = bucket(SALT, `t${i}@x`) < 4000;
      const answered = await deliver(mail(`t${i}@x`));
      assertEquals([answered.forwarded.length, posts.length - before], ours ? [0, 1] : [1, 0]);
      // An answer to an answer.
      const later = await deliver(
        mail(`u${i}@x`, `In-Reply-To: <v${i}@x>\r\nReferences: <t${i}@x>\r\n <v${i}@x>\r\n`),
      );
      assertEquals(later.forwarded.length, answered.forwarded.length);
    }
    assert(posts.length > 10 && posts.length < 60, String(posts.length));
    // A failure does not send the mail to the other side: it comes again.
    functions.answer = () => new Response("", { status: 503 });
    assertEquals(await deliver(mail(`t${some}@x`)), { ...FINE, error: "Gatelink answered 503" });
  }, { OLD_ADDRESS: "old@mail.example" });
});

Deno.test("email worker: of a big mail texts and names go along, the file waits until it was fetched", async () => {
  await withWorker(async ({ deliver, functions, posts, fetch }) => {
    const file = `${"QUJD".repeat(19)}\r\n`.repeat(60_000);
    const big = mail(
      "f@x",
      'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="=_b"\r\n',
      [
        '--=_b\r\nContent-Type: application/pdf; name="report.pdf"\r\nContent-Transfer-Encoding: base64\r\n' +
        `Content-Disposition: attachment; filename="report.pdf"\r\n\r\n${file}`,
        "--=_b\r\nContent-Type: text/plain\r\n\r\nThe text stands behind the file.\r\n",
        "--=_b--",
      ].join("\r\n"),
    );
    functions.answer = () => Response.json({}); // did not take the file
    assertEquals(await deliver(big), FINE);
    const [{ body }] = posts;
    assert(body.length < 20_000, `${body.length} bytes were posted`);
    const post = readWorkerPost(body)!;
    const small = readMail(post.raw);
    assertEquals([small.text?.trim(), small.attachments[0]?.name], [
      "The text stands behind the file.",
      "report.pdf",
    ]);
    assertEquals(post.whole?.size, big.length);
    const lost: unknown[] = [];
    const take = (given = body) => takeWorkerPost(given, (url) => fetch(url), (error) => lost.push(error));
    const { posted, isWhole } = await take();
    assertEquals([isWhole, new TextDecoder().decode(posted.raw) === big], [true, true]);
    assertEquals(posted.mail.attachments[0].size, 60_000 * 57);

    // Without the signature, with another one, or for another file there is nothing.
    const url = post.whole!.url;
    for (
      const wrong of [
        url.replace(/signature=.*/, ""),
        url.replace(/.$/, "x"),
        url.replace(/until=\d+/, "until=99999999999"),
        url.replace("/raw/", "/"),
      ]
    ) {
      const answer = await fetch(wrong);
      await answer.body?.cancel();
      assertEquals(answer.status, 404, wrong);
    }
    // Once it was taken, the Worker forgets it, and Gatelink makes do with what was posted.
    functions.answer = () => Response.json({}, { headers: { "x-gatelink-raw": "taken" } });
    assertEquals(await deliver(big), FINE);
    const without = await take();
    assertEquals([without.isWhole, without.posted.mail.text?.trim(), lost.length], [
      false,
      "The text stands behind the file.",
      1,
    ]);
    assertMatch(String(lost[0]), /the Worker answered 404/);
  });
});
