import { mailboxUrl, providerFaults } from "../_shared/channels/email/config.ts";
import { configFaults, env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import type { MailboxSetup } from "../_shared/contract/http/mailboxes.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { createAuthorise } from "../_shared/gates/team.ts";
import { readRules } from "../_shared/links/model/rules.ts";
import { mailboxAccess } from "../_shared/mailboxes/compose.ts";
import { type MailboxProvider, oauthClient } from "../_shared/mailboxes/oauth.ts";
import { serve } from "../_shared/serve/serve.ts";
import { createConnect } from "./connect.ts";
import { createHandler } from "./handler.ts";

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
      world: { fetch: (url, init) => fetch(url, init), mailbox: mailboxAccess },
    }),
    setup,
  }),
);
