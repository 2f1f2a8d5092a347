import { assertEquals } from "../../../tests/support/assert.ts";
import { generateKeyPairSync } from "node:crypto";
import { FakeClock } from "../testing.ts";
import { countsOf, Crowd, READERS } from "./crowd.ts";
import { SendGridSimulator } from "./sendgrid.ts";
import type { SentMail } from "./store.ts";

const ORIGIN = "http://127.0.0.1:54321";
const HTML = `<a href="${ORIGIN}/c/t/1">a</a><a href="${ORIGIN}/c/t/2">b</a><a href="${ORIGIN}/c/t/3">c</a>
<a href="${ORIGIN}/c/t/0"></a><img src="${ORIGIN}/pixel/t.png" width="1">`;
const TRACKED = { pixel: true, links: 3 };
const signingKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  .export({ format: "der", type: "pkcs8" }).toString("base64");

Deno.test("countsOf(): what each kind of reader counts as, with and without tracking", () => {
  const seen = Object.fromEntries(READERS.map((reader) => [reader.name, countsOf(reader, TRACKED)]));
  assertEquals(seen["has a scanner"], { delivered: 1, "clicks:machine": 3, opened: 1, clicked: 1 });
  assertEquals(seen["opens twice and clicks"], {
    ...{ delivered: 1, "opens:human": 2, "clicks:human": 1 },
    ...{ opened: 1, opened_human: 1, clicked: 1, clicked_human: 1 },
  });
  assertEquals(seen["has Apple's prefetch"], { delivered: 1, "opens:machine": 1, opened: 1 });
  for (const reader of READERS) {
    const { delivered, ...more } = countsOf(reader, { pixel: false, links: 0 });
    const told = reader.acts.some(({ does }) => ["reply", "unsubscribe", "complain"].includes(does));
    assertEquals([delivered, Object.keys(more).length], [1, told ? 1 : 0], reader.name);
  }
});

/** A crowd before functions that note what is asked of them. */
function simulate() {
  const clock = new FakeClock();
  const asked: string[] = [], events: string[] = [];
  const began = clock.now();
  const call: typeof fetch = (url, init) => {
    const { pathname } = new URL(String(url));
    if (pathname === "/events") {
      const posted = JSON.parse(new TextDecoder().decode(init!.body as Uint8Array)) as { event: string }[];
      events.push(...posted.map(({ event }) => event));
    } else asked.push(`${(clock.now() - began) / 1000} ${init?.method ?? "GET"} ${pathname}`);
    return Promise.resolve(new Response(null, { status: 200 }));
  };
  const mail = new SendGridSimulator({
    ...{ apiKey: "k", signingKey, inboundUrl: `${ORIGIN}/inbound`, eventsUrl: `${ORIGIN}/events` },
    ...{ clock, fetch: call },
  });
  const crowd = new Crowd({ mail, origin: ORIGIN, fetch: call, clock, onChange: () => {} });
  const one = (n: number, campaign: string | undefined = "c1"): SentMail => ({
    id: `m${n}`.padEnd(22, "0"),
    at: clock.now(),
    from: { email: "alex@example.com" },
    to: [{ email: `reader${n}@people.example` }],
    cc: [],
    subject: "News",
    html: HTML,
    headers: { "List-Unsubscribe": `<mailto:u@example.com>, <${ORIGIN}/u/t>` },
    customArgs: campaign === undefined ? {} : { gl_campaign: campaign },
    attachments: [],
    tracking: {},
    fate: "delivered",
  });
  return { clock, crowd, one, asked, events };
}

Deno.test("Crowd: reacts to campaigns while it is on, once to each reader, each at its time", async () => {
  const { clock, crowd, one, asked, events } = simulate();
  assertEquals(crowd.take(one(0)), undefined, "it is off");
  crowd.turn(true);
  assertEquals(crowd.take({ ...one(0), customArgs: {} }), undefined, "no campaign");
  const fates = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0].map((n) => crowd.take(one(n)));
  assertEquals(fates.map((fate) => fate === "bounce" ? 1 : 0).join(""), "0001000000");
  assertEquals(crowd.campaigns[0].waiting, 8);
  // Longer than the last act.
  await clock.until(clock.sleep(60_000));
  const [{ planted, waiting, failed }] = crowd.campaigns;
  assertEquals([waiting, failed], [0, 0]);
  assertEquals(planted, {
    ...{ sent: 9, delivered: 8, bounced: 1, failed: 1, replied: 1, unsubscribed: 1, complained: 1 },
    ...{ opened: 4, opened_human: 3, clicked: 2, clicked_human: 2 },
    ...{ "opens:human": 3, "opens:machine": 1, "clicks:human": 2, "clicks:machine": 3 },
  });
  assertEquals(asked.sort(), [
    "1 GET /c/t/0",
    "1 GET /c/t/1",
    "1 GET /c/t/2",
    "1 GET /c/t/3",
    "1 POST /inbound",
    "1 POST /u/t",
    "15 GET /c/t/2",
    "2 GET /pixel/t.png",
    "3 GET /pixel/t.png",
    "4 GET /pixel/t.png",
    "40 GET /c/t/1",
    "9 GET /pixel/t.png",
  ]);
  assertEquals(events.sort(), ["bounce", ...Array(8).fill("delivered"), "spamreport"]);
  crowd.stop();
});
