/** Each channel keeps the contract, and the pipeline carries one that it has never heard of. */
import fc from "fast-check";
import { assertEquals } from "../support/assert.ts";
import { channels } from "../../supabase/functions/_shared/channels/all.ts";
import { createRegistry } from "../../supabase/functions/_shared/channels/registry.ts";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { whatsapp } from "../../supabase/functions/_shared/channels/whatsapp/index.ts";
import { hmacSha256 } from "../../supabase/functions/_shared/crypto/hmac.ts";
import { rpc } from "../../supabase/functions/_shared/db/client.ts";
import { requireKey } from "../../supabase/functions/_shared/gates/keys.ts";
import { serve } from "../../supabase/functions/_shared/serve/serve.ts";
import { composePipeline } from "../../supabase/functions/_shared/pipeline/compose.ts";
import { inbound } from "../../supabase/functions/_shared/pipeline/inbound.ts";
import { createIngest } from "../../supabase/functions/_shared/pipeline/ingest.ts";
import { outbound } from "../../supabase/functions/_shared/pipeline/outbound.ts";
import { Buffer } from "node:buffer";
import { createHmac, createPrivateKey, generateKeyPairSync, sign as signBytes } from "node:crypto";
import {
  createResendDoor,
  eventsDoor,
  inboundDoor,
} from "../../supabase/functions/_shared/channels/email/doors.ts";
import { email } from "../../supabase/functions/_shared/channels/email/index.ts";
import { createTelnyxDoor, twilioDoor } from "../../supabase/functions/_shared/channels/sms/doors.ts";
import { signTwilio } from "../../supabase/functions/_shared/channels/sms/inbound/twilio_signature.ts";
import { sms } from "../../supabase/functions/_shared/channels/sms/index.ts";
import {
  channelContract,
  type ChannelSamples,
  doorContract,
  webhookContract,
  type WebhookSamples,
} from "../support/channel_contract.ts";
import { databaseTest } from "../support/database.ts";
import { edgeTest, KEYS, NUMBER, SENDGRID_KEYS } from "../support/edge.ts";
import { PARROT, parrot } from "../support/parrot.ts";
import { addDestination, addRoute, startService, withReplies } from "../support/service.ts";
import { bytesOf, hook, text } from "../support/webhook.ts";

const post = (bytes: Uint8Array, headers: HeadersInit) =>
  new Request("https://edge.test/", { method: "POST", headers, body: bytesOf(bytes) });

const whatsappSamples: WebhookSamples = {
  channel: whatsapp,
  secrets: [KEYS.appSecret, KEYS.verifyToken, KEYS.accessToken],
  credentials: ["WHATSAPP_ACCESS_TOKEN"],
  signed: (bytes) => post(bytes, { "x-hub-signature-256": sign(bytes, KEYS.appSecret) }),
  forged: (bytes) => ({
    "another secret": post(bytes, { "x-hub-signature-256": sign(bytes, "another secret") }),
    "the token of the handshake": post(bytes, { "x-hub-signature-256": sign(bytes, KEYS.verifyToken) }),
    "no algorithm": post(bytes, { "x-hub-signature-256": hmacSha256(KEYS.appSecret, bytes) }),
    "another provider's header": post(bytes, { [PARROT.header]: sign(bytes, KEYS.appSecret) }),
    "empty": post(bytes, { "x-hub-signature-256": "" }),
  }),
  body: (texts) => hook(texts.map((body, i) => text(`contract-${i}`, "12025550123", body))),
  message: { type: "text", text: { body: "Hello" } },
  refusedMessages: [
    [null, ""],
    [{ type: "pigeon" }, "type"],
    [{ type: "text", text: { body: "" } }, "text.body"],
    [{ type: "location", location: { latitude: 91, longitude: 0 } }, "location.latitude"],
  ],
  outgoing: {
    id: "o1",
    senderId: NUMBER.id,
    to: "12025550123",
    message: { type: "text", text: { body: "Hello" } },
  },
  taken: () => Response.json({ messages: [{ id: "wamid.1" }] }),
  refusal: (message) => Response.json({ error: { code: 131026, message } }, { status: 400 }),
};

const parrotSamples: WebhookSamples = {
  channel: parrot("parrot"),
  secrets: [PARROT.secret],
  credentials: [PARROT.variable],
  signed: (bytes) => post(bytes, { [PARROT.header]: hmacSha256(PARROT.secret, bytes) }),
  forged: (bytes) => ({
    "another secret": post(bytes, { [PARROT.header]: hmacSha256("another", bytes) }),
    "Meta's": post(bytes, { "x-hub-signature-256": sign(bytes, PARROT.secret) }),
  }),
  body: (texts) => ({
    nest: NUMBER.id,
    said: texts.map((words, i) => ({ id: `${i}`, by: "12025550123", words })),
  }),
  message: { type: "text", say: "Hello" },
  refusedMessages: [[undefined, "say"], [{ say: "" }, "say"], [{ say: "a".repeat(101) }, "say"]],
  outgoing: { id: "o1", senderId: NUMBER.id, to: "12025550123", message: { type: "text", say: "Hello" } },
  taken: () => new Response(),
  refusal: (words) => new Response(words, { status: 400 }),
};

const emailSamples: ChannelSamples = {
  channel: email,
  secrets: [KEYS.sendgridKey],
  credentials: ["SENDGRID_API_KEY", "SEND_DOMAIN", "INBOUND_PARSE_DOMAIN"],
  others: ["GOOGLE_CLIENT_ID", "MICROSOFT_CLIENT_ID"],
  message: { type: "email", subject: "Hello", html: "<p>Hello</p>" },
  refusedMessages: [
    [null, ""],
    [{ type: "pigeon", subject: "Hello", text: "Hello" }, "type"],
    [{ subject: "", text: "Hello" }, "subject"],
    [{ subject: "two\r\nlines", text: "Hello" }, "subject"],
    [{ subject: "Hello" }, "html"],
    [{ subject: "Hello", text: "Hello", cc: ["nobody"] }, "cc.0"],
    [{ subject: "Hello", text: "Hello", campaign_id: "spring" }, "campaign_id"],
  ],
  outgoing: {
    id: "0197a000-0000-7000-8000-000000000001",
    senderId: "alex@example.com",
    to: "casey@example.org",
    message: { type: "email", subject: "Hello", text: "Hello" },
    mail: {
      from: { address: "alex@example.com", name: "Alex" },
      identity: null,
      user_id: null,
      provider: "sendgrid",
      token: "5yczda6um6aar6h5",
      campaign_id: null,
      message_id_header: "<0197a000-0000-7000-8000-000000000001@example.com>",
      in_reply_to: null,
      references: [],
      bulk: false,
    },
  },
  taken: () => new Response(null, { status: 202, headers: { "x-message-id": "mail-1" } }),
  refusal: (message) => Response.json({ errors: [{ message, field: null }] }, { status: 400 }),
  // There is no idempotency key: what may have gone is never sent again by itself.
  doubtful: ["unknown"],
};

const smsSamples: ChannelSamples = {
  channel: sms,
  secrets: [KEYS.twilioToken],
  credentials: ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"],
  message: { text: "Hello" },
  checked: { type: "text", text: "Hello", encoding: "GSM-7", segments: 1 },
  refusedMessages: [
    [null, ""],
    [{ type: "pigeon", text: "Hello" }, "type"],
    [{ text: "" }, "text"],
    [{ text: "a".repeat(1601) }, "text"],
    [{ text: "Hello", media: ["ftp://files.example.org/1"] }, "media.0"],
    [{ text: "Hello", validity_seconds: 36_001 }, "validity_seconds"],
  ],
  outgoing: {
    id: "0197a000-0000-7000-8000-000000000001",
    senderId: "12025550100",
    to: "12025550143",
    message: { type: "text", text: "Hello", encoding: "GSM-7", segments: 1 },
    sms: { provider: "twilio", account: null },
  },
  taken: () => Response.json({ sid: "SM1" }, { status: 201 }),
  refusal: (message) => Response.json({ code: 21612, message, status: 400 }, { status: 400 }),
  // There is no idempotency key: what may have gone is never sent again by itself.
  doubtful: ["unknown"],
  faults: ["unknown"],
};

/** SendGrid's signature of a body by a key. */
function sendGridHeaders(
  bytes: Uint8Array,
  signingKey: string,
  timestamp = "1795688551",
): Record<string, string> {
  const key = createPrivateKey({ key: Buffer.from(signingKey, "base64"), format: "der", type: "pkcs8" });
  const signed = Buffer.concat([Buffer.from(timestamp), bytes]);
  return {
    "x-twilio-email-event-webhook-timestamp": timestamp,
    "x-twilio-email-event-webhook-signature": signBytes("sha256", signed, key).toString("base64"),
  };
}

const { privateKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
  "sign",
]);
const anotherKey = Buffer.from(await crypto.subtle.exportKey("pkcs8", privateKey)).toString("base64");

for (const [name, door] of [["sendgrid inbound", inboundDoor], ["sendgrid events", eventsDoor]] as const) {
  doorContract({
    name,
    door,
    signed: (bytes) => post(bytes, sendGridHeaders(bytes, SENDGRID_KEYS.signingKey)),
    forged: (bytes) => {
      const right = sendGridHeaders(bytes, SENDGRID_KEYS.signingKey);
      const signature = "x-twilio-email-event-webhook-signature";
      return {
        "another key": post(bytes, sendGridHeaders(bytes, anotherKey)),
        "another time": post(bytes, { ...right, "x-twilio-email-event-webhook-timestamp": "1795688552" }),
        "no time": post(bytes, { [signature]: right[signature] }),
        "no DER": post(bytes, { ...right, [signature]: btoa("r and s") }),
        "no base64": post(bytes, { ...right, [signature]: "*" }),
        "empty": post(bytes, { ...right, [signature]: "" }),
      };
    },
  });
}

const RESEND = { secret: `whsec_${btoa("secret of resend")}`, now: Date.parse("2026-11-29T12:00:00Z") };
Deno.env.set("RESEND_WEBHOOK_SECRET", RESEND.secret);
const svix = (bytes: Uint8Array, secret: string, seconds = RESEND.now / 1000) => ({
  "svix-id": "msg_1",
  "svix-timestamp": String(seconds),
  "svix-signature": `v1,${
    createHmac("sha256", Buffer.from(secret.slice(6), "base64")).update(`msg_1.${seconds}.`).update(bytes)
      .digest("base64")
  }`,
});
doorContract({
  name: "resend",
  door: createResendDoor(() => RESEND.now),
  signed: (bytes) => post(bytes, svix(bytes, RESEND.secret)),
  forged: (bytes) => ({
    "another secret": post(bytes, svix(bytes, `whsec_${btoa("another secret")}`)),
    "too old": post(bytes, svix(bytes, RESEND.secret, RESEND.now / 1000 - 301)),
    "from the future": post(bytes, svix(bytes, RESEND.secret, RESEND.now / 1000 + 301)),
    "another id": post(bytes, { ...svix(bytes, RESEND.secret), "svix-id": "msg_2" }),
    "another version": post(bytes, {
      ...svix(bytes, RESEND.secret),
      "svix-signature": svix(bytes, RESEND.secret)["svix-signature"].replace("v1", "v2"),
    }),
  }),
});

channelContract(emailSamples);
// With Telnyx, texts can be sent whatever is missing of Twilio.
Deno.env.delete("TELNYX_API_KEY");
channelContract(smsSamples);

const textHook = "http://texts.test/functions/v1/sms-webhook";
const asForm = (bytes: Uint8Array, signature: string, more: HeadersInit = {}) =>
  new Request(`${textHook}/status?message=1`, {
    method: "POST",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "x-twilio-signature": signature,
      ...Object.fromEntries(new Headers(more)),
    },
    body: bytesOf(bytes),
  });
const twilioSignature = (bytes: Uint8Array, token: string, url = `${Deno.env.get("SUPABASE_URL")}`) =>
  signTwilio(`${url}/functions/v1/sms-webhook/status?message=1`, new TextDecoder().decode(bytes), token);
doorContract({
  name: "twilio",
  door: twilioDoor,
  // Parameters are signed, not bytes.
  bodies: fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[a-z0-9]{1,20}$/)), {
    minLength: 1,
  })
    .map((pairs) => new TextEncoder().encode(new URLSearchParams(pairs).toString())),
  signed: (bytes) => asForm(bytes, twilioSignature(bytes, KEYS.twilioToken)),
  forged: (bytes) => ({
    "another token": asForm(bytes, twilioSignature(bytes, "another token")),
    "the host that the function sees": asForm(
      bytes,
      twilioSignature(bytes, KEYS.twilioToken, "http://texts.test"),
    ),
    "SHA-1 under the header of a Webhook Rule": asForm(bytes, twilioSignature(bytes, KEYS.twilioToken), {
      "x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_SHA256",
    }),
    "empty": asForm(bytes, ""),
  }),
});

const telnyxPair = generateKeyPairSync("ed25519");
Deno.env.set(
  "TELNYX_PUBLIC_KEY",
  Buffer.from(telnyxPair.publicKey.export({ format: "jwk" }).x!, "base64url").toString("base64"),
);
const telnyxHeaders = (bytes: Uint8Array, key = telnyxPair.privateKey, seconds = RESEND.now / 1000) => ({
  "telnyx-timestamp": String(seconds),
  "telnyx-signature-ed25519": signBytes(null, Buffer.concat([Buffer.from(`${seconds}|`), bytes]), key)
    .toString("base64"),
});
doorContract({
  name: "telnyx",
  door: createTelnyxDoor(() => RESEND.now),
  signed: (bytes) => post(bytes, telnyxHeaders(bytes)),
  forged: (bytes) => ({
    "another key": post(bytes, telnyxHeaders(bytes, generateKeyPairSync("ed25519").privateKey)),
    "too old": post(bytes, telnyxHeaders(bytes, undefined, RESEND.now / 1000 - 301)),
    "another time": post(bytes, {
      ...telnyxHeaders(bytes),
      "telnyx-timestamp": String(RESEND.now / 1000 + 1),
    }),
    "empty": post(bytes, { ...telnyxHeaders(bytes), "telnyx-signature-ed25519": "" }),
  }),
});

Deno.test("channels: every deployed channel is held to the contract", () => {
  assertEquals(channels.all, [whatsappSamples.channel, emailSamples.channel, smsSamples.channel]);
});

databaseTest("channels: the database enforces the policy that each declares", async (sql) => {
  for (const { name, flags, policy: { windowMs, optOut, pace } } of channels.all) {
    const [enforced] = await sql`
      select (extract(epoch from reply_window) * 1000)::float8 as "windowMs", opt_out as "optOut",
        max_per_second as "perSecond", pair_seconds::float8 as "pairSeconds", private.send_flag(${name}) as send
      from private.channel_policy(${name})`;
    assertEquals({ ...enforced }, { windowMs, optOut, ...pace, send: flags.send }, name);
  }
});

Deno.env.set(PARROT.variable, "http://127.0.0.1:9/parrot");
for (const samples of [whatsappSamples, parrotSamples]) webhookContract(samples);

/** What Parrot was told to say, while `use` runs. */
async function whileParrotListens(use: (spoken: unknown[]) => Promise<void>): Promise<void> {
  const spoken: unknown[] = [];
  const api = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    spoken.push(await request.json());
    return new Response();
  });
  const before = Deno.env.get(PARROT.variable)!;
  Deno.env.set(PARROT.variable, `http://127.0.0.1:${api.addr.port}/speak`);
  try {
    await use(spoken);
  } finally {
    Deno.env.set(PARROT.variable, before);
    await api.shutdown();
  }
}

/** Each channel goes by flags of its own. */
const FLAGS = {
  "wa_router.enabled": "false",
  "wa_send.enabled": "false",
  "parrot_router.enabled": "true",
  "parrot_send.enabled": "true",
};

edgeTest(
  "a made-up channel receives messages, routes them to a service and replies",
  async ({ sql, set }) => {
    await using service = startService();
    service.answers(withReplies({ say: "Polly is here" }, { type: "text", text: { body: "Meta's shape" } }));
    await addDestination(sql, "perch", service);
    await sql`insert into public.senders (channel, id, provider) values ('parrot', ${NUMBER.id}, 'parrot_api')`;
    // A route takes another channel's messages only where it names the channel.
    await addRoute(sql, ["perch"], { type: "any" }, { channels: ["parrot"], priority: 1 });
    await set(FLAGS);

    const channel = parrot("parrot");
    const pipeline = composePipeline(createRegistry([channel]));
    const working: Promise<unknown>[] = [];
    const webhook = serve(
      "parrot-webhook",
      inbound(channel, {
        killed: () => false,
        ingest: createIngest(rpc, channel),
        drain: pipeline.decide,
        waitUntil: (work) => working.push(work),
      }),
    );
    await whileParrotListens(async (spoken) => {
      const bytes = bytesOf(parrotSamples.body(["Is Polly there?"]));
      const answered = await webhook.fetch(parrotSamples.signed(bytes));
      assertEquals([answered.status, await answered.json()], [200, {
        received: 1,
        stored: 1,
        duplicates: 0,
      }]);
      const again = await webhook.fetch(parrotSamples.signed(bytes));
      assertEquals(await again.json(), { received: 1, stored: 0, duplicates: 1 });
      const forged = await webhook.fetch(parrotSamples.forged(bytes)["another secret"]);
      assertEquals([forged.status, (await forged.json()).code], [401, "signature_invalid"]);
      const handshake = await webhook.fetch(new Request("https://edge.test/"));
      assertEquals([handshake.status, (await handshake.json()).code], [405, "method_not_allowed"]);

      await Promise.all(working);
      await pipeline.drain();
      assertEquals(service.texts(), ["Is Polly there?"]);
      const [{ id, state }] = await sql`select id, state from public.outbound_messages`;
      assertEquals(spoken, [{ id, to: "12025550123", say: "Polly is here" }]);
      const [{ provider_id }] = await sql`select provider_id from public.messages where direction = 'out'`;
      assertEquals([state, provider_id], ["sent", `parrot-${id}`]);
    });
  },
);

edgeTest("a made-up channel accepts what services send", async ({ sql, set }) => {
  await sql`insert into public.senders (channel, id, provider) values ('parrot', ${NUMBER.id}, 'parrot_api')`;
  await set(FLAGS);
  const channel = parrot("parrot");
  const pipeline = composePipeline(createRegistry([channel]));
  const working: Promise<unknown>[] = [];
  const door = serve(
    "parrot-send",
    outbound("parrot-send", channel, {
      killed: () => false,
      requireSecretKey: requireKey,
      limit: () => Promise.resolve({ name: "send", perSecond: 10, burst: 20 }),
      enqueue: async (item) => (await rpc("enqueue_outbound", { p_items: [item] }))[0],
      send: pipeline.send,
      waitUntil: (work) => working.push(work),
    }),
  );
  const send = async (body: unknown, apikey: string = KEYS.secretKey) => {
    const request = new Request("https://edge.test/", {
      method: "POST",
      headers: { apikey },
      body: JSON.stringify(body),
    });
    const answer = await door.fetch(request);
    return [answer.status, await answer.json()];
  };
  await whileParrotListens(async (spoken) => {
    const [status, refused] = await send({ to: "12025550123", say: "Hello" }, KEYS.publishableKey);
    assertEquals([status, refused.code], [403, "forbidden"]);
    const [, invalid] = await send({ to: "12025550123", say: "" });
    assertEquals(invalid.issues, [{ path: "say", message: "must be 1 to 100 characters" }]);

    const [accepted, { id, ...queued }] = await send({ to: "12025550123", say: "Hello" });
    assertEquals([accepted, queued], [202, { status: "queued" }]);
    await Promise.all(working);
    await pipeline.drain();
    assertEquals(spoken, [{ id, to: "12025550123", say: "Hello" }]);
    const rows = await sql`
      select o.channel, o.state, i.channel as known_on, i.kind, i.value
      from public.outbound_messages o join public.conversations c on c.id = o.conversation_id
      join public.contact_identities i on i.contact_id = c.contact_id`;
    assertEquals(rows.map((row) => Object.values(row)), [
      ["parrot", "sent", "parrot", "phone", "12025550123"],
    ]);
  });
});
