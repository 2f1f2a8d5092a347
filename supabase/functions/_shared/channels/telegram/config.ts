/**
 * What Telegram takes from the environment. Read at each use, because secrets change while a worker lives.
 *
 * @module
 */
import { configFaults, env } from "../../config/env.ts";
import type { Bot } from "./api.ts";

/** The bot; why there is none, if so. */
export function bot(): Bot | string {
  const [missing] = configFaults("TELEGRAM_BOT_TOKEN", "TELEGRAM_URL");
  if (missing !== undefined) return `${missing.variable}: ${missing.fault}`;
  const { TELEGRAM_BOT_TOKEN: token, TELEGRAM_URL: url } = env("TELEGRAM_BOT_TOKEN", "TELEGRAM_URL");
  return { url, token };
}

/** The secrets that Telegram's webhooks may carry; several while rotating. @throws {Problem} `config_invalid` */
export function webhookSecrets(): readonly string[] {
  return env("TELEGRAM_WEBHOOK_SECRET").TELEGRAM_WEBHOOK_SECRET;
}
