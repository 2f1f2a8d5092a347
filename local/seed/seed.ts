/** The initial content of a new local stack, so that a first message has a destination: see {@link STEPS}. */
import type { Sql, TransactionSql } from "postgres";
import type { Keys } from "../project/data_folder.ts";
import { SECOND_ACCOUNT, secondAccount, TELNYX_NUMBER, TEXT_NUMBERS } from "../project/environment.ts";

export interface SeedOptions {
  sql: Sql;
  keys: Keys;
  /** URL of the stack, without a trailing slash. */
  url: string;
  /** Auth and Data API; see local/data_api/data_api.ts. */
  api: { fetch(request: Request): Promise<Response> };
}

/** Name and path of the destination that leads to the demo service. */
export const DEMO = { name: "echo", path: "/demo/service" };

/** Name of the route that leads there. */
const DEMO_ROUTE = "everything else to the demo service";

/** Code of the demo link: it opens a chat with the stack's own number. */
export const DEMO_LINK = "demo";
/** Where the link leads while chats are off. */
const DEMO_PAGE = "/simulator/";

/** The features' flags, and what each turns on; docs/flags.md uses these texts. */
const FLAGS = {
  "wa_router.enabled": "Messages are routed to services. Off: they are stored and wait, in order.",
  "wa_send.enabled": "Messages and replies are sent. Off: new ones are refused, queued ones wait.",
  "email_router.enabled":
    "Mails are routed to services, and answers forwarded to inboxes. Off: they are stored and wait.",
  "email_send.enabled": "Mails are sent. Off: new ones are refused, queued ones wait.",
  "email_reply_tokens.enabled":
    "Answers come to short addresses with a token. Off: to the long form of the former system.",
  "email_tracking.enabled":
    "Opens and clicks of mails are tracked, where a mail asks for it and its recipient allows it. Off: mails go as they are; links " +
    "of those that went go on to work, and nothing is recorded.",
  "mail_analysis.enabled":
    "Mails that are shown as cards get a mood, an urgency and, with a model, a summary. Off: cards stay as they were sent.",
  "email_replies.enabled":
    "The team answers from Telegram, and with `gatelink email reply`, asked with the member's id. Off, and with `EMAIL_REPLIES=false`: " +
    "nothing leaves, and who answers is told.",
  "sms_router.enabled": "Texts are routed to services. Off: they are stored and wait, in order.",
  "sms_send.enabled": "Texts are sent. Off: new ones are refused, queued ones wait.",
  "messaging_v1.enabled":
    "Clients and workers of an organisation text each other through masked numbers. Asked with `org:<id>`; without a setting, " +
    "`ENABLE_MESSAGING_V1=true` turns it on. Off: endpoints answer 404, texts are kept and not relayed.",
  "proactive_thread_creation.enabled":
    "A recurring client gets a thread when a sitter is assigned; as above, `ENABLE_PROACTIVE_THREAD_CREATION`. Off: with the " +
    "first text.",
  "sitter_messages_v1.enabled":
    "Sitters write to clients; as above, `ENABLE_SITTER_MESSAGES_V1`. Off: sitters get 404, owners go on.",
  "dynamic_routing.enabled":
    "Cards in chats mention who is on call. A target `type:alert` turns it on for mails to addresses of that type. Off: cards come " +
    "as ever.",
  "green.enabled":
    "Visitors get the [green environment](two-environments.md), the others blue. Set with `gatelink traffic`; a ramp is a " +
    "rollout of it. Off, and with `GREEN_ENABLED=false`: everybody gets blue.",
  "telegram_cards.enabled":
    "Messages go to Telegram chats as [cards](telegram.md). Off: cards wait, in order.",
  "mail_routing.enabled":
    "Threads of mail come here while a former system takes the others ([Cloudflare](email-routing.md)). Set with `gatelink email " +
    "weight`; a ramp is a rollout of it. Off, and with `MAIL_ROUTING_ENABLED=false`: all mail goes to the former system, if there " +
    "is one.",
  "deeplinks.enabled": "Links open a chat, an app or a page. Off: visitors go to each link's default page.",
};

/** Creates these flags (all by default), on for everybody, if they do not exist. */
export async function seedFlags(
  sql: TransactionSql,
  keys: (keyof typeof FLAGS)[] = Object.keys(FLAGS) as (keyof typeof FLAGS)[],
): Promise<void> {
  for (const key of keys) {
    const metadata = { rollout_percentage: 100, description: FLAGS[key] };
    await sql`insert into public.settings (key, value, metadata) values (${key}, 'true', ${
      sql.json(metadata)
    })
      on conflict (key) do nothing`;
  }
}

/** Each step runs once per database, so content that somebody later removes or turns off stays so. */
const STEPS: Record<string, (sql: TransactionSql, options: SeedOptions) => Promise<unknown>> = {
  flags: (sql) => seedFlags(sql, ["wa_router.enabled", "wa_send.enabled"]),
  email: (sql) =>
    seedFlags(sql, ["email_router.enabled", "email_send.enabled", "email_reply_tokens.enabled"]),
  tracking: (sql) => seedFlags(sql, ["email_tracking.enabled"]),
  telegram: (sql) => seedFlags(sql, ["telegram_cards.enabled"]),
  replies: (sql) => seedFlags(sql, ["email_replies.enabled"]),
  loopback: async (sql) => {
    await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')
      on conflict (key) do nothing`;
    for (const host of ["127.0.0.1", "localhost"]) await sql`select public.allow_host(${host}, 'forward')`;
  },
  number: (sql, { keys: { whatsapp } }) =>
    sql`insert into public.senders (id, address)
      values (${whatsapp.phoneNumberId}, ${whatsapp.displayNumber}) on conflict (channel, id) do nothing`,
  // Unused until somebody writes to its number.
  second: (sql, { keys: { whatsapp } }) =>
    sql`select public.name_account(${secondAccount(whatsapp).wabaId}, ${SECOND_ACCOUNT})`,
  demo: async (sql, { url }) => {
    const [taken] = await sql`select from public.destinations where name = ${DEMO.name}`;
    if (taken) return;
    await sql`select public.add_destination(${DEMO.name}, ${url + DEMO.path})`;
    await sql`select public.add_route(${[DEMO.name]}, '{"type": "any"}', 1000, ${
      sql.json({ name: DEMO_ROUTE })
    })`;
  },
  texts: async (sql) => {
    await seedFlags(sql, ["sms_router.enabled", "sms_send.enabled"]);
    for (const number of TEXT_NUMBERS) await sql`select public.set_text_number(${number})`;
    await sql`select public.set_text_number(${TELNYX_NUMBER}, '{"provider": "telnyx"}')`;
    // The service that answers WhatsApp answers texts, too.
    await sql`update public.routes set channels = channels || '{sms}'
      where name = ${DEMO_ROUTE} and not 'sms' = any (channels)`;
  },
  links: async (sql, { url, keys: { whatsapp } }) => {
    await seedFlags(sql, ["deeplinks.enabled"]);
    await sql`insert into public.settings (key, value) values ('deeplinks.allow_loopback', 'true')
      on conflict (key) do nothing`;
    for (const host of ["127.0.0.1", "localhost"]) await sql`select public.allow_host(${host}, 'redirect')`;
    const link = {
      code: DEMO_LINK,
      request_hash: "seed",
      default_url: url + DEMO_PAGE,
      whatsapp: { phone_number_id: whatsapp.phoneNumberId, text: "Hello! I come from the demo link." },
      tags: ["demo"],
      utm: { source: "demo", campaign: "demo" },
    };
    await sql`select public.create_links(${sql.json([link])}, 'seed')`;
  },
};

/** The setting with the names of the completed steps. */
const DONE = "local.seeded";

/**
 * Runs the steps that have not run yet, and makes sure that its people can sign in and that the demo
 * destination leads here.
 */
export async function seed(options: SeedOptions): Promise<void> {
  const { sql, url } = options;
  await sql.begin(async (sql) => {
    await sql`select set_config('gatelink.reason', 'seed of the local stack', true)`;
    const [row] = await sql`select value from public.settings where key = ${DONE}`;
    const done: string[] = row ? row.value.split(",") : [];
    for (const [name, step] of Object.entries(STEPS)) {
      if (!done.includes(name)) await step(sql, options);
    }
    const names = Object.keys(STEPS).join(",");
    if (names !== row?.value) {
      await sql`insert into public.settings (key, value) values (${DONE}, ${names})
        on conflict (key) do update set value = excluded.value`;
    }
    // The stack may listen on another port than last time.
    await sql`update public.destinations set url = ${url + DEMO.path}
      where name = ${DEMO.name} and private.destination_permitted(${url + DEMO.path}) and url <> ${
      url + DEMO.path
    } and url like ${"http://127.0.0.1:%" + DEMO.path}`;
    await sql`update public.links set default_url = ${url + DEMO_PAGE}
      where code = ${DEMO_LINK} and default_url <> ${url + DEMO_PAGE} and default_url like ${
      "http://127.0.0.1:%" + DEMO_PAGE
    }`;
  });
  await seedPeople(options);
}

/**
 * The people of the local stack, besides the admin, for trying out what each role sees. All have the admin's
 * password.
 */
export const PEOPLE = [
  { email: "operator@example.com", role: "operator", approvals: ["engineering", "product"] },
  { email: "viewer@example.com", role: "viewer", approvals: [] },
];
/** The gates that the local admin may sign. */
const ADMIN_APPROVALS = ["engineering", "security", "product", "cto"];

async function seedPeople({ sql, keys: { admin, publishableKey }, api }: SeedOptions): Promise<void> {
  const auth = (path: string, email: string) =>
    api.fetch(
      new Request(`http://127.0.0.1/auth/v1/${path}`, {
        method: "POST",
        headers: { apikey: publishableKey, "content-type": "application/json" },
        body: JSON.stringify({ email, password: admin.password }),
      }),
    );
  const emails = [admin.email, ...PEOPLE.map(({ email }) => email)];
  const known = (await sql`select email from auth.users where email = any (${emails})`).map((row) =>
    row.email
  );
  if (known.includes(admin.email) && !(await auth("token?grant_type=password", admin.email)).ok) {
    // A database that another data folder's keys made: give its people this folder's password.
    const other = `${crypto.randomUUID()}@example.com`;
    await checked(auth("signup", other));
    await sql`update auth.users set encrypted_password =
      (select encrypted_password from auth.users where email = ${other}) where email = any (${emails})`;
    await sql`delete from auth.users where email = ${other}`;
  }
  for (const email of emails) if (!known.includes(email)) await checked(auth("signup", email));
  await sql`insert into public.team_members (user_id, role, approvals)
    select id, 'admin', ${ADMIN_APPROVALS} from auth.users where email = ${admin.email} on conflict do nothing`;
  for (const { email, role, approvals } of PEOPLE) {
    // Whom somebody took off the team stays off.
    if (known.includes(email)) continue;
    await sql`insert into public.team_members (user_id, role, approvals)
      select id, ${role}, ${approvals} from auth.users where email = ${email} on conflict do nothing`;
  }
}

async function checked(answer: Promise<Response>): Promise<void> {
  const response = await answer;
  if (!response.ok) throw new Error(`Auth answered ${response.status}: ${await response.text()}`);
}
