/** `GET /email-webhook/mails/{id}` and its files: for those who said why, harmless, and as downloads. */
import { assert, assertEquals } from "../support/assert.ts";
import { formOf, mimeOf } from "../../local/simulator/mail/mime.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { dispositionOf } from "../../supabase/functions/email-webhook/shown.ts";
import { type Answer, type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";

const KEY = { apikey: KEYS.secretKey };
const PNG = btoa("\x89PNG an image");
const HTML = `<p onclick="steal()">Hello <b>you</b></p><script>steal()</script><img src="cid:pic">` +
  `<img src="https://tracker.example/open.gif"><form action="https://evil.example"><input name="a"></form>`;

/** A mail with HTML, an image in it and an attachment with an odd name; returns its id. */
async function received(edge: Edge): Promise<string> {
  const mail = {
    from: { address: "casey@example.org", name: "Casey" },
    to: "nobody@reply.example.com",
    subject: "Hello",
    text: "Hello you",
    html: HTML,
    messageId: "whole-1@example.org",
    attachments: [
      { name: "pic.png", type: "image/png", content: PNG, cid: "pic" },
      { name: "run me.html", type: "text/html", content: btoa("<script>1</script>") },
    ],
  };
  const { body, contentType } = formOf(mimeOf(mail, new Date("2026-11-29T12:00:00Z")), mail);
  const { status } = await edge.call("email-webhook/inbound", {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
  assertEquals(status, 200);
  return (await edge.sql`select id from public.messages where channel = 'email'`)[0].id;
}

const get = ({ call }: Edge, path: string, headers: HeadersInit = KEY, method = "GET"): Promise<Answer> =>
  call(`email-webhook/mails/${path}`, { method, headers });

/** The headers of an operator. */
async function operator({ url, sql }: Edge) {
  const signup = await fetch(`${url}/auth/v1/signup`, {
    method: "POST",
    headers: { apikey: KEYS.publishableKey, "content-type": "application/json" },
    body: JSON.stringify({ email: `${crypto.randomUUID()}@example.com`, password: "correct horse battery" }),
  });
  const { access_token, user } = await signup.json();
  await sql`insert into public.team_members (user_id, role) values (${user.id}, 'operator')`;
  return {
    id: String(user.id),
    headers: { authorization: `Bearer ${access_token}`, apikey: KEYS.publishableKey },
  };
}

edgeTest("a mail is shown whole only to whom is on record with a reason of the last hour", async (edge) => {
  const { sql } = edge;
  const id = await received(edge);
  const person = await operator(edge);
  for (const path of [id, `${id}/raw`, `${id}/attachments/1`]) {
    assertEquals((await get(edge, path, person.headers)).status, 403, path);
  }
  const [{ contact_id }] = await sql`select contact_id from public.conversations`;
  const record = (age: string) =>
    sql`insert into public.contact_acts (act, contact_id, message_id, reason, by, at)
      values ('revealed', ${contact_id}, ${id}, 'A question', ${person.id}, now() - ${age}::interval)`;
  await record("61 minutes");
  assertEquals((await get(edge, id, person.headers)).status, 403);
  await record("1 minute");
  const { status, body } = await get(edge, id, person.headers);
  assertEquals([status, body.subject, body.text, body.remote_images, body.raw], [
    200,
    "Hello",
    "Hello you",
    1,
    true,
  ]);
  assertEquals(body.from, { address: "casey@example.org", name: "Casey" });
  for (const bad of ["script", "onclick", "tracker.example", "evil.example", "<form", "cid:"]) {
    assertEquals(body.html.includes(bad), false, bad);
  }
  assert(body.html.includes(`data:image/png;base64,${PNG}`), body.html);
  assert(body.html.includes("<b>you</b>"), body.html);
  assertEquals(
    body.attachments.map(({ name, stored }: { name: string; stored: boolean }) => [name, stored]),
    [
      ["pic.png", true],
      ["run me.html", true],
    ],
  );
});

edgeTest("files of a mail are downloads that no browser runs", async (edge) => {
  const id = await received(edge);
  for (const path of [`${id}/attachments/1`, `${id}/raw`]) {
    const { status, headers } = await get(edge, path);
    assertEquals(status, 200);
    assertEquals(headers.get("content-type"), "application/octet-stream");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assert(headers.get("content-disposition")!.startsWith("attachment; filename*=UTF-8''"));
  }
  assertEquals(
    dispositionOf(`a"b\r\nSet-Cookie: x';.html`),
    "attachment; filename*=UTF-8''a%22b%0D%0ASet-Cookie%3A%20x%27%3B.html",
  );
});

edgeTest(
  "openapi.yaml: every answer that it describes is met, by one as described: whole mails",
  async (edge) => {
    const { sql, call } = edge;
    const id = await received(edge);
    const { see, assertAllMet } = witness();
    const keys = Deno.env.get("SUPABASE_SECRET_KEYS")!;
    for (
      const [path, at] of [
        ["/email-webhook/mails/{id}", id],
        ["/email-webhook/mails/{id}/raw", `${id}/raw`],
        ["/email-webhook/mails/{id}/attachments/{index}", `${id}/attachments/1`],
      ]
    ) {
      const met = (status: number, answer: Answer) => see(path, "get", status, answer);
      met(200, await get(edge, at));
      met(401, await get(edge, at, {}));
      met(403, await get(edge, at, { apikey: KEYS.publishableKey }));
      met(404, await get(edge, at.replace(id, crypto.randomUUID())));
      met(405, await get(edge, at, KEY, "PUT"));
      see(path, "options", 204, await call(`email-webhook/mails/${at}`, { method: "OPTIONS" }));
      await edge.away(async () => met(503, await get(edge, at)));
      Deno.env.set("FEATURE_ENABLED", "false");
      met(503, await get(edge, at));
      Deno.env.delete("FEATURE_ENABLED");
      await sql`alter function public.mail_to_show(uuid, text) rename to mail_to_see`;
      met(503, await get(edge, at));
      await sql`alter function public.mail_to_see(uuid, text) rename to mail_to_show`;
      Deno.env.delete("SUPABASE_SECRET_KEYS");
      forgetEnv();
      try {
        met(500, await get(edge, at));
      } finally {
        Deno.env.set("SUPABASE_SECRET_KEYS", keys);
        forgetEnv();
      }
      forgetRefusal();
    }
    // Storage that is away, and a newer schema, are met where mails are sent.
    assertAllMet(
      (path) => path.startsWith("/email-webhook/mails/"),
      (what) => what === "storage_unavailable" || what === "schema_too_new",
    );
  },
);
