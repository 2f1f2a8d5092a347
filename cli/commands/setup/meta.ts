/** Step: Meta's webhooks lead to this installation. */
import { CliError } from "../../core/errors.ts";
import { graph } from "./graph.ts";
import { setSecrets, VERIFY_TOKEN, WHATSAPP } from "./secrets.ts";
import type { Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";
import { randomBytes } from "node:crypto";

/** What Gatelink reads. */
export const FIELDS = [
  "messages",
  "account_update",
  "phone_number_quality_update",
  "message_template_status_update",
  "message_template_quality_update",
  "template_category_update",
  "user_preferences",
  // Of numbers that are used in the WhatsApp Business app too.
  "smb_message_echoes",
  "history",
  "smb_app_state_sync",
] as const;

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
    const { appId, wabaIds } = await calls.account(token);
    const chosen = accounts.length > 0 ? [...accounts] : wabaIds;
    if (appId === "" || chosen.length === 0) {
      throw new CliError(
        "refused",
        "The access token does not say which WhatsApp Business account it is for.",
        "Add --account <WhatsApp Business account ID> (App Dashboard > API Setup).",
      );
    }
    // Of several secrets, which there are during a rotation, the first is the new one.
    const appSecret = secret.split(",")[0];
    const found = (await calls.subscriptions(appId, appSecret)).find(({ object }) =>
      object === "whatsapp_business_account"
    );
    const fields = new Set(found?.fields.map((field) => typeof field === "string" ? field : field.name));
    const lacking = [];
    for (const wabaId of chosen) if (!await calls.isSubscribed(wabaId, appId, token)) lacking.push(wabaId);
    return {
      appId,
      appSecret,
      token,
      chosen,
      lacking,
      elsewhere: found !== undefined && found.callback_url !== callbackUrl ? found.callback_url : undefined,
      isSubscribed: found?.active === true && found.callback_url === callbackUrl &&
        FIELDS.slice(0, 1).every((field) => fields.has(field)),
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
      const { appId, appSecret, token, isSubscribed, lacking } = await state();
      if (!isSubscribed) {
        let verifyToken = inputs.known(VERIFY_TOKEN);
        if (verifyToken === undefined) {
          // Only its digest can be read, and Meta asks for it once.
          verifyToken = randomBytes(24).toString("hex");
          await setSecrets(target, { [VERIFY_TOKEN]: verifyToken });
          inputs.keep(VERIFY_TOKEN, verifyToken);
        }
        await untilVerified(callbackUrl, verifyToken, seenWithinMs);
        await calls.subscribe(appId, appSecret, { callbackUrl, verifyToken, fields: FIELDS });
      }
      for (const wabaId of lacking) await calls.subscribeAccount(wabaId, token, appSecret);
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
