/**
 * What identifies a customer is planted by the real intake, and looked for in all that a person of the team can get:
 * every function and every table, from the catalog.
 */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql, TransactionSql } from "postgres";
import { type Click, linesOf } from "../../supabase/functions/_shared/links/clicks/lines.ts";
import { as, type Caller, signedIn } from "../support/callers.ts";
import { type Edge, edgeTest, NUMBER } from "../support/edge.ts";
import { ingest, message } from "../support/intake.ts";
import { type Planted, tracesOf, wamidOf } from "../support/planted.ts";
import { addDestination, addRoute, startService, withReplies } from "../support/service.ts";
import { until } from "../support/until.ts";

const PHONE = "491745550190";
const BSUID = "DE.13491208655302741918";
const NAME = "Zerafina Quellbrunn";
/** The id of a visitor in whose app the link opened. */
const USER = "user-zerafina-7731";
/** Meta's id of a click on an ad. */
const CLICK = "ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4irJ6LEkR7JwFF4XvnO2E4Nx0";
const TOKEN = "abcdefgh234567ab";
const EMAIL = "zerafina.quellbrunn@postfach.example";
const WAMID = wamidOf(PHONE, "3eb0c431c26a1916");
const SENT = wamidOf(PHONE, "7ab1d542d37b2a27");

/** What nobody gets unrecorded, whatever their role. */
const IDS: Planted = { phone: PHONE, bsuid: BSUID, email: EMAIL, wamid: WAMID, sent: SENT };
/** What viewers do not get at all. */
const PERSONAL: Planted = { ...IDS, name: NAME, "last name": "Quellbrunn", user: USER, click: CLICK };

/** Everything about the person in one text, as somebody else might quote it. */
const QUOTED = `${PHONE} +49 174 555 0190 ${WAMID} ${WAMID.slice(6)} ${SENT} ${BSUID} ${EMAIL}`;

/** A webhook of Meta's about the person. */
const value = (more: Record<string, unknown>, field = "messages") => ({
  object: "whatsapp_business_account",
  entry: [{
    id: "240011223344556",
    changes: [{
      field,
      value: {
        messaging_product: "whatsapp",
        metadata: { display_phone_number: NUMBER.display, phone_number_id: NUMBER.id },
        contacts: [{ wa_id: PHONE, user_id: BSUID, profile: { name: NAME } }],
        ...more,
      },
    }],
  }],
});

const from = (id: string, more: Record<string, unknown>) => ({
  from: PHONE,
  from_user_id: BSUID,
  id,
  timestamp: String(Math.floor(Date.now() / 1000)),
  ...more,
});

/** The ids that functions are asked by. */
interface Scene {
  message: string;
  sent: string;
  mail: string;
  conversation: string;
  contact: string;
  delivery: string;
  dead: string;
  route: string;
  rollout: string;
  announcement: string;
  campaign: string;
  report: string;
}

/** Each way in which what identifies the person gets into the database. */
async function plant(edge: Edge): Promise<Scene> {
  const { sql, hook, settled, hurry, reread } = edge;
  await using broken = startService();
  await using replies = startService();
  broken.answers(({ body }) => new Response(`cannot take ${QUOTED} ${body}`, { status: 500 }));
  replies.answers(withReplies(
    { type: "read", message_id: WAMID },
    { type: "text", text: { body: "Thank you" }, context: { message_id: WAMID } },
    { type: "nonsense", to: QUOTED },
  ));
  await addDestination(sql, "broken", broken, { retry_seconds: [0.001] });
  await addDestination(sql, "replies", replies);
  await addRoute(sql, ["replies"], { type: "contacts", phones: [PHONE] }, { priority: 1, name: "by number" });
  await sql`update public.routes set active = false`;
  const route = await addRoute(sql, ["broken", "replies"], { type: "any" }, { mode: "all", name: "all" });
  await reread();

  const one = async (query: PromiseLike<Record<string, string>[]>) => (await query)[0].id;
  await sql`insert into public.links (code, request_hash, whatsapp)
    values ('poster22', 'h', ${sql.json({ phone_number_id: NUMBER.id })})`;
  const click: Click = {
    code: "poster22",
    t: Date.now() - 3 * 86_400_000,
    k: "whatsapp",
    p: "ios",
    o: TOKEN,
    u: USER,
  };
  await sql`select public.record_clicks(${crypto.randomUUID()}, 0, ${linesOf([click])})`;
  await sql`select private.roll_up_clicks(now())`;
  await hook(
    value({ messages: [from(wamidOf(PHONE, "4"), { type: "text", text: { body: `Hi [ref:${TOKEN}]` } })] }),
  );
  await hook(value({ messages: [from(WAMID, { type: "text", text: { body: "Hello" } })] }));
  await hook(value({
    messages: [from(wamidOf(PHONE, "1"), {
      type: "reaction",
      reaction: { message_id: WAMID, emoji: "👍" },
      context: { from: PHONE, id: WAMID },
    })],
  }));
  await hook(value({
    messages: [from(wamidOf(PHONE, "2"), {
      type: "unsupported",
      errors: [{ code: 131051, title: QUOTED, message: QUOTED, error_data: { details: QUOTED } }],
    })],
  }));
  await hook(value({ messages: [from(wamidOf(PHONE, "3"), { type: "yet_unknown", about: QUOTED })] }));
  await hook(value({ user_preferences: [{ wa_id: PHONE, detail: QUOTED }] }, "user_preferences"));
  await hook(value({
    messages: [from(wamidOf(PHONE, "5"), {
      type: "text",
      text: { body: "I saw your ad" },
      referral: {
        source_id: "1",
        source_type: "ad",
        source_url: "https://fb.me/1",
        body: QUOTED,
        ctwa_clid: CLICK,
      },
    })],
  }));
  await until("the service was given up", async () => {
    await hurry();
    await settled();
    return (await sql`select from public.deliveries where state = 'dead'`).length > 0;
  });

  // What goes out: taken by Meta and then failed, refused by Meta, and by a person.
  await edge.send({ to: PHONE, type: "text", text: { body: "Good day" }, idempotency_key: `order-${PHONE}` });
  const [{ claim }] = await sql`select public.claim_outbound(50) as claim`;
  for (const [index, { id, lease }] of claim.messages.entries()) {
    await sql`select public.settle_outbound(${
      sql.json([
        index === 0 ? { id, lease, outcome: "sent", provider_id: SENT } : {
          id,
          lease,
          outcome: "failed",
          error: { kind: "failed", code: 131026, message: QUOTED, details: QUOTED },
        },
      ])
    })`;
  }
  await settled();
  const sent = await one(
    sql`select id from public.messages where direction = 'out' and type = 'text' order by seq desc limit 1`,
  );
  // Whatever the simulator called it, it has a realistic id from here on.
  await sql`update public.messages set provider_id = ${SENT} where id = ${sent}`;
  await hook(value({
    statuses: [{
      id: SENT,
      status: "failed",
      timestamp: String(Math.floor(Date.now() / 1000)),
      recipient_id: PHONE,
      recipient_user_id: BSUID,
      conversation: { id: PHONE, origin: { type: QUOTED } },
      pricing: { billable: true, category: QUOTED, pricing_model: PHONE },
      errors: [{ code: 131026, title: QUOTED, message: QUOTED, error_data: { details: QUOTED } }],
    }],
  }));
  await sql`update public.outbound_messages set error = ${
    sql.json({ code: 131026, message: QUOTED, details: QUOTED })
  }
    where message_id = ${sent}`;
  // Another channel: who writes is a mail address, and so is a part of the message's id.
  await ingest(
    sql,
    message({
      channel: "email",
      provider: "email",
      sender_id: "support@example.com",
      provider_id: `<1.${EMAIL}>`,
      identities: [{ kind: "email", value: EMAIL }],
      phone: undefined,
      name: NAME,
    }),
  );
  await sql`
    update public.messages set native = ${sql.json({ kind: "reply", reasons: [`it came from ${EMAIL}`] })}
    where channel = 'email'`;
  await sql`insert into public.suppressions (address, reason, source) values (${EMAIL}, 'complaint', 'sendgrid')`;
  await sql`select public.ingest_mail_events(${
    sql.json([{
      provider: "sendgrid",
      key: "e1",
      event: "bounce",
      address: EMAIL,
      metadata: { code: `550 no ${EMAIL}`, status: "5.1.1", reason: EMAIL },
      raw: { email: EMAIL },
    }])
  })`;
  const written = await one(sql`select id from public.messages where provider_id = ${WAMID}`);
  const rollout = crypto.randomUUID();
  await sql`insert into public.rollouts (id, flag_key, plan) values (${rollout}, 'wa_send.enabled', 'custom')`;
  await sql`
    insert into private.affected_people (flag_key, subject_id, failures, first_at, last_at)
    select 'wa_send.enabled', c.id, 1, now(), now() from public.contacts c`;
  const report = await one(sql`
    insert into public.reports (kind, period_from, due_at, figures, look) values ('weekly', now(), now(), '{}', '{}') returning id`);
  const announcement = await one(
    sql`select public.create_announcement(${
      sql.json({ name: "news", text: "Hello", audience: { kind: "wrote", days: 30 } })
    }) ->> 'id' as id`,
  );
  const campaign = await one(sql`
    insert into public.campaigns (name, from_email, subject, text)
    values ('news', 'desk@team.example', 'News', 'It is here.') returning id`);
  await sql`insert into public.campaign_recipients (campaign_id, address) values (${campaign}, 'reader@people.example')`;
  return {
    message: written,
    sent,
    mail: await one(sql`select id from public.messages where channel = 'email'`),
    conversation: await one(sql`select conversation_id as id from public.messages where id = ${written}`),
    contact: await one(sql`
      select c.contact_id as id from public.messages m join public.conversations c on c.id = m.conversation_id
      where m.id = ${written}`),
    delivery: await one(
      sql`select id from public.deliveries where message_id = ${written} and state = 'delivered'`,
    ),
    dead: await one(
      sql`select id from public.deliveries where message_id = ${written} and state = 'dead'`,
    ),
    route,
    rollout,
    announcement,
    campaign,
    report,
  };
}

/**
 * How each function that a signed-in person may execute is called, one list of arguments a call. A function that is not
 * here fails the test: say how it is called, so that its answers are looked through.
 */
const CALLS: Record<string, (scene: Scene) => string[]> = {
  "private.has_role(text)": () => ["'viewer'"],
  "private.org_role(uuid)": ({ contact }) => [`'${contact}'`],
  "private.manages_org(uuid)": ({ contact }) => [`'${contact}'`],
  "private.sits_on(uuid)": ({ contact }) => [`'${contact}'`],
  "private.is_member(uuid)": ({ contact }) => [`'${contact}'`],
  "analysis_report()": () => [""],
  "my_orgs()": () => [""],
  "whoami()": () => [""],
  "list_team(jsonb,integer)": () => [""],
  "set_team_member(uuid,text,text[])": ({ contact }) => [`'${contact}', 'viewer'`],
  "add_team_member(text,text,text[])": () => ["'nobody@example.com', 'viewer'"],
  "remove_team_member(uuid)": ({ contact }) => [`'${contact}'`],
  "switch_off(text,text)": () => ["'wa_send.enabled', 'a test'"],
  "set_setting(text,text,jsonb,bigint,text)": () => ["'a.b', '1', null, 0, 'a test'"],
  "allow_host(text,text)": () => ["'a.example.com', 'forward'"],
  "disallow_host(text,text)": () => ["'a.example.com', 'forward'"],
  "add_destination(text,text,jsonb)": () => ["'more', 'http://127.0.0.1:9/'"],
  "set_destination_state(text,text)": () => ["'broken', 'paused'"],
  "set_destination(text,integer,jsonb)": () => [`'broken', 1, '{"timeout_ms": 1000}'`],
  "remove_destination(text,text)": () => ["'broken', 'a test'"],
  "rotate_destination_secret(text,integer)": () => ["'broken', 1"],
  "add_route(text[],jsonb,integer,jsonb)": () => [`'{broken}', '{"type": "any"}', 7, '{}'`],
  "set_route(uuid,integer,jsonb)": ({ route }) => [`'${route}', 1, '{"name": "other"}'`],
  "move_route(uuid,integer,uuid)": ({ route }) => [`'${route}', 1, null`],
  "remove_route(uuid)": ({ route }) => [`'${route}'`],
  "retry_deliveries(uuid[])": ({ dead }) => [`'{${dead}}'`],
  "skip_deliveries(uuid[])": ({ dead }) => [`'{${dead}}'`],
  "resend_deliveries(text,timestamp with time zone,timestamp with time zone,uuid,integer,uuid)": () => [
    "'broken', '2000-01-01', '2100-01-01'",
  ],
  "list_identities(jsonb,integer)": () => ["", `'{"search": "shop"}', 5`],
  "add_identity(text,jsonb)": () => ["'more@send.example'"],
  "set_identity(uuid,jsonb)": ({ message }) => [`'${message}', '{"is_default": true}'`],
  "check_identity(uuid,text,text)": ({ message }) => [`'${message}', 'from', '12345678'`],
  "remove_identity(uuid)": ({ message }) => [`'${message}'`],
  "list_suppressions(timestamp with time zone,integer,integer,text)":
    () => ["", "now(), 10, 0", "null, 10, null, '@'"],
  "find_suppression(text)": () => [`'${EMAIL}'`],
  "add_suppression(text,text,text)": () => [`'${EMAIL}'`],
  "lift_suppression(text,text)": () => [`'${EMAIL}'`],
  "list_numbers()": () => [""],
  "list_imports()": () => [""],
  "list_templates(jsonb,integer)": () => [""],
  "send_template(uuid,jsonb,uuid)": ({ message }) => [
    `'${message}', '{"type": "template", "template": {"name": "hello", "language": {"code": "en"}}}', '${message}'`,
  ],
  "name_account(text,text)": () => ["'240011223344556', 'acme'"],
  "list_unknown(integer,jsonb)": () => [""],
  "resolve_unknown(uuid,text,text)": (
    { sent },
  ) => [`'${sent}', 'sent'`, `'${sent}', 'drop', 'about ${PHONE}'`],
  "email_overview(integer)": () => [""],
  "mail_accesses(uuid)": ({ mail }) => [`'${mail}'`],
  "correct_access(uuid,text,bigint,text)": ({ mail }) => [`'${mail}', 'open', 1, 'human'`],
  "set_tracking_consent(text,text,text,uuid)": () => [`'${EMAIL}', 'aggregate'`],
  "trace_mail(uuid)": ({ mail }) => [`'${mail}'`],
  "save_view(text,text,text,boolean)": () => ["'/links', 'mine', 'state=disabled'"],
  "remove_view(uuid)": () => ["gen_random_uuid()"],
  "count_matching_deliveries(text,jsonb)": () => ["'dead'", `'waiting', '{"destination": "broken"}'`],
  "change_matching_deliveries(text,text,jsonb,timestamp with time zone,text,integer)":
    () => ["'retry', 'dead', '{}', now()"],
  "list_waiting(jsonb,integer)": () => ["", `'{"destination": "broken"}'`],
  "list_flags(jsonb,integer)": () => ["", `'{"search": "wa", "on_first": true}'`],
  "list_routes(jsonb,integer)": () => ["", `'{"search": "broken"}'`],
  "drop_deliveries(uuid[],text)": ({ dead }) => [`'{${dead}}', 'a test'`],
  "set_flag(text,jsonb,bigint,text)": () => [`'wa_send.enabled', '{"on": false}', 1, 'a test'`],
  "add_flag_targets(text,bigint,text[],text[],text[],text)":
    () => ["'wa_send.enabled', 1, '{u1}', '{}', '{}', null"],
  "remove_flag_targets(text,bigint,text[],text[],text[],text)": () => [
    "'wa_send.enabled', 1, '{u1}', '{}', '{}', null",
  ],
  "set_segment(text,text,bigint)": () => ["'beta', 'a test', 0"],
  "add_segment_members(text,bigint,text[],text[],text)": () => ["'beta', 1, '{u1}', '{}', null"],
  "remove_segment_members(text,bigint,text[],text[],text)": () => ["'beta', 1, '{u1}', '{}', null"],
  "remove_segment(text,bigint,text)": () => ["'beta', 1, null"],
  "stale_flags(timestamp with time zone)": () => ["now()"],
  "who_blocks()": () => [""],
  "create_rollout(text,jsonb,text,uuid)":
    () => ["'wa_router.enabled', private.rollout_template('standard', '[]', '[]'), null"],
  "start_rollout(uuid,bigint,text,jsonb)": ({ rollout }) => [`'${rollout}', 1, 'a test', null`],
  "pause_rollout(uuid,bigint,text)": ({ rollout }) => [`'${rollout}', 1, 'a test'`],
  "resume_rollout(uuid,bigint,text)": ({ rollout }) => [`'${rollout}', 1, 'a test'`],
  "advance_rollout(uuid,bigint,text)": ({ rollout }) => [`'${rollout}', 1, 'a test'`],
  "roll_back_rollout(uuid,bigint,text)": ({ rollout }) => [`'${rollout}', 1, 'a test'`],
  "complete_rollout(uuid,bigint,text)": ({ rollout }) => [`'${rollout}', 1, 'a test'`],
  "watch_rollout(uuid)": ({ rollout }) => [`'${rollout}'`],
  "list_notices(uuid)": ({ rollout }) => [`'${rollout}'`],
  "schedule_notices(uuid,timestamp with time zone,jsonb)": (
    { rollout },
  ) => [`'${rollout}', now(), '[{"day": 0, "to": "All teams", "text": "It is there."}]'`],
  "traffic_split()": () => [""],
  "environment_watch()": () => [""],
  "traffic_figures(integer)": () => ["5"],
  "card_mails(text,integer)": () => ["'aaaaaaaaaaaaaaaa'"],
  "mail_weight()": () => [""],
  "set_mail_weight(numeric,text)": () => ["0, 'a test'"],
  "mail_addresses(integer,integer)": () => [""],
  "set_traffic(text,numeric,text)": () => ["'blue', 100, 'a test'"],
  "forecast_rollout(text,jsonb,numeric,numeric,timestamp with time zone)": () => [
    "'wa_send.enabled', (public.plan_of_template('standard'))",
  ],
  "plan_of_template(text)": () => ["'standard'"],
  "count_contacts(timestamp with time zone)": () => ["now()"],
  "add_notification_endpoint(text,text,text,text[])":
    () => ["'ops', 'slack', 'https://a.example.com/', '{paged}'"],
  "set_notification_state(text,text)": () => ["'ops', 'paused'"],
  "remove_notification_endpoint(text)": () => ["'ops'"],
  "overview(integer)": () => ["1440"],
  "diagnostics()": () => [""],
  "status()": () => [""],
  "trace_message(text)": ({ message, sent, mail }) => [
    `'${message}'`,
    `'${message.replaceAll("-", "")}'`,
    `'${WAMID}'`,
    `'${sent}'`,
    `'${SENT}'`,
    `'${mail}'`,
  ],
  "sign_gate(text,text,text,text,boolean,text)":
    () => ["'wa_send.enabled', 'engineering', 'approval', null, true, null"],
  "revoke_gate(text,text,text,text)": () => ["'wa_send.enabled', 'engineering', 'approval', 'a test'"],
  "launch_facts(text)": () => ["'wa_send.enabled'"],
  "record_rollback(jsonb)": () => [`'{"level": 1}'`],
  "open_incident(text,text,text,text,text,boolean,text,text)": () => ["'Replies come late'"],
  "update_incident(bigint,bigint,jsonb,text,text)": () => [`1, 1, '{"severity": "P2"}'`],
  "say_incident(bigint,text,text)": () => ["1, 'A rollback is under way'"],
  "acknowledge_incident(bigint)": () => ["1"],
  "resolve_incident(bigint,bigint,text,text)": () => ["1, 1"],
  "list_incidents(boolean,integer,jsonb)": () => ["", `null, 10, '{"search": "e"}'`],
  "list_kill_switches()": () => [""],
  "add_feedback(text,text,text,integer,text,uuid)": () => ["'complaint', 'user-1'"],
  "list_feedback(text,integer)": () => [""],
  "list_metrics(integer)": () => [""],
  "read_incident(bigint)": () => ["1"],
  "create_campaign(jsonb)": () => [`'{"name": "news", "subject": "News", "text": "It is here."}'`],
  "add_campaign_recipients(uuid,jsonb)": ({ campaign }) => [
    `'${campaign}', '[{"to": "another@people.example", "fields": {}}]'`,
  ],
  "test_campaign(uuid,text,jsonb,boolean)": ({ campaign }) => [`'${campaign}', 'test@people.example'`],
  "start_campaign(uuid,bigint,jsonb)": ({ campaign }) => [`'${campaign}', 1`],
  "stop_campaign(uuid,bigint,text,boolean)": ({ campaign }) => [`'${campaign}', 1, 'a test', true`],
  "list_campaigns(integer,jsonb)": () => [""],
  "read_campaign(uuid)": ({ campaign }) => [`'${campaign}'`],
  "list_campaign_recipients(uuid,bigint,integer)": ({ campaign }) => [`'${campaign}'`],
  "create_announcement(jsonb)": () => [
    `'{"name": "news", "text": "Hello", "audience": {"kind": "wrote", "days": 30}}'`,
  ],
  "start_announcement(uuid,bigint)": ({ announcement }) => [`'${announcement}', 1`],
  "stop_announcement(uuid,bigint,text)": ({ announcement }) => [`'${announcement}', 1, 'a test'`],
  "delete_announcement(uuid,bigint)": ({ announcement }) => [`'${announcement}', 1`],
  "list_announcements(integer,jsonb)": () => ["", `10, '{"search": "e"}'`],
  "read_announcement(uuid,uuid,integer)": ({ announcement }) => [`'${announcement}'`],
  "list_affected(text,timestamp with time zone,integer,integer)": () => ["'wa_send.enabled'"],
  "list_reports(text,integer,uuid)": () => [""],
  "read_report(uuid)": ({ report }) => [`'${report}'`],
  "report_now(text)": () => ["", "'wa_send.enabled'"],
  "set_escalation(text,jsonb)": () => [`'P0', '[{"after_minutes": 5, "role": "lead"}]'`],
  "list_conversations(uuid,integer)": () => [""],
  "search_conversations(text,integer,jsonb)": ({ message, conversation }) => [
    `'${message}'`,
    `'${conversation}'`,
    `'${WAMID}'`,
    `'${SENT}'`,
    `'${PHONE.slice(-4)}'`,
  ],
  "list_audit(jsonb,integer)": () => ["", `'{"kinds": ["route", "contact"]}', 1000`, `'{"name": "${NAME}"}'`],
  "test_notification_endpoint(text)": () => ["'ops'"],
  "check_flag(text,text)": ({ contact }) => [
    `'wa_send.enabled', '${contact}'`,
    `'wa_send.enabled', '${PHONE.slice(-4)}'`,
    `'wa_send.enabled', '${PHONE}'`,
    `'wa_send.enabled', '${EMAIL}'`,
  ],
  "attention()": () => [""],
  "first_steps()": () => [""],
  "search_everything(text,integer)": ({ message }) => [
    "''",
    "'zerafina'",
    `'${message}'`,
    `'${WAMID}'`,
    `'${PHONE}'`,
    `'+49 174 555 0190'`,
    `'${PHONE.slice(-4)}'`,
    `'${EMAIL}'`,
    "'poster22'",
  ],
  "conversation_messages(uuid,bigint,integer)": ({ conversation }) => [`'${conversation}'`],
  "message_story(uuid)": ({ message, sent, mail }) => [`'${message}'`, `'${sent}'`, `'${mail}'`],
  "read_person(uuid)": ({ contact }) => [`'${contact}'`],
  "merge_people(uuid,uuid,text)": ({ contact }) => [`'${contact}', gen_random_uuid(), 'a test'`],
  "undo_merge(uuid,text)": () => ["gen_random_uuid(), 'a test'"],
  "split_contact(uuid,text)": ({ contact }) => [`'${contact}', 'a test'`],
  "reveal_contact(uuid,text)": ({ contact }) => [`'${contact}', 'a test'`, `'${contact}', 'about ${PHONE}'`],
  "reveal_message(uuid,text)": ({ message }) => [`'${message}', 'a test'`, `'${message}', 'about ${PHONE}'`],
  "resend_message(uuid)": ({ sent, message }) => [`'${sent}'`, `'${message}'`],
  "reply_in_conversation(uuid,text,uuid)": (
    { conversation, message },
  ) => [`'${conversation}', 'hi', '${message}'`],
  "export_contact(text)": ({ contact }) => [`'${contact}'`, `'${PHONE}'`],
  "erase_contact(text,uuid,integer)": ({ contact }) => [`'${contact}'`, `'${PHONE}'`],
  "guessed_links()": () => [""],
  "traffic(integer,timestamp with time zone)": () => ["60, now()"],
  "destination_span(text,timestamp with time zone,timestamp with time zone)":
    () => ["'broken', now() - interval '1 hour', now()"],
  "messages_in_span(timestamp with time zone,timestamp with time zone,jsonb,integer)": () => [
    "now() - interval '1 day', now() + interval '1 day'",
    `now() - interval '1 day', now() + interval '1 day', '{"trouble": true, "direction": "in"}', 10`,
  ],
  "look_at_conversation(uuid)": ({ conversation }) => [`'${conversation}'`],
  "list_conversation_work(text,integer)": () => ["'unread'", "'waiting', 10"],
  "revoke_invitation(uuid)": () => ["gen_random_uuid()"],
  "accept_invitation()": () => [""],
  "link_clicks(text[])": () => ["'{poster22,another2}'"],
  "destination_health(timestamp with time zone,jsonb,integer)":
    () => ["now()", `now(), '{"search": "broken"}', 10`],
  "delivery_log(text,jsonb,integer)": () => ["'broken'", `'broken', '{"outcome": "failed"}'`],
  "destination_figures(text,integer,timestamp with time zone)": () => ["'broken'"],
  "name_contacts(text[])": ({ contact }) => [`'{${contact}}'`],
  "take_conversation(uuid,integer,text)": ({ conversation }) => [`'${conversation}', 5`],
  "list_desk_conversations(text,integer)": () => ["'mine'", "'taken_over'"],
  "list_desks(uuid[])": ({ conversation }) => [`'{${conversation}}'`],
  "set_conversation_desk(uuid,jsonb)": ({ conversation }) => [`'${conversation}', '{"unread": false}'`],
  "add_conversation_note(uuid,text)": ({ conversation }) => [`'${conversation}', 'a note'`],
  "remove_conversation_note(uuid)": ({ message }) => [`'${message}'`],
  "release_conversation(uuid)": ({ conversation }) => [`'${conversation}'`],
  "set_canned_reply(text,text)": () => ["'thanks', 'Thank you.'"],
  "list_canned_replies()": () => [""],
  "remove_canned_reply(text)": () => ["'thanks'"],
  "list_dead_letters(jsonb,integer)": () => ["", `'{"destination": "broken"}'`, `'{"error": "status"}'`],
  "set_number_pace(text,integer,numeric,integer)": () => [`'${NUMBER.id}', 20, 6, 45`],
  "remove_number(text)": () => ["'none'"],
  "list_mailboxes()": () => [""],
  "export_mail_metadata(timestamp with time zone,uuid,integer)":
    () => ["null", "now() - interval '1 hour', null, 1"],
  "set_mailbox(uuid,text)": ({ contact }) => [`'${contact}', 'all'`],
  "list_text_numbers()": () => [""],
  "list_telegram_chats()": () => [""],
  "who_is_on_call(text,timestamp with time zone)": () => [""],
  "list_oncall()": () => [""],
  "add_oncall(jsonb)": () => [`'{"name": "nights"}'`],
  "set_oncall_person(jsonb)": () => [`'{"name": "Ana"}'`],
  "remove_oncall_person(jsonb)": () => [`'{"name": "nobody"}'`],
  "override_oncall(text,jsonb,timestamp with time zone,timestamp with time zone)": () => [
    `'planted', '{"name": "Ana"}', null, now() + interval '1 hour'`,
  ],
  "remove_oncall(text,uuid)": () => ["'planted'"],
  "add_telegram_destination(text,bigint,bigint)": () => ["'chat', -1002000000001"],
  "link_telegram(text)": () => [""],
  "reply_in_thread(text,text,uuid,boolean)": ({ conversation }) => [`'${conversation}', 'On it'`],
  "undo_chat_reply(uuid)": ({ contact }) => [`'${contact}'`],
  "set_text_number(text,jsonb)": () => ["'12025550100', '{}'"],
  "remove_text_number(text)": () => ["'12025550199'"],
};

/** Who shows the raw form, for the right role and on record. */
const REVEALING = ["reveal_contact(uuid,text)", "reveal_message(uuid,text)", "export_contact(text)"];

class Undo extends Error {}

/** What somebody gets for a query, as text: the rows, or all that the error says. It changes nothing. */
async function got(sql: Sql, caller: Caller, query: string): Promise<string> {
  let rows: unknown;
  try {
    await as(sql, caller, async (sql: TransactionSql) => {
      rows = await sql.unsafe(query);
      throw new Undo();
    });
  } catch (error) {
    if (error instanceof Undo) return JSON.stringify(rows);
    const { message, detail, hint, where, code } = error as Record<string, string>;
    return JSON.stringify({ code, message, detail, hint, where });
  }
  throw new Error("cannot be");
}

/** Every query that a signed-in person's rights allow. */
async function queriesFor(sql: Sql, scene: Scene): Promise<[what: string, query: string][]> {
  const functions = await sql`
    select p.oid::regprocedure::text as name, format('%I.%I', n.nspname, p.proname) as call
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'private') and has_function_privilege('authenticated', p.oid, 'execute') order by 1`;
  assertEquals(
    functions.map(({ name }) => name).filter((name) => !(name in CALLS)),
    [],
    "say in CALLS how it is called",
  );
  assertEquals(
    Object.keys(CALLS).filter((name) => !functions.some((one) => one.name === name)),
    [],
    "no such function",
  );
  const tables = await sql`
    select c.oid::regclass::text as name, (
      select string_agg(quote_ident(a.attname), ', ') from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        and has_column_privilege('authenticated', c.oid, a.attnum, 'select')) as columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and has_any_column_privilege('authenticated', c.oid, 'select') order by 1`;
  return [
    ...functions.flatMap(({ name, call }) =>
      CALLS[name](scene).map((args): [string, string] => [name, `select ${call}(${args})::text as answer`])
    ),
    ...tables.map(({ name, columns }): [string, string] => [name, `select ${columns} from ${name}`]),
  ];
}

/** What of the planted is in the database at all, whoever may see it. */
async function planted(sql: Sql): Promise<string[]> {
  const [{ all }] = await sql`
    select string_agg(query_to_xml(format('select to_jsonb(t)::text from %s t', c.oid::regclass), true, true, '')::text, ' ') as all
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'private') and c.relkind in ('r', 'p')`;
  return Object.keys(PERSONAL).filter((what) => tracesOf({ [what]: PERSONAL[what] }, all).length > 0);
}

edgeTest("a viewer gets nothing that identifies a customer, from any function or table", async (edge) => {
  const { sql } = edge;
  const scene = await plant(edge);
  assertEquals(await planted(sql), Object.keys(PERSONAL), "the intake did not take all of it");
  const viewer = await signedIn(sql, "viewer");
  const leaks: string[] = [];
  let answered = 0;
  for (const [what, query] of await queriesFor(sql, scene)) {
    const answer = await got(sql, viewer, query);
    leaks.push(...tracesOf(PERSONAL, answer).map((trace) => `${what} ${query}: ${trace}`));
    if (answer.startsWith('[{"answer":')) answered++;
  }
  assertEquals(leaks, []);
  assert(answered >= 25, `only ${answered} calls were answered`);
  // What is typed in is found all the same, and named by our id.
  for (const given of [WAMID, scene.message]) {
    assert((await got(sql, viewer, `select public.trace_message('${given}')`)).includes(scene.message));
    assert(
      (await got(sql, viewer, `select public.search_conversations('${given}')`)).includes(scene.message),
    );
  }
});

edgeTest(
  "operators and admins get a customer's ids only from functions that record it",
  async (edge) => {
    const { sql } = edge;
    const scene = await plant(edge);
    const leaks: string[] = [];
    for (const role of ["operator", "admin"] as const) {
      const caller = await signedIn(sql, role);
      for (const [what, query] of await queriesFor(sql, scene)) {
        if (REVEALING.includes(what)) continue;
        const answer = await got(sql, caller, query);
        // A route holds the numbers that somebody of the team wrote into it.
        const looked = /^(route(s|_history)|list_routes\(.*)$/.test(what)
          ? answer.replaceAll("\\", "").replaceAll(
            /"phones": ?\["(\d+)"\]/g,
            (all, phone) => phone === PHONE ? "" : all,
          )
          : answer;
        leaks.push(...tracesOf(IDS, looked).map((trace) => `${role}, ${what} ${query}: ${trace}`));
      }
      for (const [call, kept] of [["reveal_contact", scene.contact], ["reveal_message", scene.message]]) {
        const acts =
          async () => (await sql`select act, contact_id, reason, by from public.contact_acts order by id`);
        const before = (await acts()).length;
        const reveal = (reason: string) =>
          as(
            sql,
            caller,
            async (sql) =>
              (await sql.unsafe(`select public.${call}('${kept}', '${reason}')::text as answer`))[0].answer,
          );
        const answer = await reveal("a call back");
        assert(tracesOf(IDS, answer).length > 0, answer);
        const made = (await acts()).slice(before).map((act) => ({ ...act }));
        assertEquals(made, [{
          act: "revealed",
          contact_id: scene.contact,
          reason: "a call back",
          by: caller.sub,
        }]);
        // The reason is read by viewers, and is refused where it tells what they may not see.
        for (const naming of [`about +49 174 555 0190`, `about ${WAMID}`, `about ${BSUID}`]) {
          const error = await reveal(naming).catch((error) => error);
          assertEquals([error.code, tracesOf(IDS, error.message)], ["GL422", []], naming);
        }
        assertEquals((await acts()).length, before + 1);
      }
    }
    assertEquals(leaks, []);
  },
);

edgeTest("no table with customer data is published for realtime", async ({ sql }) => {
  const published = await sql`
    select format('%I.%I', schemaname, tablename) as name from pg_publication_tables
    where schemaname in ('public', 'private')`;
  assertEquals(published.map(({ name }) => name), []);
});
