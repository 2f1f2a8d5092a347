import { assertEquals } from "../../../tests/support/assert.ts";
import { TRIES, TRIES_OF_FAULTS } from "../_shared/channels/email/mailboxes/read.ts";
import type { MailboxReading } from "../_shared/contract/answers/mailboxes.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { Problem } from "../_shared/http/problem.ts";
import { createReadMailboxes } from "./read.ts";

const URL_OF_API = "https://api.example";
const READING: MailboxReading = {
  mailbox: "11111111-1111-4111-8111-111111111111",
  lease: "22222222-2222-4222-8222-222222222222",
  identity: "33333333-3333-4333-8333-333333333333",
  provider: "microsoft",
  address: "kim@flowers.example",
  from_email: "kim@flowers.example",
  takes: "all",
  cursor: "/delta?1",
  since: "2026-11-30T10:00:00Z",
  attempts: {},
  unknown: [],
};
const NOTHING = { received: 1, stored: 1, duplicates: 0, forwards: false, relays: false, routes: false };

/**
 * Reads a mailbox of these mails, as often as it is due, as the database keeps its attempts.
 *
 * @param mails By id: the status with which it is answered.
 * @param take What becomes of a mail, by its subject, which is its id.
 */
async function readOften(
  times: number,
  mails: Record<string, number>,
  take: (id: string) => void = () => {},
) {
  let attempts: Record<string, number> = {};
  let claims: number[] = [];
  const taken: string[][] = [], counted: string[] = [], settled: Record<string, unknown>[] = [];
  for (let time = 0; time < times; time++) {
    const waiting = [{ ...READING, attempts }];
    taken.push([]);
    claims = [];
    const rpc = ((name: string, args: Record<string, unknown>) => {
      if (name === "claim_mailbox_readings") {
        claims.push(args.p_limit as number);
        return Promise.resolve(waiting.splice(0, args.p_limit as number));
      }
      const { mailbox: _mailbox, lease: _lease, ...rest } = args.p_settled as Record<string, unknown>;
      settled.push(rest);
      attempts = "error" in rest ? rest.attempts as typeof attempts ?? attempts : {};
      return Promise.resolve(null);
    }) as Rpc;
    await createReadMailboxes({
      rpc,
      world: {
        mailbox: () => Promise.resolve({ token: "t", version: 1 }),
        fetch: (address) => {
          const path = address.slice(URL_OF_API.length);
          if (path.startsWith("/delta")) {
            return Promise.resolve(Response.json({
              value: Object.keys(mails).map((id) => ({ id })),
              "@odata.deltaLink": `${URL_OF_API}/delta?2`,
            }));
          }
          const id = path.split("/")[3];
          const status = mails[id];
          return Promise.resolve(new Response(status === 200 ? `Subject: ${id}\r\n\r\n` : null, { status }));
        },
      },
      url: () => URL_OF_API,
      intake: {
        mail: ({ mail }) => {
          take(mail.subject);
          taken[time].push(mail.subject);
          return Promise.resolve(NOTHING);
        },
      },
      ingestEvents: () => Promise.resolve(),
      sendDomain: () => "example.com",
      took: () => {},
      count: (_, outcome) => counted.push(outcome),
      log: { warn: () => {} },
      now: () => new Date(READING.since),
    })();
  }
  return { taken, counted, settled, claims };
}
const done = { cursor: "/delta?2", more: false, resynced: false };

Deno.test("createReadMailboxes(): a mail that is refused delays nobody, and is passed over after some attempts", async () => {
  const bad = { a: 200, b: 400, c: 500, d: 200 };
  const { taken, counted, settled } = await readOften(TRIES_OF_FAULTS, bad);
  assertEquals(taken[0], ["a", "d"], "those after it come in at once");
  assertEquals(settled.map(({ attempts }) => attempts), [
    { b: 1, c: 1 },
    { b: 2, c: 2 },
    { b: 0, c: 3 },
    { b: 0, c: 4 },
    { b: 0, c: 5 },
    undefined,
  ]);
  assertEquals(settled.at(-1), done);
  assertEquals(counted.filter((outcome) => outcome === "passed_over").length, 2);
});

Deno.test("createReadMailboxes(): a mail that we cannot take is passed over; what concerns all is waited for", async () => {
  const mails = { a: 200, b: 200 };
  const failing = (error: () => Error) => (id: string) => {
    if (id === "a") throw error();
  };
  const rows: [error: () => Error, tries: number][] = [
    [() => new DbError("ingest_mails", "22P05", "unsupported Unicode escape sequence"), TRIES],
    [() => new RangeError("too deep"), TRIES_OF_FAULTS],
  ];
  for (const [error, tries] of rows) {
    const { taken, settled } = await readOften(tries, mails, failing(error));
    assertEquals([taken[0], settled.at(-2)?.attempts, settled.at(-1)], [["b"], { a: tries - 1 }, done]);
  }
  for (
    const error of [
      () => new Problem("database_unavailable"),
      () => new DbError("ingest_mails", "42501", "permission denied"),
    ]
  ) {
    const { taken, settled } = await readOften(TRIES_OF_FAULTS + 1, mails, failing(error));
    assertEquals([taken.flat(), settled.some((each) => "cursor" in each)], [[], false]);
  }
  const busy = await readOften(TRIES_OF_FAULTS + 1, { a: 429, b: 200 });
  assertEquals([busy.taken.flat(), busy.settled.some((each) => "cursor" in each)], [[], false]);
});

Deno.test("createReadMailboxes(): mailboxes are claimed one by one, when they are read", async () => {
  const { claims } = await readOften(1, { a: 200 });
  assertEquals(new Set(claims), new Set([1]));
});
