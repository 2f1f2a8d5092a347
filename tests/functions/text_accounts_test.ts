/** Subaccounts of Twilio's: each signs for itself alone, and for its own numbers. */
import { assertEquals } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { signTwilio } from "../../supabase/functions/_shared/channels/sms/inbound/twilio_signature.ts";
import { type Edge, edgeTest, KEYS, TEXT_NUMBERS } from "../support/edge.ts";

const [OURS] = TEXT_NUMBERS;
const ANNA = "+12025550143";
const THEIRS = "+12025550110";
const SUB = `AC${"5".repeat(32)}`;
const TOKENS = ["sub-token-old", "sub-token-new"] as const;

/** A test with a subaccount whose token is being rotated. */
function accountTest(name: string, test: (edge: Edge) => Promise<void>) {
  edgeTest(name, async (edge) => {
    const own = { TWILIO_ACCOUNT_SID_BRANCH: SUB, TWILIO_AUTH_TOKEN_BRANCH: TOKENS.join(",") };
    for (const [key, value] of Object.entries(own)) Deno.env.set(key, value);
    forgetEnv();
    try {
      await edge.set({ "sms_router.enabled": "true" });
      await test(edge);
    } finally {
      for (const key of Object.keys(own)) Deno.env.delete(key);
      forgetEnv();
    }
  });
}

let n = 0;
/** A text to one of our numbers, from an account, signed with a token. */
async function text(
  edge: Edge,
  account: string,
  token: string,
  to: string,
  path: "" | "/voice" = "",
) {
  const { status } = await post(edge, token, path, {
    AccountSid: account,
    ...(path === "" ? { MessageSid: `SM${++n}`, Body: `text ${n}` } : { CallSid: "CA1" }),
    From: ANNA,
    To: to,
  });
  return status;
}

/** A webhook, signed with a token. */
function post(
  { call, url }: Edge,
  token: string,
  path: "" | `/${string}`,
  parameters: Record<string, string>,
) {
  const body = new URLSearchParams(parameters).toString();
  return call(`sms-webhook${path}`, {
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "x-twilio-signature": signTwilio(`${url}/functions/v1/sms-webhook${path}`, body, token),
    },
    body,
  });
}

accountTest("each account signs with its own tokens, two while they are rotated", async (edge) => {
  assertEquals(await text(edge, KEYS.twilioAccount, KEYS.twilioToken, OURS), 200);
  for (const token of TOKENS) assertEquals(await text(edge, SUB, token, THEIRS), 200);
  assertEquals(await text(edge, SUB, "another token", THEIRS), 401);
  // Signed well, and for somebody else.
  assertEquals(await text(edge, KEYS.twilioAccount, TOKENS[0], OURS), 403);
  assertEquals(await text(edge, SUB, KEYS.twilioToken, THEIRS), 403);
  assertEquals(await text(edge, `AC${"9".repeat(32)}`, TOKENS[0], THEIRS), 403);
  await edge.settled();
  assertEquals((await edge.sql`select from public.messages`).length, 3);
});

accountTest(
  "an account speaks for its own numbers alone: one that first appears is its own",
  async (edge) => {
    await edge.sql`select public.set_text_number(${OURS})`;
    assertEquals(await text(edge, SUB, TOKENS[1], OURS), 403);
    assertEquals(await text(edge, SUB, TOKENS[1], OURS, "/voice"), 403);
    assertEquals(await text(edge, SUB, TOKENS[1], THEIRS), 200);
    assertEquals(await text(edge, KEYS.twilioAccount, KEYS.twilioToken, THEIRS), 403);
    const numbers = await edge.sql`select id, account from public.senders where channel = 'sms' order by id`;
    assertEquals(numbers.map((row) => Object.values(row)), [["12025550100", null], ["12025550110", SUB]]);
    // It moves to the main account.
    await edge.sql`select public.set_text_number(${THEIRS}, '{"account": null}')`;
    assertEquals(await text(edge, KEYS.twilioAccount, KEYS.twilioToken, THEIRS), 200);
    await edge.settled();
  },
);

accountTest("a webhook that names no account is nobody's, where there are several", async (edge) => {
  await edge.sql`select public.set_text_number(${OURS})`;
  for (const token of [TOKENS[0], KEYS.twilioToken]) {
    const message = await post(edge, token, "", { MessageSid: "SM900", Body: "hi", From: ANNA, To: OURS });
    assertEquals(message.status, 403);
    assertEquals((await post(edge, token, "/voice", { CallSid: "CA9", From: ANNA, To: OURS })).status, 403);
  }
  assertEquals((await edge.sql`select from public.messages`).length, 0);
});

accountTest("a status with our id counts only from the account of the text's own number", async (edge) => {
  await edge.sql`select public.set_text_number(${OURS})`;
  await edge.set({ "sms_send.enabled": "true" });
  const sent = await edge.call("sms-send", {
    headers: { apikey: KEYS.secretKey },
    body: { from: OURS, to: ANNA, text: "Hi" },
  });
  await edge.settled();
  const id = sent.body.id as string;
  const [{ provider_id }] = await edge.sql`select provider_id from public.messages where id = ${id}`;
  const report = (account: string, token: string, more: Record<string, string>) =>
    post(edge, token, `/status?message=${id}`, {
      AccountSid: account,
      MessageSid: "SM901",
      MessageStatus: "failed",
      ...more,
    });
  // Neither with a number of its own nor without one.
  assertEquals((await report(SUB, TOKENS[0], { From: THEIRS })).status, 403);
  assertEquals((await report(SUB, TOKENS[0], {})).status, 403);
  assertEquals(
    (await post(edge, TOKENS[0], `/status?message=${id}`, { MessageSid: "SM901", MessageStatus: "failed" }))
      .status,
    403,
  );
  // The provider's own id finds the text too, without ours and without a number, and beside a number of the other's.
  await edge.sql`select public.set_text_number(${THEIRS}, ${edge.sql.json({ account: SUB })})`;
  for (const from of [{}, { From: THEIRS }] as Record<string, string>[]) {
    const { status } = await post(edge, TOKENS[0], "/status", {
      AccountSid: SUB,
      MessageSid: String(provider_id),
      MessageStatus: "failed",
      ...from,
    });
    assertEquals(status, 403);
  }
  await edge.settled();
  assertEquals(
    (await edge.sql`select from public.messages where status = 'failed' or error is not null`).length,
    0,
  );
  const own = { MessageSid: String(provider_id), MessageStatus: "delivered", From: OURS };
  assertEquals((await report(KEYS.twilioAccount, KEYS.twilioToken, own)).status, 200);
  const [{ status }] = await edge.sql`select status from public.messages where id = ${id}`;
  assertEquals(status, "delivered");
});

accountTest("setup names every account, and a text of an account that is gone waits", async (edge) => {
  const { body } = await edge.call("sms-webhook/setup", {
    method: "GET",
    headers: { apikey: KEYS.secretKey },
  });
  assertEquals(body.twilio.accounts, [KEYS.twilioAccount, SUB]);
  await edge.set({ "sms_send.enabled": "true" });
  await edge.sql`select public.set_text_number(${OURS}, ${
    edge.sql.json({ account: `AC${"8".repeat(32)}` })
  })`;
  const sent = await edge.call("sms-send", {
    headers: { apikey: KEYS.secretKey },
    body: { from: OURS, to: ANNA, text: "Hi" },
  });
  assertEquals(sent.status, 202);
  await edge.settled();
  const [{ state, held_code }] = await edge.sql`
    select o.state, s.held_code from public.outbound_messages o join public.senders s on s.channel = 'sms' and s.id = o.number_id`;
  assertEquals([state, held_code, edge.texts.texts.size], ["queued", "not_ready", 0]);
});
