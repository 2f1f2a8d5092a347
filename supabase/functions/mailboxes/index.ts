import {
  domains,
  mailboxUrl,
  mailWorld,
  ownForwardHeaders,
  providerFaults,
} from "../_shared/channels/email/config.ts";
import { createIntake } from "../_shared/channels/email/intake.ts";
import { pipeline } from "../_shared/compose.ts";
import { configFaults, env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import type { MailboxSetup } from "../_shared/contract/http/mailboxes.ts";
import { rpc } from "../_shared/db/client.ts";
import { count } from "../_shared/db/counters.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { createAuthorise } from "../_shared/gates/team.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { readRules } from "../_shared/links/model/rules.ts";
import { log } from "../_shared/log/log.ts";
import { mailboxAccess } from "../_shared/mailboxes/compose.ts";
import { type MailboxProvider, oauthClient } from "../_shared/mailboxes/oauth.ts";
import { serve } from "../_shared/serve/serve.ts";
import { mailStorage } from "../_shared/storage/storage.ts";
import { createConnect } from "./connect.ts";
import { createHandler } from "./handler.ts";
import { createReadMailboxes } from "./read.ts";

const authorise = createAuthorise();
const panelOrigins = async () => (await readRules(await loadConfig(), {})).panelOrigins;

function baseUrl(): string {
  const { PUBLIC_BASE_URL, SUPABASE_URL } = env("PUBLIC_BASE_URL", "SUPABASE_URL");
  return PUBLIC_BASE_URL ?? SUPABASE_URL;
}

const redirectUri = (provider: MailboxProvider) => `${baseUrl()}/functions/v1/mailboxes/callback/${provider}`;

function setup(): MailboxSetup {
  const of = (provider: MailboxProvider) => {
    const faults = providerFaults(provider);
    return {
      ready: faults.length === 0,
      missing: faults.map(({ variable, fault }) => `${variable}: ${fault}`),
      redirect_uri: redirectUri(provider),
    };
  };
  const keys = configFaults("SEALING_KEYS").length === 0 ? Object.keys(env("SEALING_KEYS").SEALING_KEYS) : [];
  return { google: of("google"), microsoft: of("microsoft"), keys };
}

const world = { fetch: (url: string, init: RequestInit) => fetch(url, init), mailbox: mailboxAccess };

const read = createReadMailboxes({
  rpc,
  world,
  url: mailboxUrl,
  // One mail after the other: there is nothing to gather.
  intake: createIntake({
    resolve: (questions) => rpc("resolve_mails", { p_mails: questions }),
    ingest: (records) => rpc("ingest_mails", { p_mails: records }),
    note: (objects) => rpc("note_storage_objects", { p_objects: objects }),
    storage: mailStorage,
    world: async () => mailWorld(ownForwardHeaders((await loadConfig()).settings)),
    now: () => new Date(),
    count: (kind, verdict) => count("mail_results", `${kind} ${verdict}`),
  }),
  ingestEvents: (events) => rpc("ingest_mail_events", { p_events: events }),
  sendDomain: () => domains().sendDomain,
  took({ forwards, relays, routes }) {
    if (routes) waitUntil(pipeline.decide());
    if (forwards) waitUntil(pipeline.forward());
    if (relays) waitUntil(pipeline.send());
  },
  count: (provider, outcome) => count("mailbox_readings", `${provider} ${outcome}`),
  log,
  now: () => new Date(),
});

export default serve(
  "mailboxes",
  createHandler({
    killed,
    authorise,
    panelOrigins,
    connect: createConnect({
      rpc,
      keys: () => env("SEALING_KEYS").SEALING_KEYS,
      client: oauthClient,
      apiUrl: mailboxUrl,
      redirectUri,
      // The panel lies on an origin of its own, or on that of the functions.
      isPanel: async ({ origin }) =>
        origin === new URL(baseUrl()).origin || (await panelOrigins()).has(origin),
      world,
    }),
    setup,
    read,
    requireSecretKey: requireKey,
    waitUntil,
  }),
);
