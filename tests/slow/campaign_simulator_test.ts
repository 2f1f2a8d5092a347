/** A campaign on a running stack, to which the simulator's crowd reacts: the figures are what the simulator planted. */
import { assertEquals } from "../support/assert.ts";
import type { CrowdCampaign } from "../../local/simulator/mail/crowd.ts";
import { startMailStack } from "../support/mail_stack.ts";
import { until } from "../support/until.ts";

const READERS = 180;

Deno.test("a campaign in the simulator: scanners, prefetch, bounces and answers, figures as planted", async () => {
  const mail = await startMailStack();
  const { stack, sql } = mail;
  const asService = <T>(run: (sql: typeof mail.sql) => Promise<T>) =>
    sql.begin(async (sql) => {
      await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
      return await run(sql as unknown as typeof mail.sql);
    }) as Promise<T>;
  const crowd = async (body?: unknown): Promise<{ campaigns: CrowdCampaign[] }> => {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    return await (await fetch(`${stack.url}/simulator/sendgrid/crowd`, init)).json();
  };
  try {
    await sql`update public.senders set max_per_second = 1000 where channel = 'email'`;
    await crowd({ on: true });
    const csv = await (await fetch(`${stack.url}/simulator/api/mail/recipients.csv?n=${READERS}`)).text();
    const people = csv.trimEnd().split("\r\n").slice(1).map((line) => line.split(","));
    assertEquals(people.length, READERS);
    const id = await asService(async (sql) => {
      const [{ made }] = await sql`select public.create_campaign(${
        sql.json({
          ...{ name: "October", subject: "News for {{name}}", track: "aggregate" },
          ...{ per_minute: 12000, bounce_limit: 1, complaint_limit: 1 },
          html:
            `<p>Hello {{name}}</p><a href="https://shop.example/a">a</a><a href="https://shop.example/b">b</a>
            <a href="https://shop.example/c">c</a><a href="{{unsubscribe_url}}">no more</a>`,
        })
      }) as made`;
      const list = people.map(([to, name]) => ({ to, fields: { name } }));
      await sql`select public.add_campaign_recipients(${made.id}, ${sql.json(list)})`;
      await sql`select public.start_campaign(${made.id}, ${made.version})`;
      return made.id as string;
    });
    const planted = await until("everybody has done their part", async () => {
      const [campaign] = (await crowd()).campaigns;
      if (campaign?.planted.sent === READERS && campaign.waiting === 0) return campaign;
      throw new Error(`${campaign?.planted.sent} sent, ${campaign?.waiting} waiting`);
    });
    assertEquals(planted.failed, 0);
    const wanted = { recipients: READERS, queued: READERS, ...planted.planted };
    const sorted = (counts: Record<string, number>) => Object.entries(counts).sort().join("\n");
    const read = () =>
      asService(async (sql) => (await sql`select public.read_campaign(${id}) as one`)[0].one.counts);
    let counts = {};
    await until("the figures are as planted", async () => sorted(counts = await read()) === sorted(wanted))
      .catch(() => assertEquals(counts, wanted));
  } finally {
    await mail.stop();
  }
});
