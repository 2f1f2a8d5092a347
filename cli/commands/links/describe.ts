/** Describes links and their rules in words. */
import type { Chat, Link, Target } from "../../../supabase/functions/_shared/contract/links.ts";

/** Where a link leads if no rule matches the visit, and the number of rules. */
export function describeLink(
  { whatsapp, default_url, targets = [] }: Pick<Link, "whatsapp" | "default_url" | "targets">,
) {
  const where = whatsapp === undefined ? default_url ?? "nowhere" : describeChat(whatsapp);
  return targets.length === 0 ? where : `${where} (+${targets.length} by rule)`;
}

/** Where a rule leads. */
export function describeTarget({ url, store, app, whatsapp }: Target): string {
  if (whatsapp !== undefined) return describeChat(whatsapp);
  if (app === undefined) return url ?? store ?? "nowhere";
  return `app ${app.url}${app.fallback === undefined ? "" : `, else ${app.fallback}`}`;
}

function describeChat({ phone_number_id, text }: Chat): string {
  return `chat with ${phone_number_id}${text ? `: ${text}` : ""}`;
}

/** When a rule matches a visit. */
export function describeWhen(when: Target["when"] = {}): string {
  const parts = Object.entries(when).map(([name, value]) => {
    switch (name) {
      case "weight":
        return `${value} % of the visitors`;
      case "query":
        return Object.entries(value as Record<string, unknown>)
          .map(([key, values]) => values === true ? `?${key}` : `?${key}=${list(values)}`).join(" and ");
      case "date": {
        const { from, until } = value as { from?: string; until?: string };
        return [from && `from ${from}`, until && `until ${until}`].filter(Boolean).join(" ");
      }
      case "time": {
        const { days, from, to, zone } = value as { days: string[]; from: string; to: string; zone: string };
        return `${list(days)} ${from}-${to} ${zone}`;
      }
      default:
        return `${name} ${list(value)}`;
    }
  });
  return parts.length === 0 ? "always" : parts.join(", ");
}

function list(value: unknown): string {
  return Array.isArray(value) ? value.join("/") : String(value);
}
