/** Links and their rules in words. */
import { countryName } from "./form/countries.ts";
import type { Chat, Link, Target, When } from "../../../../supabase/functions/_shared/contract/links.ts";
import type { Tone } from "../../ui/State.tsx";
import { exact } from "../../ui/times.ts";

/** A business number for a link that opens a chat. */
export interface WaNumber {
  id: string;
  display_number: string | null;
}

/** Names of the platforms, in the order of the documentation. */
export const PLATFORM_NAMES: Record<string, string> = {
  ios: "iPhone and iPad",
  android: "Android",
  windows: "Windows",
  macos: "Mac",
  linux: "Linux",
  other: "Other",
};

/** Names of the apps with a known in-app browser. */
export const IN_APP_NAMES: Record<string, string> = {
  facebook: "Facebook",
  messenger: "Messenger",
  instagram: "Instagram",
  threads: "Threads",
  tiktok: "TikTok",
  snapchat: "Snapchat",
  linkedin: "LinkedIn",
  x: "X",
  pinterest: "Pinterest",
  reddit: "Reddit",
  line: "LINE",
  wechat: "WeChat",
  telegram: "Telegram",
  viber: "Viber",
  kakaotalk: "KakaoTalk",
  naver: "Naver",
  qq: "QQ",
  weibo: "Weibo",
  google: "Google",
  other: "another app",
};

/** Where a chat opens. */
export function chatWords({ phone_number_id, text }: Chat, numbers: readonly WaNumber[] = []): string {
  const number = numbers.find(({ id }) => id === phone_number_id)?.display_number;
  return `Chat with ${number ? `+${number}` : phone_number_id}${text ? `: “${text}”` : ""}`;
}

/** Where a link leads if no rule applies. */
export function placeWords(
  { whatsapp, default_url }: Pick<Link, "whatsapp" | "default_url">,
  numbers?: WaNumber[],
) {
  return whatsapp ? chatWords(whatsapp, numbers) : default_url ?? "nowhere";
}

/** Where a rule leads. */
export function targetWords({ url, store, app, whatsapp }: Target, numbers?: WaNumber[]): string {
  if (whatsapp) return chatWords(whatsapp, numbers);
  if (app) return `App ${app.url}${app.fallback ? `, otherwise ${app.fallback}` : ""}`;
  return url ?? store ?? "nowhere";
}

const or = (of: unknown) => [of].flat().join(" or ");
const at = (iso: string) => exact(new Date(iso));

/** Each condition in words. */
const SAYS: { [Name in keyof When]-?: (value: NonNullable<When[Name]>) => string } = {
  platform: (of) => `on ${[of].flat().map((one) => PLATFORM_NAMES[one] ?? one).join(" or ")}`,
  country: (of) => `from ${[of].flat().map(countryName).join(" or ")}`,
  language: (of) => `preferring ${or(of)}`,
  referrer: (of) => `referred by ${or(of)}`,
  query: (of) =>
    `with ${
      Object.entries(of).map(([name, values]) => values === true ? name : `${name} = ${or(values)}`).join(
        " and ",
      )
    }`,
  date: ({ from, until }) =>
    [from && `from ${at(from)}`, until && `until ${at(until)}`].filter(Boolean).join(" "),
  time: ({ days, from, to, zone }) =>
    `${days.length === 7 ? "daily" : days.join(", ")} ${from}–${to} (${zone})`,
  in_app: (wanted) =>
    typeof wanted === "boolean"
      ? wanted ? "in an app's browser" : "not in an app's browser"
      : `in the browser of ${[wanted].flat().map((one) => IN_APP_NAMES[one] ?? one).join(" or ")}`,
  visitor: (kind) => kind === "new" ? "new" : "returning",
  weight: (share) => `${share} % of visitors`,
};

/** When a rule applies. */
export function whenWords(when: When = {}): string {
  const parts = Object.entries(when).map(([name, value]) => {
    const say = SAYS[name as keyof When] as ((value: unknown) => string) | undefined;
    return say?.(value) ?? `${name} ${JSON.stringify(value)}`;
  });
  return parts.length === 0 ? "always" : parts.join(", ");
}

/** Whether a link can be used, now or later: a word, and its tone. */
export function standing(
  { state, starts_at, expires_at, max_uses, uses }: Pick<
    Link,
    "state" | "starts_at" | "expires_at" | "max_uses" | "uses"
  >,
  now: number,
): [word: string, tone: Tone] {
  if (state === "deleted") return ["deleted", "bad"];
  if (state === "blocked") return ["blocked", "bad"];
  if (state === "disabled") return ["disabled", "plain"];
  if (expires_at && Date.parse(expires_at) <= now) return ["ended", "plain"];
  if (max_uses !== undefined && uses >= max_uses) return ["used up", "plain"];
  if (starts_at && Date.parse(starts_at) > now) return ["not started", "info"];
  return ["active", "good"];
}
