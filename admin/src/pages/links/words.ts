/** Links and their rules in words. */
import type { Chat, Link, Target, WaNumber } from "./types.ts";

/** Names of platforms, in the order of documents. */
export const PLATFORM_NAMES: Record<string, string> = {
  ios: "iPhone and iPad",
  android: "Android",
  windows: "Windows",
  macos: "Mac",
  linux: "Linux",
  other: "Something else",
};

/** Where a chat is opened. */
export function chatWords({ phone_number_id, text }: Chat, numbers: readonly WaNumber[] = []): string {
  const number = numbers.find(({ id }) => id === phone_number_id)?.display_number;
  return `Chat with ${number ? `+${number}` : phone_number_id}${text ? `: “${text}”` : ""}`;
}

/** Where a link leads when no rule takes the visit. */
export function placeWords(
  { whatsapp, default_url }: Pick<Link, "whatsapp" | "default_url">,
  numbers?: WaNumber[],
) {
  return whatsapp ? chatWords(whatsapp, numbers) : default_url ?? "nowhere";
}

/** Where a rule leads. */
export function targetWords({ url, store, app, whatsapp }: Target, numbers?: WaNumber[]): string {
  if (whatsapp) return chatWords(whatsapp, numbers);
  if (app) return `App ${app.url}${app.fallback ? `, else ${app.fallback}` : ""}`;
  return url ?? store ?? "nowhere";
}

/** When a rule takes a visit. */
export function whenWords(when: Record<string, unknown> = {}): string {
  const list = (value: unknown) => Array.isArray(value) ? value.join(", ") : String(value);
  const parts = Object.entries(when).map(([name, value]) => {
    if (name === "platform") {
      return `on ${[value].flat().map((one) => PLATFORM_NAMES[String(one)] ?? one).join(", ")}`;
    }
    if (name === "weight") return `${value} % of the visitors`;
    return `${name} ${
      typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : list(value)
    }`;
  });
  return parts.length === 0 ? "always" : parts.join(", ");
}
