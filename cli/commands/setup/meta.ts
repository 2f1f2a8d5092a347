/** Step: Meta's webhooks lead to this installation. */
import {
  COMMON_FIELDS,
  MESSAGES_FIELD,
  WEBHOOK_FIELDS,
} from "../../../supabase/functions/_shared/contract/webhook_fields.ts";
import { CliError } from "../../core/errors.ts";
import { graph } from "./graph.ts";
import { setSecrets, VERIFY_TOKEN, WHATSAPP } from "./secrets.ts";
import type { Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";
import { randomBytes } from "node:crypto";

/** How long the functions may take to see a new verify token. */
const SEEN_WITHIN_MS = 420_000;

/**
 * Subscribes Meta's app to the webhook's address, and to each account of the token.
 * @param accounts WhatsApp Business accounts. @default those of the token
 */
export function meta(target: Target, accounts: readonly string[], seenWithinMs = SEEN_WITHIN_MS): WalkStep {
  const { inputs, stack } = target;
  const callbackUrl = `${stack.url}/functions/v1/wa-webhook`;
  const calls = graph(target);

  async function state() {
    const [secret, token] = await Promise.all(WHATSAPP.map((wanted) => inputs.value(wanted)));
    // Of several secrets, which there are during a rotation, the first is the new one.
    const appSecret = secret.split(",")[0];
    const access = { token, appSecret };
    const { appId, wabaIds } = await calls.account(access);
    const chosen = accounts.length > 0 ? [...accounts] : wabaIds;
    if (appId === "" || chosen.length === 0) {
      throw new CliError(
        "refused",
        "The access token does not say which WhatsApp Business account it is for.",
        "Add --account <WhatsApp Business account ID> (App Dashboard > API Setup).",
      );
    }
    const found = (await calls.subscriptions(appId, appSecret)).find(({ object }) =>
      object === "whatsapp_business_account"
    );
    const fields = new Set(found?.fields.map((field) => typeof field === "string" ? field : field.name));
    const lacking = [];
    for (const wabaId of chosen) if (!await calls.isSubscribed(wabaId, appId, access)) lacking.push(wabaId);
    return {
      appId,
      access,
      chosen,
      lacking,
      elsewhere: found !== undefined && found.callback_url !== callbackUrl ? found.callback_url : undefined,
      isSubscribed: found?.active === true && found.callback_url === callbackUrl &&
        fields.has(MESSAGES_FIELD),
    };
  }

  return {
    name: "meta",
    what: "subscribe to Meta's webhooks",
    async look() {
      const { isSubscribed, lacking, chosen, elsewhere } = await state();
      if (elsewhere !== undefined) {
        throw new CliError(
          "conflict",
          `The app's webhooks lead to ${elsewhere}.`,
          "One app has one address. Use an app of its own, or remove that subscription in the App Dashboard first.",
        );
      }
      if (!isSubscribed) return { done: false, lacks: `webhooks to lead to ${callbackUrl}` };
      return lacking.length === 0
        ? { done: true, found: `${chosen.join(", ")} to ${callbackUrl}` }
        : { done: false, lacks: `account ${lacking.join(", ")} to be subscribed` };
    },
    async act() {
      const { appId, access, isSubscribed, lacking } = await state();
      if (!isSubscribed) {
        let verifyToken = inputs.known(VERIFY_TOKEN);
        if (verifyToken === undefined) {
          // Only its digest can be read, and Meta asks for it once.
          verifyToken = randomBytes(24).toString("hex");
          await setSecrets(target, { [VERIFY_TOKEN]: verifyToken });
          inputs.keep(VERIFY_TOKEN, verifyToken);
        }
        await untilVerified(callbackUrl, verifyToken, seenWithinMs);
        const to = { callbackUrl, verifyToken };
        try {
          await calls.subscribe(appId, access.appSecret, { ...to, fields: WEBHOOK_FIELDS });
        } catch (error) {
          // An app is not offered each field: 100, invalid parameter.
          if (!(error instanceof CliError && error.message.endsWith("(100)"))) throw error;
          await calls.subscribe(appId, access.appSecret, { ...to, fields: COMMON_FIELDS });
        }
      }
      for (const wabaId of lacking) await calls.subscribeAccount(wabaId, access);
    },
  };
}

/** Asks as Meta does, until the functions know the token. @throws {CliError} refused */
async function untilVerified(callbackUrl: string, verifyToken: string, withinMs: number): Promise<void> {
  const url = new URL(callbackUrl);
  const challenge = String(Date.now());
  for (
    const [name, value] of [["mode", "subscribe"], ["verify_token", verifyToken], ["challenge", challenge]]
  ) url.searchParams.set(`hub.${name}`, value);
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
    if (answer?.ok && await answer.text() === challenge) return;
    if (Date.now() > deadline) {
      throw new CliError(
        "refused",
        `${callbackUrl} does not accept the new verify token: ${answer?.status ?? "no answer"}.`,
        "Look into the log of wa-webhook.",
      );
    }
    await new Promise((done) => setTimeout(done, 500));
  }
}
