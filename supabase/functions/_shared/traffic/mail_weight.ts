/**
 * The share of mail that comes to us while a former system takes the rest: the percentage of a flag, so that a ramp is a
 * rollout of it. The Worker behind Cloudflare's Email Routing shares out by the flags' own hash.
 *
 * @module
 */
import type { MailWeight } from "../contract/http/mail.ts";

/** The flag whose percentage is our share. */
export const MAIL_FLAG = "mail_routing.enabled";

/** Our share now: nothing while the flag is off, is not there, or the environment stops it. */
export function weightOf(
  settings: readonly { key: string; value: string; metadata: Readonly<Record<string, unknown>> }[],
  killed: boolean,
): MailWeight {
  const flag = settings.find(({ key }) => key === MAIL_FLAG);
  const { salt, rollout_percentage: percentage = 100 } = flag?.metadata ?? {};
  const share = typeof percentage === "number" ? percentage : 0;
  return {
    weight: killed || flag?.value !== "true" ? 0 : share,
    salt: typeof salt === "string" ? salt : MAIL_FLAG,
  };
}
