import { providerOf, smsSetup, webhookBase } from "../_shared/channels/sms/config.ts";
import { createTelnyxDoor, signedBy, twilioDoor } from "../_shared/channels/sms/doors.ts";
import { hasSubaccounts, mainAccounts } from "../_shared/channels/sms/twilio_accounts.ts";
import { parseTelnyx } from "../_shared/channels/sms/inbound/telnyx.ts";
import { parseTwilio } from "../_shared/channels/sms/inbound/twilio.ts";
import { FIELDS } from "../_shared/channels/sms/inbound/update.ts";
import { pipeline } from "../_shared/compose.ts";
import { env } from "../_shared/config/env.ts";
import { killed, switchedOn } from "../_shared/config/kill_switch.ts";
import { rpc } from "../_shared/db/client.ts";
import { precedence } from "../_shared/db/precedence.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { count } from "../_shared/db/counters.ts";
import { prepareFlags } from "../_shared/flags/evaluate.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { createAuthorise } from "../_shared/gates/team.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { readRules } from "../_shared/links/model/rules.ts";
import { log } from "../_shared/log/log.ts";
import { createWebhookLogEntry } from "../_shared/log/redact.ts";
import { createIngest } from "../_shared/pipeline/ingest.ts";
import { orgFlags } from "../_shared/masking/flags.ts";
import { serve } from "../_shared/serve/serve.ts";
import { streams } from "../_shared/storage/streaming.ts";
import { createAnswerCall } from "./calls.ts";
import { createCheck } from "./check.ts";
import { createHandler } from "./handler.ts";
import { createKeeper } from "./keep.ts";
import { createGiveMedia } from "./media.ts";
import { createTellMembers } from "./notices.ts";

const authorise = createAuthorise();

const ingest = createIngest(precedence.first(rpc), { fields: FIELDS }, {
  freed: () => waitUntil(pipeline.send()),
  told: () => waitUntil(pipeline.forward()),
});
const world = { rpc, provider: providerOf, fetch: (url: string, init: RequestInit) => fetch(url, init) };

/** Whether an account has one of our numbers. Without subaccounts, all are the main account's, and nobody is asked. */
async function isOfAccount(account: string, number: string): Promise<boolean> {
  if (!hasSubaccounts()) return true;
  const main = mainAccounts();
  const owner = await rpc("text_account", {
    p_number: number,
    p_account: main.includes(account) ? null : account,
  });
  return owner === null ? main.includes(account) : owner === account;
}

/** Most megabytes of a file that is stored on arrival. */
async function maxBytes(): Promise<number> {
  const { settings } = await loadConfig();
  return Number(settings.find(({ key }) => key === "media.max_mb")?.value ?? "100") * 1024 * 1024;
}

export default serve(
  "sms-webhook",
  createHandler({
    killed,
    requireSecretKey: requireKey,
    requireOperator: (headers) => authorise(headers, "operator"),
    doors: { twilio: twilioDoor, telnyx: createTelnyxDoor(Date.now) },
    signedBy,
    hasSubaccounts,
    isOfAccount,
    numberOf: (id) =>
      rpc("number_of_text", "ours" in id ? { p_message: id.ours } : { p_provider_id: id.theirs }),
    parseTwilio,
    parseTelnyx,
    ingest,
    answerCall: createAnswerCall({
      rpc,
      flags: async (org) => {
        const { settings, segments } = await loadConfig();
        const { core, sitter } = orgFlags(prepareFlags(settings, segments), { killed, switchedOn }, org);
        return { core: core.value, sitter: sitter.value };
      },
      base: webhookBase,
      log,
    }),
    linkSecrets: () => Object.values(env("SUPABASE_SECRET_KEYS").SUPABASE_SECRET_KEYS),
    giveMedia: createGiveMedia({ ...world, storage: streams }),
    keepFiles: createKeeper({
      ...world,
      storage: streams,
      maxBytes,
      count: (outcome) => count("text_files", outcome),
      log,
      now: Date.now,
      random: Math.random,
    }),
    check: createCheck({
      ...world,
      ingest,
      decide: pipeline.decide,
      count: (outcome) => count("text_checks", outcome),
      recovered: (kind, n) => count("texts_recovered", kind, n),
      log,
      now: Date.now,
    }),
    tellMembers: createTellMembers({
      rpc,
      send: pipeline.send,
      onTold: (fields) => log.info("a member was told", createWebhookLogEntry(fields)),
    }),
    setup: smsSetup,
    decide: pipeline.decide,
    panelOrigins: async () => (await readRules(await loadConfig(), {})).panelOrigins,
    waitUntil,
    now: Date.now,
  }),
);
