/**
 * A Twilio in a process of its own: it takes texts, reports that each was sent and delivered, and notes when each came and
 * whether its number had the pace for it.
 *
 * Prints its port. Paths: `POST /begin` with {@linkcode Begin}; Twilio's for sending; `GET /report` gives
 * {@linkcode Sends} and forgets them.
 */
import { numberOf, webhook } from "./notes.ts";
import { Teller } from "../teller.ts";

/** How the next run goes. */
export interface Begin {
  /** Port of the functions on 127.0.0.1. */
  port: number;
  authToken: string;
  accountSid: string;
  /** Segments that each number sends in a second. */
  perSecond: number;
}

/** What came since the last report. */
export interface Sends {
  /** When each text came, by its number, in milliseconds since 1970 with their fraction. */
  at: [number: number, at: number][];
  /** Texts that would have waited in the queue of their number, because it sends one after the other. */
  queued: number;
  /** Statuses that were told, and those of them that were not answered 200. */
  statuses: number;
  refused: number;
}

const STATUSES = ["sent", "delivered"];
const CONNECTIONS = 64;
/** A clock that is read in two processes is not exact; Twilio's queue would not notice. */
const SLACK_MS = 50;

let settings: Begin | undefined;
let teller: Teller | undefined;
let report: Sends = empty();
/** When each number may send its next text. */
const free = new Map<string, number>();
let serial = 0;

function empty(): Sends {
  return { at: [], queued: 0, statuses: 0, refused: 0 };
}

function begin(given: Begin): void {
  settings = given;
  report = empty();
  free.clear();
  teller = new Teller(given.port, CONNECTIONS, (status) => {
    report.statuses++;
    if (status !== "200") report.refused++;
  });
}

async function send(request: Request): Promise<Response> {
  const now = performance.timeOrigin + performance.now();
  const form = new URLSearchParams(await request.text());
  const [to, from, body, callback] = ["To", "From", "Body", "StatusCallback"].map((name) =>
    form.get(name) ?? ""
  );
  const { accountSid, perSecond } = settings!;
  const due = free.get(from) ?? 0;
  if (now + SLACK_MS < due) report.queued++;
  free.set(from, Math.max(now, due) + 1000 / perSecond);
  const number = numberOf(body);
  if (number !== undefined) report.at.push([number, now]);
  const sid = `SM${String(++serial).padStart(32, "f")}`;
  if (callback !== "") {
    for (const status of STATUSES) {
      teller!.tell(webhook(settings!, callback, {
        MessageSid: sid,
        SmsSid: sid,
        SmsStatus: status,
        MessageStatus: status,
        AccountSid: accountSid,
        ApiVersion: "2010-04-01",
        From: from,
        To: to,
      }));
    }
  }
  return Response.json({ sid, status: "queued", to, from, body, account_sid: accountSid }, { status: 201 });
}

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  if (request.method === "GET") {
    const told = report;
    report = empty();
    return Response.json(told);
  }
  if (!request.url.endsWith("/begin")) return await send(request);
  begin(await request.json());
  return new Response(null, { status: 204 });
});
await Deno.stdout.write(new TextEncoder().encode(`listening on ${server.addr.port}\n`));
