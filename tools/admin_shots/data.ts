/**
 * Data for the panel's screenshots: conversations, and rollouts that are running, planned and rolled back.
 */
import type { Sql } from "postgres";
import type { RunningStack } from "../../tests/support/stack.ts";
import { until } from "../../tests/support/until.ts";

const SAID = [
  "Hello! Do you deliver on Sundays?",
  "Where is my order 4711?",
  "I would like a table for two",
  "Can I pay with a card?",
  "Thanks, that was quick",
  "The blue one, please",
];

/** Fills a stack. Everything that people and services would do uses the real interfaces. */
export async function fillPanel(stack: RunningStack, sql: Sql): Promise<void> {
  // As the operator would, so that the histories have a name.
  await sql`select set_config('request.jwt.claims',
    json_build_object('sub', (select id from auth.users where email = 'operator@example.com'))::text, false)`;
  await flags(sql);
  await rollouts(sql);
  await messages(stack, sql);
  await links(stack, sql);
  await desk(stack, sql);
  await trouble(sql);
}

/** A service that refuses what it gets, the incident about it, and an announcement. */
async function trouble(sql: Sql): Promise<void> {
  await sql`select public.allow_host('orders.example.com', 'forward')`;
  await sql`
    with service as (
      insert into public.destinations (name, url, circuit_failures) values ('orders', 'https://orders.example.com/', 3) returning id
    )
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, attempt, next_attempt_at, last_error, wakes)
    select m.id, s.id, m.conversation_id, m.seq, case when m.seq % 3 = 0 then 'dead' else 'pending' end, 1,
      now() + interval '1 hour', 'status 401', true
    from public.messages m, service s where m.direction = 'in'`;
  await sql`
    insert into private.delivery_lanes (destination_id, conversation_id, due_at)
    select d.destination_id, d.conversation_id, min(d.next_attempt_at) from public.deliveries d
    where d.state = 'pending' group by 1, 2 on conflict do nothing`;
  await sql`select public.open_incident('Orders are not answered')`;
  await sql`select public.create_announcement(${
    sql.json({
      name: "Opening hours at Christmas",
      text: "We are closed from 24 to 26 December.",
      audience: { kind: "wrote", days: 30 },
    })
  })`;
  await campaign(sql);
  await sql`select public.add_suppression('ada@example.com', 'bounce', 'all')`;
}

/** A campaign of yesterday, as its counters tell it. */
async function campaign(sql: Sql): Promise<void> {
  const [{ id }] = await sql`
    insert into public.campaigns (name, from_email, subject, html, state, started_at, finished_at)
    values ('Autumn collection', 'hello@shop.example', 'New for autumn, {{name|dear customer}}',
      '<h1>Hello {{name}}</h1><p><a href="https://shop.example/autumn">See what is new</a></p>', 'done', now() - interval '1 day', now() - interval '20 hours')
    returning id`;
  await sql`insert into public.campaign_recipients (campaign_id, address, state, told, at)
    select ${id}, 'reader' || g || '@people.example', 'queued', (array[3, 387, 1923, 5, 35])[1 + g % 5], now() - interval '1 day' from generate_series(1, 40) g`;
  const [hours, all] = [
    {
      queued: 4000,
      sent: 4000,
      delivered: 3900,
      bounced: 60,
      opened: 2100,
      opened_human: 1300,
      clicked: 500,
      clicked_human: 310,
    },
    {
      recipients: 24_310,
      "left_out:suppressed": 310,
      replied: 88,
      unsubscribed: 61,
      complained: 4,
      failed: 40,
    },
  ];
  const accesses = {
    "opens:human": 1900,
    "opens:machine": 900,
    "opens:unsure": 40,
    "clicks:human": 350,
    "clicks:machine": 220,
  };
  await sql`insert into private.campaign_counts (campaign_id, hour, what, n)
    select ${id}, date_trunc('hour', now(), 'UTC') - (24 - h.h) * interval '1 hour', w.key, greatest(1, (w.value::numeric * (8 - h.h) / 20)::bigint)
    from generate_series(0, 6) h (h) cross join jsonb_each_text(${sql.json({ ...hours, ...accesses })}) w
    union all select ${id}, date_trunc('hour', now(), 'UTC') - interval '24 hours', w.key, w.value::bigint from jsonb_each_text(${
    sql.json(all)
  }) w
    union all values
      (${id}::uuid, '-infinity'::timestamptz, 'link:human:https://shop.example/autumn', 410::bigint),
      (${id}::uuid, '-infinity'::timestamptz, 'link:machine:https://shop.example/autumn', 240::bigint),
      (${id}::uuid, '-infinity'::timestamptz, 'client:human:gmail', 1200::bigint),
      (${id}::uuid, '-infinity'::timestamptz, 'client:machine:apple', 500::bigint)`;
}

/** Templates, a second account that Meta has banned, a photo, and a conversation that somebody has. */
async function desk(stack: RunningStack, sql: Sql): Promise<void> {
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${stack.url}/simulator/api/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return await response.json();
  };
  const [first, second] = await (await fetch(`${stack.url}/simulator/api/accounts`)).json();
  const [person, other] = await firstState(`${stack.url}/simulator/api/events`);
  await post("send", {
    contact: person,
    message: { type: "image", image: { id: "900000000000001", caption: "The harbour" } },
  });
  await post("send", { contact: other, message: "Hello, second shop!", number: second.phoneNumberId });
  await until(
    "both accounts are known",
    async () => (await sql`select from public.senders where account is not null`).length === 2,
  );
  const synced = await fetch(`${stack.url}/functions/v1/wa-router/templates/sync`, {
    method: "POST",
    headers: { apikey: stack.stack.secretKey, "content-type": "application/json" },
    body: '{"all": true}',
  });
  if (!synced.ok) throw new Error(await synced.text());
  await synced.body?.cancel();
  const [{ id: sale }] = first.templates.filter(({ name }: { name: string }) => name === "weekly_sale");
  await post("account", { account: first.wabaId, do: "pause", template: sale });
  await post("account", { account: second.wabaId, do: "ban" });
  await until("the photo, the pause and the ban", async () =>
    (await sql`
      select from public.messages m, public.wa_templates t, public.sender_accounts a
      where m.type = 'image' and t.status = 'paused' and a.state = 'banned'`).length > 0);
  await sql`
    select public.take_conversation(c.id, 240) from public.conversations c
    join public.messages m on m.conversation_id = c.id where m.type <> 'image' group by c.id order by c.id desc limit 1`;
  await sql`
    select public.add_conversation_note(c.id, 'Prefers calls after four. Order GL-1042 is on its way.')
    from public.conversations c where c.taken_by is not null`;
}

const VISITORS = [
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  "WhatsApp/2.24.20.89 A",
];

/** A shop's links, one of which was created today. */
async function links(stack: RunningStack, sql: Sql): Promise<void> {
  const home = `${stack.url}/simulator/`;
  const chat = (text: string) => ({ phone_number_id: stack.stack.whatsapp.phoneNumberId, text });
  const made = [
    {
      code: "newsletter-12",
      default_url: `${home}?from=newsletter`,
      tags: ["mail"],
      utm: { campaign: "winter" },
    },
    {
      code: "table-7",
      whatsapp: chat("The bill, please. Table 7."),
      default_url: home,
      tags: ["restaurant"],
    },
    { code: "vip-gift", default_url: `${home}?gift`, max_uses: 50, password_hash: "-", tags: ["vip"] },
    {
      code: "spring-sale",
      whatsapp: chat("Hello! I saw your poster about the spring sale."),
      default_url: home,
      targets: [
        { when: { platform: ["windows", "macos", "linux"] }, url: `${home}?sale` },
        {
          when: { platform: ["ios", "android"], language: ["de"] },
          whatsapp: chat("Hallo! Ich komme vom Plakat."),
        },
      ],
      expires_at: new Date(Date.now() + 21 * 86_400_000).toISOString(),
      tags: ["poster", "spring"],
      utm: { source: "poster", campaign: "spring" },
    },
  ];
  for (const link of made) {
    await sql`select public.create_links(${
      sql.json([{ ...link, request_hash: link.code }])
    }, 'operator@example.com')`;
  }
  for (let n = 0; n < 34; n++) {
    const response = await fetch(`${stack.url}/functions/v1/deeplinks/spring-sale`, {
      redirect: "manual",
      headers: { "user-agent": VISITORS[n * n % VISITORS.length], "accept-language": n % 3 ? "en" : "de" },
    });
    await response.body?.cancel();
  }
  await until("the clicks", async () => {
    const [{ n }] = await sql`select count(*)::int as n from public.clicks where code = 'spring-sale'`;
    return n >= 34;
  });
}

async function flags(sql: Sql): Promise<void> {
  const set = (key: string, changes: Record<string, unknown>, reason: string) =>
    sql`select public.set_flag(${key}, ${sql.json(changes as never)}, 0, ${reason})`;
  await set(
    "checkout.enabled",
    { on: false, percentage: 0, description: "Pay inside the chat. Off: a link to the shop." },
    "before the deployment",
  );
  await set(
    "quick_replies.enabled",
    { on: false, percentage: 0, description: "Buttons under the first answer." },
    "before the deployment",
  );
  await set(
    "voice_notes.enabled",
    { on: true, percentage: 25, description: "Voice notes are written down for the team." },
    "a quarter first",
  );
  await sql`select public.set_segment('beta', 'Customers who asked to see new things first', 0)`;
  await sql`select public.add_segment_members('beta', 1, '{customer-2041,customer-7730,customer-9166}')`;
  await sql`select public.add_flag_targets('voice_notes.enabled', 1, '{customer-2041}', '{}', '{beta}', 'they asked for it')`;
}

/** Minutes before now in which the rollout's stage began. */
const STAGE_MINUTES = 44;

async function rollouts(sql: Sql): Promise<void> {
  const make = async (flag: string, reason: string): Promise<string> =>
    (await sql`select id from public.create_rollout(${flag}, '{"template": "canary"}', ${reason})`)[0].id;
  const failed = await make("quick_replies.enabled", "buttons for everybody");
  await sql`select public.start_rollout(${failed}, 1, 'all gates are signed')`;
  await sql`select public.roll_back_rollout(${failed}, 2, 'the buttons were in the wrong language')`;
  await make("quick_replies.enabled", "second try, translated");

  const id = await make("checkout.enabled", "the new checkout");
  await sql`select public.start_rollout(${id}, 1, 'all gates are signed')`;
  for (const version of [2, 3]) {
    await sql`select public.advance_rollout(${id}, ${version}, 'watched it since the morning')`;
  }
  await sql`
    update public.rollouts r set stage_started_at = now() - make_interval(mins => ${STAGE_MINUTES}),
      started_at = now() - interval '3 hours', checkpoint = b.state, guard = b.state
    from (select private.guard_begin(floor(extract(epoch from now()) / 60)::bigint - ${
    STAGE_MINUTES - 1
  }::int) as state) b
    where r.id = ${id}`;
  // Three hours ago, two hours ago, and when the stage began.
  await sql`
    update public.rollout_stages s set entered_at = now() - make_interval(mins => e.minutes),
      left_at = case when e.next is not null then now() - make_interval(mins => e.next) end
    from (values (1, 180, 120), (2, 120, ${STAGE_MINUTES}::int), (3, ${STAGE_MINUTES}::int, null)) as e (position, minutes, next)
    where s.rollout_id = ${id} and s.position = e.position`;
  const now = Math.floor(Date.now() / 60_000);
  const rows = Array.from({ length: 150 }, (_, i) => 152 - i).flatMap((ago) =>
    ([["on", 0.1, 8.6], ["off", 0.9, 8]] as const).map(([arm, share, slowness]) => {
      const n = Math.round((240 + 60 * Math.sin(ago / 11) + 17 * Math.sin(ago / 2)) * share);
      const failed = ago % (arm === "on" ? 13 : 3) === 0 ? 1 : 0;
      const le = Array.from(
        { length: 27 },
        (_, edge) => Math.min(n, Math.floor(n * Math.max(0, (edge - 1 + Math.sin(ago / 6) / 3) / slowness))),
      );
      return { minute: (now - ago) * 60, arm, n, failed, ms: n * 90, le };
    })
  );
  await sql`
    insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
    select 'checkout.enabled', to_timestamp(r.minute), r.arm, r.n, r.failed, r.n, r.ms,
      array(select jsonb_array_elements_text(r.le)::integer)
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as r (minute float8, arm text, n integer, failed integer, ms bigint, le jsonb)`;
}

async function messages(stack: RunningStack, sql: Sql): Promise<void> {
  const people = await firstState(`${stack.url}/simulator/api/events`);
  const sends = people.flatMap((contact, person) =>
    SAID.slice(0, 2 + person % 4).map((message) => ({ contact, message }))
  );
  for (const send of sends) {
    const response = await fetch(`${stack.url}/simulator/api/send`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(send),
    });
    await response.body?.cancel();
  }
  await until("the answers", async () => {
    const [{ n }] = await sql`select count(*)::int as n from public.messages where direction = 'out'`;
    return n >= sends.length;
  });
  // The last hour, as the clock would have counted it.
  await sql`select private.sample_minutes(now())`;
  const minute = Math.floor(Date.now() / 60_000) * 60;
  const counted = Array.from({ length: 60 }, (_, i) => 60 - i).flatMap((ago) =>
    (["in", "out"] as const).map((label) => ({
      label,
      at: minute - ago * 60,
      n: Math.max(
        0,
        Math.round(38 + 16 * Math.sin(ago / 8) + 6 * Math.sin(ago * 2) - (label === "out" ? 7 : 0)),
      ),
    }))
  );
  await sql`
    insert into public.measurements (name, label, minute, n, last_at)
    select 'messages', r.label, to_timestamp(r.at), r.n, now()
    from jsonb_to_recordset(${JSON.stringify(counted)}::text::jsonb) as r (label text, at float8, n bigint)
    on conflict (name, label, minute) do update set n = excluded.n`;
}

/** Ids of the simulator's people, from the first event of its stream, which contains the state. */
async function firstState(url: string): Promise<string[]> {
  const response = await fetch(url);
  let text = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("\n\n")) break;
  }
  const state: { contacts: { id: string }[] } = JSON.parse(/^data: (.*)$/m.exec(text)![1]);
  return state.contacts.map(({ id }) => id);
}
