/** Mail from Cloudflare's Email Routing and from Mailgun: verified, stored once, routed by the envelope. */
import { createHmac } from "node:crypto";
import { assert, assertEquals } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { type Edge, edgeTest } from "../support/edge.ts";
import { assertDescribed, witness } from "../support/openapi.ts";

const KEY = "a key of the worker's own";
const SIGNING_KEY = "key-mailgun";

/** Runs with other variables in the environment of the functions. */
async function withDoors(use: () => Promise<void>): Promise<void> {
  const env = { EMAIL_WORKER_SECRET: `whsec_b2xk,whsec_${btoa(KEY)}`, MAILGUN_SIGNING_KEY: SIGNING_KEY };
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  forgetEnv();
  try {
    await use();
  } finally {
    for (const name of Object.keys(env)) Deno.env.delete(name);
    forgetEnv();
  }
}

/** Headers of Standard Webhooks. */
function signed(body: string, { key = KEY, at = Date.now() } = {}): Record<string, string> {
  const [id, timestamp] = ["mail_1", String(Math.floor(at / 1000))];
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return {
    "content-type": "message/rfc822",
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signature}`,
  };
}

const mime = (headers: Record<string, string>, text = "The disk is full.") =>
  Object.entries({
    From: "Monitor <monitor@alerts.example>",
    To: "list@example.com",
    Subject: "Disk",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`).join("") + `\r\n${text}\r\n`;
const envelope = (to: string, from = "bounces@alerts.example") =>
  `X-Gatelink-Envelope-From: ${from}\r\nX-Gatelink-Envelope-To: ${to}\r\n`;

/** Posts as the Worker does. */
const post = ({ call }: Edge, body: string, headers = signed(body)) =>
  call("email-webhook/cloudflare", { headers, body });

const stored = ({ sql }: Edge) =>
  sql`select native ->> 'recipient' as recipient, native ->> 'kind' as kind, (native ->> 'verified')::boolean as verified,
      text, (native ->> 'automatic')::boolean as automatic
    from public.messages where channel = 'email' order by seq`;

edgeTest(
  "Cloudflare: the envelope is the recipient, each mail is stored once, and a forged one beside it",
  async (edge) => {
    await withDoors(async () => {
      const results =
        "mx.cloudflare.net; dkim=pass header.d=alerts.example header.s=a; spf=none smtp.helo=x.alerts.example; spf=pass (mx.cloudflare.net: ok) smtp.mailfrom=bounces@alerts.example";
      const first = envelope("Shop.db.ALERT+7@in.example.com") +
        mime({ "Message-ID": "<m@x>", "Authentication-Results": results });
      const answer = await post(edge, first);
      assertDescribed("/email-webhook/cloudflare", "post", answer);
      assertEquals([answer.status, answer.body], [200, { received: 1, stored: 1, duplicates: 0 }]);
      assertEquals((await post(edge, first)).body, { received: 1, stored: 0, duplicates: 1 });
      // The same words on another way, and somebody else's words under the same id.
      assertEquals(
        (await post(
          edge,
          envelope("shop.db.alert+7@in.example.com") + mime({ "Message-ID": "<m@x>", Received: "from y" }),
        )).body,
        {
          received: 1,
          stored: 0,
          duplicates: 1,
        },
      );
      assertEquals(
        (await post(
          edge,
          envelope("shop.db.alert+7@in.example.com") + mime({ "Message-ID": "<m@x>" }, "All is well."),
        )).body,
        {
          received: 1,
          stored: 1,
          duplicates: 0,
        },
      );
      const forged = envelope("a.b@in.example.com") + "X-Gatelink-Envelope-To: ceo@in.example.com\r\n" +
        mime({
          "Message-ID": "<n@x>",
          "Authentication-Results": "mx.evil.example; dkim=pass header.d=alerts.example",
        });
      assertEquals((await post(edge, forged)).status, 200);
      assertEquals([...await stored(edge)], [
        {
          recipient: "shop.db.alert+7@in.example.com",
          kind: "new_mail",
          verified: true,
          text: "The disk is full.",
          automatic: false,
        },
        {
          recipient: "shop.db.alert+7@in.example.com",
          kind: "new_mail",
          verified: false,
          text: "All is well.",
          automatic: false,
        },
        {
          recipient: "a.b@in.example.com",
          kind: "new_mail",
          verified: false,
          text: "The disk is full.",
          automatic: false,
        },
      ]);
    });
  },
);

edgeTest(
  "Cloudflare: what is not signed, or not of now, is refused so that it comes again, and nothing is stored",
  async (edge) => {
    await withDoors(async () => {
      const body = envelope("a.b.alert@in.example.com") + mime({ "Message-ID": "<m@x>" });
      const half = body.slice(body.indexOf("\n") + 1);
      const { "webhook-signature": _, ...unsigned } = signed(body);
      const refused: [string, string, Record<string, string>, string][] = [
        ["unsigned", body, unsigned, "signature_missing"],
        ["another key", body, signed(body, { key: "other" }), "signature_invalid"],
        ["changed", body + "x", signed(body), "signature_invalid"],
        ["of yesterday", body, signed(body, { at: Date.now() - 86_400_000 }), "signature_invalid"],
        ["no envelope", mime({}), signed(mime({})), "invalid_request"],
        ["half an envelope", half, signed(half), "invalid_request"],
      ];
      for (const [what, sent, headers, code] of refused) {
        const answer = await post(edge, sent, headers);
        assertEquals([answer.status, answer.body.code], [503, code], what);
        assertDescribed("/email-webhook/cloudflare", "post", answer);
      }
      assertEquals((await stored(edge)).length, 0);
    });
  },
);

edgeTest("Cloudflare: a mail that begins with a line of ours has nothing fetched", async (edge) => {
  await withDoors(async () => {
    const asked: string[] = [];
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
      asked.push(url);
      return new Response("x");
    });
    try {
      const own = `X-Gatelink-Raw: http://127.0.0.1:${server.addr.port}/raw/${"0".repeat(64)}?x 1\r\n`;
      const body = envelope("a.b.alert@in.example.com") + own + mime({ "Message-ID": "<m@x>" });
      assertEquals((await post(edge, body)).status, 200);
      assertEquals([asked, [...await stored(edge)].map(({ text }) => text)], [[], ["The disk is full."]]);
    } finally {
      await server.shutdown();
    }
  });
});

edgeTest("Cloudflare: the share is the flag's percentage, and nothing while it is off", async (edge) => {
  const { call, sql } = edge;
  await withDoors(async () => {
    const ask = async () => {
      await edge.reread();
      const answer = await call("email-webhook/cloudflare/weight", { method: "GET", headers: signed("") });
      assertDescribed("/email-webhook/cloudflare/weight", "get", answer);
      return answer.body;
    };
    assertEquals(await ask(), { weight: 0, salt: "mail_routing.enabled" });
    const setTo = (share: number) =>
      sql.begin(async (sql) => {
        await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
        return (await sql`select public.set_mail_weight(${share}, 'a test') as set`)[0].set;
      });
    assertEquals((await setTo(10)).weight, 10);
    assertEquals((await ask()).weight, 10);
    await setTo(100);
    Deno.env.set("MAIL_ROUTING_ENABLED", "false");
    assertEquals((await ask()).weight, 0);
    Deno.env.delete("MAIL_ROUTING_ENABLED");
    assertEquals((await ask()).weight, 100);
    assertEquals((await setTo(0)).weight, 0);
    assertEquals((await ask()).weight, 0);
    const answer = await call("email-webhook/cloudflare/weight", { method: "GET", headers: {} });
    assertEquals([answer.status, answer.body.code], [401, "signature_missing"]);
    assertDescribed("/email-webhook/cloudflare/weight", "get", answer);
  });
});

edgeTest("a machine's mail to an address for routes is routed; to any other it is kept", async (edge) => {
  await withDoors(async () => {
    const headers = { "Auto-Submitted": "auto-generated", "Message-ID": "<m@x>" };
    for (const to of ["infra.db.alert@in.example.com", "casey.brooks@in.example.com"]) {
      await post(edge, envelope(to) + mime(headers));
    }
    assertEquals([...await stored(edge)].map(({ kind, automatic }) => [kind, automatic]), [
      ["new_mail", true],
      ["auto_reply", true],
    ]);
  });
});

/** The fields of Mailgun's signature. */
function mailgunSignature({ key = SIGNING_KEY, at = Date.now() } = {}): Record<string, string> {
  const [timestamp, token] = [String(Math.floor(at / 1000)), "t".repeat(50)];
  return { timestamp, token, signature: createHmac("sha256", key).update(timestamp + token).digest("hex") };
}

edgeTest("Mailgun: raw and parsed, as either kind of form", async (edge) => {
  const { call } = edge;
  await withDoors(async () => {
    const about = { recipient: "shop.orders@in.example.com", sender: "casey@example.org" };
    const latin = new TextEncoder().encode(
      mime({ "Message-ID": "<r@x>", "Content-Type": "text/plain; charset=iso-8859-1" }, "caf#"),
    ).map((byte) => byte === 0x23 ? 0xe9 : byte);
    const encoded = [...latin].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
    const raw = await call("email-webhook/mailgun/mime", {
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: `${new URLSearchParams({ ...about, ...mailgunSignature() })}&body-mime=${encoded}`,
    });
    assertEquals([raw.status, raw.body], [200, { received: 1, stored: 1, duplicates: 0 }]);
    assertDescribed("/email-webhook/mailgun/mime", "post", raw);

    const form = new FormData();
    const fields = {
      ...about,
      ...mailgunSignature(),
      "message-headers": JSON.stringify([
        ["From", "Casey <casey@example.org>"],
        ["Subject", "Grüße\r\nX-Injected: yes"],
        ["Message-Id", "<p@x>"],
        ["Content-Type", "multipart/mixed; boundary=x"],
      ]),
      "body-plain": "An order.",
    };
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set("attachment-1", new Blob(["a,b"], { type: "text/csv" }), "order.csv");
    const response = new Response(form);
    const body = new Uint8Array(await response.arrayBuffer());
    const parsed = await call("email-webhook/mailgun", {
      headers: { "content-type": response.headers.get("content-type")! },
      body,
    });
    assertEquals([parsed.status, parsed.body], [200, { received: 1, stored: 1, duplicates: 0 }]);
    assertDescribed("/email-webhook/mailgun", "post", parsed);
    const mails = [...await stored(edge)];
    assertEquals(mails.map(({ text }) => text), ["café", "An order."]);
    const [{ native }] = await edge.sql`select native from public.messages where text = 'An order.'`;
    assertEquals([native.subject, native.attachments.map(({ name }: { name: string }) => name)], [
      "Grüße X-Injected: yes",
      ["order.csv"],
    ]);
  });
});

edgeTest(
  "Mailgun: a wrong, an old and a missing signature are refused so that the mail comes again",
  async (edge) => {
    const { call } = edge;
    await withDoors(async () => {
      const day = 86_400_000;
      const signatures: [Record<string, string>, string][] = [
        [{}, "signature_missing"],
        [mailgunSignature({ key: "other" }), "signature_invalid"],
        [mailgunSignature({ at: Date.now() - day }), "signature_invalid"],
        [mailgunSignature({ at: Date.now() + day }), "signature_invalid"],
      ];
      for (const [signature, code] of signatures) {
        const answer = await call("email-webhook/mailgun/mime", {
          headers: { "content-type": "application/x-www-form-urlencoded" },
          body: String(
            new URLSearchParams({ recipient: "a@in.example.com", "body-mime": mime({}), ...signature }),
          ),
        });
        assertEquals([answer.status, answer.body.code], [503, code]);
        assertDescribed("/email-webhook/mailgun/mime", "post", answer);
      }
      assertEquals((await stored(edge)).length, 0);
    });
  },
);

edgeTest("a door without a secret is not set up, before anything is read", async ({ call }) => {
  for (const path of ["cloudflare", "mailgun", "mailgun/mime"] as const) {
    // Larger than anything that is read.
    const answer = await call(`email-webhook/${path}`, { headers: signed(""), body: "x".repeat(32 << 20) });
    assertEquals([answer.status, answer.body.code], [500, "config_invalid"], path);
    assertDescribed(`/email-webhook/${path}`, "post", answer);
  }
});

edgeTest("openapi.yaml: every answer of these doors is met", async (edge) => {
  const { call } = edge;
  const { see, assertAllMet } = witness();
  const urlencoded = { "content-type": "application/x-www-form-urlencoded" };
  const large = "x".repeat(32 << 20);
  await withDoors(async () => {
    const mail = envelope("a.b.alert@in.example.com") + mime({ "Message-ID": "<m@x>" });
    const [CLOUDFLARE, WEIGHT] = ["/email-webhook/cloudflare", "/email-webhook/cloudflare/weight"];
    see(CLOUDFLARE, "post", 200, await post(edge, mail));
    see(CLOUDFLARE, "post", 405, await call("email-webhook/cloudflare", { method: "GET" }));
    for (
      const [sent, headers] of [[mail, {}], [mail, signed("x")], ["x", signed("x")], [
        large,
        signed("x"),
      ]] as const
    ) {
      see(CLOUDFLARE, "post", 503, await post(edge, sent, headers));
    }
    const weight = (headers: HeadersInit, method = "GET") =>
      call("email-webhook/cloudflare/weight", { method, headers });
    see(WEIGHT, "get", 200, await weight(signed("")));
    see(WEIGHT, "get", 401, await weight({}));
    see(WEIGHT, "get", 401, await weight(signed("x")));
    see(WEIGHT, "get", 405, await weight(signed(""), "DELETE"));
    for (const path of ["mailgun", "mailgun/mime"] as const) {
      const at = `/email-webhook/${path}`;
      const about = { recipient: "a@in.example.com", "body-mime": mime({ "Message-ID": "<g@x>" }) };
      const send = (fields: Record<string, string>, headers: Record<string, string> = urlencoded) =>
        call(`email-webhook/${path}`, { headers, body: String(new URLSearchParams(fields)) });
      see(at, "post", 200, await send({ ...about, ...mailgunSignature() }));
      see(at, "post", 405, await call(`email-webhook/${path}`, { method: "GET" }));
      see(at, "post", 503, await send(about));
      see(at, "post", 503, await send({ ...about, ...mailgunSignature({ key: "other" }) }));
      see(at, "post", 503, await send(about, { "content-type": "text/plain" }));
      see(at, "post", 503, await call(`email-webhook/${path}`, { headers: urlencoded, body: large }));
    }
  });
  // What every function answers while database, storage or environment are not well is met by their own tests.
  assertAllMet(
    (path) => /^\/email-webhook\/(?:cloudflare|mailgun)/.test(path),
    (what) =>
      /^(config_invalid|disabled_by_environment|(database|storage)_unavailable|schema_.*)$/.test(what),
  );
});

edgeTest("addresses: what was written to, and what no route was made for", async (edge) => {
  const { sql, set } = edge;
  await withDoors(async () => {
    await set({ "email_router.enabled": "true" });
    await sql`select public.allow_host('hooks.example.com', 'forward'), public.add_destination('d', 'https://hooks.example.com/')`;
    for (
      const [i, [name, condition]] of [["alerts", { type: "address", types: ["alert"] }], ["rest", {
        type: "default",
      }]].entries()
    ) {
      await sql`select public.add_route('{d}', ${sql.json(condition as never)}, ${i + 1}, ${
        sql.json({ name, channels: ["email"] } as never)
      })`;
    }
    await edge.reread();
    for (
      const [i, to] of [
        "shop.db.alert+1@in.example.com",
        "shop.db.alert+2@in.example.com",
        "hello@in.example.com",
      ].entries()
    ) {
      assertEquals((await post(edge, envelope(to) + mime({ "Message-ID": `<${i}@x>` }))).status, 200);
    }
    await edge.settled();
    const [{ found }] = await sql`select private.mail_addresses(30, 10, now()) as found`;
    assert(found.every(({ last_at }: { last_at: string }) => Date.parse(last_at) > 0));
    assertEquals(found.map(({ last_at: _, ...one }: { last_at: string }) => one), [
      {
        address: "hello@in.example.com",
        domain: "hello",
        scope: null,
        type: null,
        mails: 1,
        unknown: 1,
        routes: ["rest"],
      },
      {
        address: "shop.db.alert@in.example.com",
        domain: "shop",
        scope: "db",
        type: "alert",
        mails: 2,
        unknown: 0,
        routes: ["alerts"],
      },
    ]);
  });
});
