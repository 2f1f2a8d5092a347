import {
  createResendDoor,
  createWorkerDoor,
  eventsDoor,
  inboundDoor,
} from "../_shared/channels/email/doors.ts";
import { mailSetup, mailWorld, ownForwardHeaders } from "../_shared/channels/email/config.ts";
import type { MailEvent } from "../_shared/channels/email/inbound/events.ts";
import { parseResend } from "../_shared/channels/email/inbound/resend_events.ts";
import { parseSendGridEvents } from "../_shared/channels/email/inbound/sendgrid_events.ts";
import { createIntake } from "../_shared/channels/email/intake.ts";
import { readMailgun } from "../_shared/channels/email/mailgun_post.ts";
import { takeWorkerPost } from "../_shared/channels/email/worker_post.ts";
import { holdsSecret } from "../_shared/channels/email/inbound/signatures.ts";
import { pipeline } from "../_shared/compose.ts";
import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import type { IngestedMail, ResolvedMail } from "../_shared/contract/answers/mail.ts";
import { rpc } from "../_shared/db/client.ts";
import { precedence } from "../_shared/db/precedence.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { count } from "../_shared/db/counters.ts";
import { groupCommit } from "../_shared/db/group_commit.ts";
import { rememberResolutions, resolvePublic } from "../_shared/delivery/addresses.ts";
import { loadImage } from "../_shared/delivery/image.ts";
import { createAuthorise } from "../_shared/gates/team.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { Problem } from "../_shared/http/problem.ts";
import { addressOf, ownPaths } from "../_shared/http/routes.ts";
import { readRules } from "../_shared/links/model/rules.ts";
import { routerFlag } from "../_shared/pipeline/routed_channels.ts";
import { serve } from "../_shared/serve/serve.ts";
import type { Bucket } from "../_shared/storage/paths.ts";
import { mailStorage, storage } from "../_shared/storage/storage.ts";
import { createDecline } from "../_shared/tracking/decline.ts";
import { log } from "../_shared/log/log.ts";
import { MAIL_FLAG, weightOf } from "../_shared/traffic/mail_weight.ts";
import { createExplain } from "./explain.ts";
import { createHandler } from "./handler.ts";
import { fetchReceived } from "./received.ts";
import { shown } from "./shown.ts";

type Item = Record<string, unknown>;

const store = precedence.first(rpc);

/** Mails in one call: a text of a mail may have 200 KB. */
const GROUP = { maxItems: 32, maxQueued: 1000, maxBytes: 4 << 20, inFlight: 2, worthBeside: 8 };
const size = (item: Item) => String(item.text_full ?? "").length + String(item.text ?? "").length + 2000;

const resolve = groupCommit<Item, ResolvedMail>({
  ...GROUP,
  commit: (items) => store("resolve_mails", { p_mails: items }),
});
const ingest = groupCommit<Item, IngestedMail>({
  ...GROUP,
  size,
  commit: (items) => store("ingest_mails", { p_mails: items }),
});
const ingestEvents = (events: readonly MailEvent[]) => store("ingest_mail_events", { p_events: events });

function inboundCheck() {
  const { SENDGRID_INBOUND_PUBLIC_KEY: keys, SENDGRID_INBOUND_SECRET: secrets } = env(
    "SENDGRID_INBOUND_PUBLIC_KEY",
    "SENDGRID_INBOUND_SECRET",
  );
  if (keys.length > 0) return "signature";
  if (secrets.length > 0) return "secret";
  throw new Problem("config_invalid", {
    cause: new Error("set SENDGRID_INBOUND_PUBLIC_KEY or SENDGRID_INBOUND_SECRET to receive mail"),
  });
}

const authorise = createAuthorise();
const resolveHost = rememberResolutions((host) => resolvePublic(host));

const mails = shown({
  killed: () => killed("email_webhook"),
  gates: { operator: (headers) => authorise(headers, "operator") },
  panelOrigins: async () => (await readRules(await loadConfig(), {})).panelOrigins,
  rpc,
  storage,
  loadImage: (address, signal) =>
    loadImage(address, { fetch: (url, init) => fetch(url, init), resolve: resolveHost }, { signal }),
});

/** Whether mail may be routed for anybody; what waits while it may not is found by the clock later. */
const isRouted = async () => {
  const flag = routerFlag("email");
  return !killed(flag) &&
    (await loadConfig()).settings.some(({ key, value }) => key === flag && value === "true");
};

const resolveAll = (questions: Item[]) => Promise.all(questions.map(resolve));
const world = async () => mailWorld(ownForwardHeaders((await loadConfig()).settings));

const doors = createHandler({
  killed,
  requireSecretKey: (headers) => void requireKey(headers),
  doors: {
    inbound: inboundDoor,
    events: eventsDoor,
    resend: createResendDoor(Date.now),
    worker: createWorkerDoor(Date.now),
  },
  inboundCheck,
  isInboundSecret: (shown) => holdsSecret(shown, env("SENDGRID_INBOUND_SECRET").SENDGRID_INBOUND_SECRET),
  intake: createIntake({
    resolve: resolveAll,
    ingest: (records) => Promise.all(records.map(ingest)),
    note: (objects) => rpc("note_storage_objects", { p_objects: objects }),
    storage: mailStorage,
    world,
    now: () => new Date(),
    count: (kind, verdict) => count("mail_results", `${kind} ${verdict}`),
  }),
  takeWorkerPost: (bytes) =>
    takeWorkerPost(
      bytes,
      (url, init) => fetch(url, init),
      (error) => log.warn("a big mail was taken without its files", { error }),
    ),
  readMailgun: (bytes, contentType) =>
    readMailgun(bytes, contentType, env("MAILGUN_SIGNING_KEY").MAILGUN_SIGNING_KEY, Date.now()),
  mailWeight: async () => weightOf((await loadConfig()).settings, killed(MAIL_FLAG)),
  explain: createExplain({ resolve: resolveAll, world }),
  setup: mailSetup,
  parseEvents: parseSendGridEvents,
  parseResend,
  fetchReceived: (id) => {
    const { RESEND_URL: url, RESEND_API_KEY: key } = env("RESEND_URL", "RESEND_API_KEY");
    return fetchReceived(id, { url, key, fetch: (url, init) => fetch(url, init) });
  },
  ingestEvents,
  decline: createDecline({ rpc, resolve }),
  dueFiles: async (limit) => {
    const files = await rpc("claim_storage_purges", { p_limit: limit });
    return files.map(({ bucket, path }) => ({ bucket: bucket as Bucket, path }));
  },
  removeFiles: storage.remove,
  forgetFiles: async (files) => void await rpc("settle_storage_purges", { p_objects: files }),
  pipeline: {
    decide: async () => {
      if (await isRouted()) await pipeline.decide();
    },
    forward: async () => {
      if (await isRouted()) await pipeline.forward();
    },
    send: pipeline.send,
  },
  waitUntil,
});

const OWN = ownPaths("email-webhook");

export default serve(
  "email-webhook",
  (request, context) =>
    addressOf(request.url, OWN).path.startsWith("/mails/")
      ? mails(request, context)
      : doors(request, context),
);
