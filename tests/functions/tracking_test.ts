/** Tracked mails: sent with tickets, opened and clicked by people and machines, as far as consent goes. */
import { assert, assertEquals } from "../support/assert.ts";
import { createEmailTrack, type EmailTrack } from "../../supabase/functions/email-track/compose.ts";
import { rpc } from "../../supabase/functions/_shared/db/client.ts";
import { serve } from "../../supabase/functions/_shared/serve/serve.ts";
import { sealTicket, ticketKey } from "../../supabase/functions/_shared/mail/tracking/ticket.ts";
import { eventOf } from "../../local/simulator/mail/events.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";
import { until } from "../support/until.ts";

const SECRET = { apikey: KEYS.secretKey };
const CHROME =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const HTML = `<html><body><p>Hello</p><a href="https://shop.example/a?x=1&amp;y=2">a</a>
<a href='https://shop.example/b'>b</a><a href="https://shop.example/c">c</a>
<a href="https://shop.example/unsubscribe">no more</a><a href="mailto:x@example.com">write</a></body></html>`;

/** The ground of a test: the function with a clock of its own. */
interface Ground {
  edge: Edge;
  track: EmailTrack;
  /** Asks for an address as it stands in a mail. */
  ask(url: string, agent?: string, init?: RequestInit & { after?: number }): Promise<Response>;
  /** Sends a mail and returns its id and what SendGrid got. */
  sent(body?: Record<string, unknown>): Promise<{ id: string; html: string; links: string[]; pixel: string }>;
  consent(mode: string, person?: string): Promise<void>;
  opens(): Promise<Row[]>;
  clicks(): Promise<Row[]>;
}
interface Row {
  message_id: string | null;
  verdict: string;
  reasons: string;
  client: string;
  link?: number;
}

function trackTest(name: string, test: (ground: Ground) => Promise<void>, calls?: string[]): void {
  edgeTest(name, async (edge) => {
    const { sql } = edge;
    await edge.set({ "email_tracking.enabled": "true" });
    await sql.begin(async (sql) => {
      await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
      const [{ identity }] =
        await sql`select public.add_identity('alex@example.com', '{"is_default": true}') as identity`;
      const [{ begun }] = await sql`select public.begin_identity_check(${identity.id}, 'from') as begun`;
      await sql`select public.check_identity(${identity.id}, 'from', ${begun.code})`;
    });
    // An hour after the mails were delivered, unless a request says otherwise.
    let after = 3_600_000;
    const track = createEmailTrack({
      date: () => Date.now() + after,
      rpc: (name, ...rest) => {
        calls?.push(name);
        return rpc(name, ...rest);
      },
    });
    const served = serve("email-track", (request, context) => track.handler(request, context), {
      judgesSchema: true,
    });
    const asService = (query: (sql: Edge["sql"]) => Promise<unknown>) =>
      sql.begin(async (sql) => {
        await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
        await query(sql as unknown as Edge["sql"]);
      });
    await test({
      edge,
      track,
      ask: async (url, agent = CHROME, { after: then = 3_600_000, ...init } = {}) => {
        after = then;
        return await served.fetch(
          new Request(url, { ...init, headers: { "user-agent": agent, ...init.headers } }),
        );
      },
      sent: async (body = {}) => {
        const { status, body: { id } } = await edge.call("email-send", {
          headers: SECRET,
          body: { to: "casey@example.org", subject: "Hello", html: HTML, track: "individual", ...body },
        });
        assertEquals(status, 202);
        await edge.settled();
        const html = edge.mail.sent.find(({ customArgs }) => customArgs.gl_message === id)!.html!;
        await until("SendGrid has told of the delivery", async () => {
          const [row] = await sql`select status from public.messages where id = ${id}`;
          return row.status === "delivered";
        });
        return {
          id: String(id),
          html,
          links: [...html.matchAll(/href=["'](http[^"']*\/c\/\w+\/[1-9]\d*)["']/g)].map(([, url]) => url),
          pixel: /<img src="([^"]+)" width="1"/.exec(html)?.[1] ?? "",
        };
      },
      consent: (mode, person = "casey@example.org") =>
        asService((sql) => sql`select public.set_tracking_consent(${person}, ${mode})`).then(() => {}),
      opens: async () =>
        (await sql<Row[]>`
        select message_id, verdict, reasons, client from public.email_opens order by id`).map((row) => ({
          ...row,
        })),
      clicks: async () =>
        (await sql<Row[]>`
        select message_id, verdict, reasons, client, link from public.email_clicks order by id`).map((
          row,
        ) => ({ ...row })),
    });
    await track.flush();
  });
}

/** A mail to somebody who allows individual tracking, whom a first mail makes known. */
async function known({ sent, consent }: Ground): ReturnType<Ground["sent"]> {
  await sent({ track: "off" });
  await consent("individual");
  return await sent();
}

trackTest(
  "a tracked mail: its pixel and links are counted with a person's verdict, and lead where they led",
  async (ground) => {
    const { track, ask, opens, clicks, edge: { sql } } = ground;
    const { id, html, links, pixel } = await known(ground);
    assertEquals(links.length, 3);
    for (const kept of ["https://shop.example/unsubscribe", "mailto:x@example.com", "<p>Hello</p>"]) {
      assert(
        html.includes(kept),
      );
    }
    const image = await ask(pixel, GMAIL);
    assertEquals([image.status, image.headers.get("content-type"), image.headers.get("cache-control")], [
      200,
      "image/png",
      "no-store, no-cache, must-revalidate, private",
    ]);
    const bytes = new Uint8Array(await image.arrayBuffer());
    assertEquals([bytes.length, String.fromCharCode(...bytes.subarray(1, 4))], [
      Number(image.headers.get("content-length")),
      "PNG",
    ]);
    const gone = await ask(links[0]);
    assertEquals([gone.status, gone.headers.get("location"), gone.headers.get("referrer-policy")], [
      302,
      "https://shop.example/a?x=1&y=2",
      "no-referrer",
    ]);
    assertEquals((await ask(links[1], CHROME, { method: "HEAD", after: 7_200_000 })).status, 302);
    await track.flush();
    assertEquals(await opens(), [{
      message_id: id,
      verdict: "human",
      reasons: "mail_proxy",
      client: "gmail",
    }]);
    assertEquals(await clicks(), [
      { message_id: id, verdict: "human", reasons: "browser", client: "chrome", link: 1 },
      { message_id: id, verdict: "machine", reasons: "method", client: "chrome", link: 2 },
    ]);
    const [{ told }] = await sql.begin(async (sql) => {
      await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
      return await sql`select public.mail_accesses(${id}) as told`;
    });
    assertEquals([told.tracked, told.links[0].url, told.opens.length, told.clicks.length], [
      "individual",
      "https://shop.example/a?x=1&y=2",
      1,
      2,
    ]);
    // The stored message says what its author wrote.
    const [{ stored }] = await sql`select native ->> 'html' as stored from public.messages where id = ${id}`;
    assertEquals(stored, HTML);
  },
);

trackTest(
  "a scanner follows every link at delivery: all of it is a machine's, and a click an hour later a person's",
  async (ground) => {
    const { track, ask, clicks, opens, edge: { mail, sql } } = ground;
    const { links, pixel, html } = await known(ground);
    const trap = /href="([^"]+\/0)"/.exec(html)![1];
    await ask(pixel, CHROME, { after: 5000 });
    for (const link of links) await ask(link, CHROME, { after: 20_000 });
    assertEquals((await ask(trap, CHROME, { after: 21_000 })).status, 200);
    await ask(links[0], CHROME, { after: 3_600_000 });
    await track.flush();
    assertEquals((await clicks()).map(({ verdict, link }) => `${link} ${verdict}`), [
      "1 machine",
      "2 machine",
      "3 machine",
      "0 machine",
      "1 human",
    ]);
    assertEquals((await clicks())[0].reasons, "burst trap");
    assertEquals((await opens())[0].verdict, "machine", "5 s after the delivery, and just before the trap");
    // The provider tells of a delivery after the scanner has looked.
    const other = await ground.sent({ to: "bo@example.org", track: "aggregate" });
    const of = sql`message_id = ${other.id}`;
    await sql`update private.mail_tickets set delivered_at = null where ${of}`;
    await ask(other.links[0], CHROME, { after: 3000 });
    await track.flush();
    assertEquals((await clicks()).at(-1)!.verdict, "human");
    const sentMail = mail.sent.find(({ customArgs }) => customArgs.gl_message === other.id)!;
    const again = { timestamp: Math.floor(Date.now() / 1000) + 1 };
    mail.report([eventOf(sentMail, "delivered", "bo@example.org", again)]);
    await until(
      "the delivery is known",
      async () =>
        (await sql`select from private.mail_tickets where ${of} and delivered_at is not null`).length > 0,
    );
    await track.flush();
    assertEquals((await clicks()).at(-1), {
      message_id: null,
      verdict: "machine",
      reasons: "instant",
      client: "chrome",
      link: 1,
    });
  },
);

trackTest(
  "consent: without it nothing says who it was; withdrawn, nothing is counted, also of mails that were sent before",
  async (ground) => {
    const { track, ask, sent, consent, opens, clicks } = ground;
    const unasked = await sent();
    await ask(unasked.pixel);
    await track.flush();
    assertEquals(
      (await opens()).map(({ message_id }) => message_id),
      [null],
      "asked for individual, allowed aggregate",
    );
    await consent("individual");
    const individual = await sent();
    await ask(individual.pixel);
    await ask(individual.links[0]);
    await track.flush();
    assertEquals((await opens()).map(({ message_id }) => message_id), [null, individual.id]);
    await consent("off");
    assertEquals([
      (await opens()).map(({ message_id }) => message_id),
      (await clicks()).map(({ message_id }) => message_id),
    ], [
      [null, null],
      [null],
    ]);
    await ask(individual.pixel);
    await ask(unasked.pixel);
    assertEquals((await ask(individual.links[0])).status, 302, "links go on to work");
    await track.flush();
    assertEquals([(await opens()).length, (await clicks()).length], [2, 1]);
    assertEquals((await sent()).html, HTML);
    // Consent that is given again is for mails from then on.
    await consent("individual");
    await ask(individual.pixel);
    await track.flush();
    assertEquals((await opens()).length, 2);
  },
);

trackTest(
  "email_tracking.enabled: off, mails go as they are, links of others work, and nothing is recorded",
  async (ground) => {
    const { edge, track, ask, sent, opens, clicks } = ground;
    const { links, pixel } = await known(ground);
    await edge.set({ "email_tracking.enabled": "false" });
    assertEquals((await sent()).html, HTML);
    assertEquals([(await ask(links[0])).status, (await ask(pixel)).status], [302, 200]);
    await track.flush();
    assertEquals([await opens(), await clicks()], [[], []]);
    await edge.set({ "email_tracking.enabled": "true" });
    Deno.env.set("EMAIL_TRACKING_ENABLED", "false");
    try {
      assertEquals((await sent()).html, HTML);
      // What is known of the switch may be two seconds old.
      await ask(links[0], CHROME, { after: 4_000_000 });
      await until("the switch is read", async () => {
        const before = (await clicks()).length;
        await ask(links[0], CHROME, { after: 4_000_000 });
        await track.flush();
        return (await clicks()).length === before;
      });
    } finally {
      Deno.env.delete("EMAIL_TRACKING_ENABLED");
    }
  },
);

trackTest(
  "email.track: says how a mail is tracked whose author says nothing; signed mail and texts stay as they are",
  async ({ edge, sent }) => {
    assertEquals((await sent({ track: undefined })).html, HTML, "off by default");
    await edge.set({ "email.track": "aggregate" });
    const { links, html } = await sent({ track: undefined });
    assertEquals(links.length, 3);
    assert(html !== HTML);
    assertEquals((await sent({ track: "off" })).html, HTML);
    const armour = "<pre>-----BEGIN PGP SIGNED MESSAGE-----</pre>";
    assertEquals((await sent({ html: armour })).html, armour);
  },
);

const CALLS: string[] = [];
trackTest(
  "tickets: one that is not ours costs no call of the database, and leads nowhere",
  async (ground) => {
    const { ask, track, opens, clicks } = ground;
    const { links, pixel } = await known(ground);
    await ask(links[0]);
    await track.flush();
    CALLS.length = 0;
    const ours = /\/c\/(\w+)\//.exec(links[0])![1];
    const other = (ours[0] === "a" ? "b" : "a") + ours.slice(1);
    for (const ticket of [other, "a".repeat(32), "x", "%00", "test"]) {
      const answer = await ask(links[0].replace(ours, ticket));
      assertEquals([answer.status, (await answer.json()).code], [404, "link_not_found"], ticket);
      assertEquals((await ask(pixel.replace(ours, ticket))).status, 200);
    }
    for (const n of ["4", "01", "-1", "1.0", "99999", "x"]) {
      assertEquals((await ask(links[0].replace(/1$/, n))).status, 404, n);
    }
    // No address in the address is a destination.
    assertEquals(
      (await ask(`${links[0]}?url=https://evil.example/`)).headers.get("location"),
      "https://shop.example/a?x=1&y=2",
    );
    await track.flush();
    assertEquals(CALLS.filter((name) => name !== "record_accesses" && !/judge|settle/.test(name)), []);
    assertEquals([(await opens()).length, (await clicks()).length], [0, 2]);
  },
  CALLS,
);

trackTest(
  "the database away: what is in memory is answered and counted later; what is not is 503, and pixels are images",
  async (ground) => {
    const { edge, ask, track, clicks, opens, sent } = ground;
    const { links, pixel } = await known(ground);
    const unseen = await sent({ html: `<a href="https://shop.example/other">x</a>` });
    await ask(links[0]);
    await edge.away(async () => {
      assertEquals([(await ask(links[1])).status, (await ask(pixel)).status], [302, 200]);
      assertEquals((await ask(unseen.links[0])).status, 503);
    });
    await track.flush();
    assertEquals([(await clicks()).length, (await opens()).length], [2, 1]);
  },
);

trackTest(
  "a campaign's figures: people, scanners and Apple's prefetch, each as it was, and nobody by name",
  async (ground) => {
    const { track, ask, edge } = ground;
    const { sql } = edge;
    const html =
      `<p>Hello {{name}}</p><a href="https://shop.example/a?x=1">a</a><a href="https://shop.example/b">b</a>` +
      `<a href="https://shop.example/c?of=somebody@example.org">c</a>`;
    const asService = <T>(query: (sql: Edge["sql"]) => Promise<T>) =>
      sql.begin(async (sql) => {
        await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
        return await query(sql as unknown as Edge["sql"]);
      }) as Promise<T>;
    const { id } = await asService(async (sql) => {
      const draft = { name: "news", subject: "News", html, per_minute: 12_000 };
      const [{ made }] = await sql`select public.create_campaign(${sql.json(draft)}) as made`;
      const people = ["ann", "scan", "apple", "still"].map((name) => ({
        to: `${name}@example.org`,
        fields: { name },
      }));
      await sql`select public.add_campaign_recipients(${made.id}, ${sql.json(people)})`;
      const [{ view }] = await sql`select public.read_campaign(${made.id}) as view`;
      await sql`select public.start_campaign(${made.id}, ${view.version}, '{}')`;
      return made;
    });
    await until("the campaign was sent", async () => {
      await sql`select private.send_campaigns(now())`;
      await edge.hurry();
      await edge.settled();
      return (await sql`select from private.mail_tickets where delivered_at is not null`).length === 4;
    });
    const mailOf = (name: string) => {
      const { html } = edge.mail.sent.find(({ to }) => to[0].email === `${name}@example.org`)!;
      return {
        links: [...html!.matchAll(/href="([^"]+\/c\/\w+\/[1-9])"/g)].map(([, url]) => url),
        pixel: /<img src="([^"]+)" width="1"/.exec(html!)![1],
      };
    };
    const [ann, scan, apple] = ["ann", "scan", "apple"].map(mailOf);
    await ask(ann.pixel, GMAIL);
    await ask(ann.links[0]);
    await ask(ann.links[2], CHROME, { after: 7_200_000 });
    await ask(apple.pixel, "Mozilla/5.0");
    await ask(scan.links[0]);
    await track.flush();
    const figures = async () => {
      await sql`select private.count_campaign_news(now())`;
      const [{ view }] = await asService((sql) => sql`select public.read_campaign(${id}) as view`);
      const { counts, links } = view;
      const names = [
        "opened",
        "opened_human",
        "clicked",
        "clicked_human",
        "opens:human",
        "opens:machine",
        "clicks:human",
        "clicks:machine",
      ];
      return { counts: names.map((name) => counts[name] ?? 0), links };
    };
    assertEquals(
      (await figures()).counts,
      [3, 2, 2, 2, 1, 1, 3, 0],
      "the first click alone looks like a person's",
    );
    for (const link of scan.links.slice(1)) await ask(link);
    await track.flush();
    const { counts, links } = await figures();
    assertEquals(counts, [3, 1, 2, 1, 1, 1, 2, 3], "a verdict that is corrected moves the figures");
    assertEquals(links, [
      { link: "https://shop.example/a", clicks: 2, human: 1 },
      { link: "https://shop.example/c", clicks: 2, human: 1 },
      { link: "https://shop.example/b", clicks: 1, human: 0 },
    ]);
    // Counted in aggregate: no recipient has opened anything.
    const [{ page }] = await asService((sql) => sql`select public.list_campaign_recipients(${id}) as page`);
    assertEquals(page.map((one: { opened: boolean; clicked: boolean }) => one.opened || one.clicked), [
      false,
      false,
      false,
      false,
    ]);
  },
);

trackTest("a single mail has the address to withdraw where its author puts it", async (ground) => {
  const { id, html, links } = await ground.sent({
    track: "aggregate",
    html: `<a href="https://shop.example/a">a</a> <a href="{{unsubscribe_url}}">Do not track me</a>`,
  });
  const [, address] = /<a href="([^"]+)">Do not track me/.exec(html) ?? [];
  assert(address?.endsWith(`/u/${id}`), html);
  assertEquals(links.length, 1, "and it does not lead through the tracker");
});

trackTest("/u: a GET changes nothing; a POST ends mails to many, or tracking", async (ground) => {
  const { edge: { sql }, ask, track, opens } = ground;
  const { id, pixel } = await known(ground);
  const at = `http://127.0.0.1/u/${id}`;
  const page = await ask(at);
  assertEquals([page.status, page.headers.get("cache-control")], [200, "no-store"]);
  assert((await page.text()).includes("Do not track me"));
  assertEquals(Number((await sql`select count(*) as n from public.suppressions`)[0].n), 0);
  assertEquals((await ask(at, CHROME, { method: "POST", body: "decline=tracking" })).status, 200);
  await ask(pixel);
  await track.flush();
  assertEquals(await opens(), []);
  assertEquals(Number((await sql`select count(*) as n from public.suppressions`)[0].n), 0);
  assertEquals((await ask(at, CHROME, { method: "POST", body: "List-Unsubscribe=One-Click" })).status, 200);
  assertEquals((await sql`select address, scope from public.suppressions`).map((row) => ({ ...row })), [
    { address: "casey@example.org", scope: "bulk" },
  ]);
});

edgeTest("openapi.yaml: every answer of email-track is met, by one as described", async ({ call, sql }) => {
  const { see, assertAllMet } = witness();
  const [{ key }] = await sql`select key from private.ticket_key`;
  const [{ links }] = await sql`
    insert into private.mail_link_sets (hash, links, used_at) values ('\\x01', '{https://shop.example/}', now()) returning id::int as links`;
  const ticket = sealTicket(ticketKey(key), { mail: 1, links });
  const PIXEL = "/email-track/pixel/{name}",
    CLICK = "/email-track/c/{ticket}/{n}",
    U = "/email-track/u/{token}";
  see(PIXEL, "get", 200, await call("email-track/pixel/test.png", { method: "GET" }));
  see(PIXEL, "get", 405, await call("email-track/pixel/test.png"));
  const at = (path: string) =>
    fetch(`${Deno.env.get("SUPABASE_URL")}/functions/v1/email-track/${path}`, { redirect: "manual" }).then(
      async ({ status, headers, body }) => (await body?.cancel(), { status, headers, body: "" }),
    );
  see(CLICK, "get", 302, await at(`c/${ticket}/1`));
  see(CLICK, "get", 200, await call(`email-track/c/${ticket}/0`, { method: "GET" }));
  see(CLICK, "get", 404, await call("email-track/c/no/1", { method: "GET" }));
  see(CLICK, "get", 405, await call("email-track/c/no/1"));
  const page = "email-track/u/abcdefghijklmnop" as const;
  see(U, "get", 200, await call(page, { method: "GET" }));
  see(U, "get", 404, await call("email-track/u/no", { method: "GET" }));
  see(U, "get", 405, await call(page, { method: "PUT" }));
  see(U, "post", 200, await call(page, { body: "List-Unsubscribe=One-Click" }));
  see(U, "post", 404, await call("email-track/u/no", { body: "" }));
  see(U, "post", 405, await call(page, { method: "PUT" }));
  see(U, "post", 413, await call(page, { body: "x".repeat(5000) }));
  see("/email-track", "post", 200, await call("email-track", { headers: SECRET }));
  see("/email-track", "post", 401, await call("email-track"));
  see("/email-track", "post", 403, await call("email-track", { headers: { apikey: KEYS.publishableKey } }));
  see("/email-track", "post", 405, await call("email-track", { method: "GET" }));
  assertAllMet(
    (path) => path.startsWith("/email-track"),
    (what) =>
      /^(config_invalid|disabled_by_environment|overloaded|database_unavailable|schema_.*)$/.test(what),
  );
});
