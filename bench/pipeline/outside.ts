/**
 * What is outside of Gatelink, in a process of its own: a service that answers 200 at once, or with a reply; and a Meta that
 * takes what is sent and tells sent, delivered and read of each, a webhook each.
 *
 * Prints its port. Paths: `/hook`, `/graph/…`; for the bench `POST /begin` with {@linkcode Begin} and `GET /report`.
 */
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { post } from "../load.ts";
import { Teller } from "../teller.ts";

/** How the next run goes. */
export interface Begin {
  /** Port of the functions on 127.0.0.1. */
  port: number;
  appSecret: string;
  /** Whether the service answers with a reply. */
  replies: boolean;
}

/** What has arrived since the last `begin`. Times are milliseconds since 1970, with their fraction. */
export interface Report {
  arrived: number;
  /** Messages that came more than once. */
  twice: number;
  /** Messages that came after a later one of the same person. */
  late: number;
  lastAt: number;
  /** Of each message, by its place in the load: when it arrived. */
  at: [place: number, at: number][];
  sent: number;
  statuses: number;
  /** Statuses that were not answered 200. */
  refused: number;
  statusesDoneAt: number;
}

const STATUSES = ["sent", "delivered", "read"];
/** Connections over which statuses are told, as many as messages come by. */
const CONNECTIONS = 64;

const encoder = new TextEncoder();
const now = () => performance.timeOrigin + performance.now();

let settings: Begin = { port: 0, appSecret: "", replies: false };
let report: Report;
let seen: Set<string>;
/** Place of the latest message of each person. */
let latest: Map<string, number>;
let teller: Teller | undefined;
begin(settings);

function begin(given: Begin): void {
  settings = given;
  report = {
    arrived: 0,
    twice: 0,
    late: 0,
    lastAt: 0,
    at: [],
    sent: 0,
    statuses: 0,
    refused: 0,
    statusesDoneAt: 0,
  };
  seen = new Set();
  latest = new Map();
  if (settings.port !== 0) {
    teller ??= new Teller(settings.port, CONNECTIONS, (status) => {
      if (status !== "200") report.refused++;
      report.statuses++;
      report.statusesDoneAt = now();
    });
  }
}

const REPLY = JSON.stringify({ replies: [{ type: "text", text: { body: "It is on its way." } }] });
const JSON_HEADERS = { "content-type": "application/json" };

async function hook(request: Request): Promise<Response> {
  const at = now();
  const { data: { message, contact } } = await request.json();
  // "Is my order N on its way?": the load's own number, in the order in which it was sent.
  const place = Number(/\d+/.exec(message.text)?.[0]);
  if (seen.has(message.provider_id)) report.twice++;
  else report.arrived++;
  seen.add(message.provider_id);
  if (place < (latest.get(contact.id) ?? -1)) report.late++;
  latest.set(contact.id, place);
  report.lastAt = at;
  report.at.push([place, at]);
  return settings.replies ? new Response(REPLY, { headers: JSON_HEADERS }) : new Response();
}

let serial = 0;
const run = crypto.randomUUID().replaceAll("-", "").toUpperCase();

async function graph(request: Request): Promise<Response> {
  // Whether a sender is well is asked now and then.
  if (request.method !== "POST") return Response.json({}, { status: 404 });
  const { to, biz_opaque_callback_data } = await request.json();
  // The address may carry appsecret_proof.
  const number = /\/(\d+)\/messages$/.exec(new URL(request.url).pathname)![1];
  const id = `wamid.OUT${run}${serial++}`;
  report.sent++;
  for (const status of STATUSES) tell(statusOf(number, id, to, status, biz_opaque_callback_data));
  return Response.json({
    messaging_product: "whatsapp",
    contacts: [{ input: to, wa_id: to }],
    messages: [{ id }],
  });
}

function statusOf(number: string, id: string, to: string, status: string, callback: string): string {
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{
      id: "102290129340398",
      changes: [{
        field: "messages",
        value: {
          messaging_product: "whatsapp",
          metadata: { display_phone_number: "15550001234", phone_number_id: number },
          statuses: [{
            id,
            status,
            timestamp: String(Math.floor(Date.now() / 1000)),
            recipient_id: to,
            biz_opaque_callback_data: callback,
          }],
        },
      }],
    }],
  });
}

function tell(body: string): void {
  const bytes = encoder.encode(body);
  teller!.tell(post(`127.0.0.1:${settings.port}`, "/functions/v1/wa-webhook", {
    ...JSON_HEADERS,
    "x-hub-signature-256": sign(bytes, settings.appSecret),
  }, bytes));
}

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const path = request.url.slice(request.url.indexOf("/", 8));
  if (path.startsWith("/hook")) return hook(request);
  if (path.startsWith("/graph")) return graph(request);
  if (path === "/begin") begin(await request.json());
  return Response.json(report);
});
await Deno.stdout.write(encoder.encode(`listening on ${server.addr.port}\n`));
