/**
 * Rules, visits and links for tests of this folder.
 *
 * @module
 */
import { prepareFlags, type Setting } from "../../supabase/functions/_shared/flags/evaluate.ts";
import { Link, type LinkRow } from "../../supabase/functions/_shared/links/model/link.ts";
import { readRules, type Rules } from "../../supabase/functions/_shared/links/model/rules.ts";
import { RequestVisit } from "../../supabase/functions/_shared/links/visitor/visit.ts";

/** Browsers by name. */
export const AGENTS = {
  iphone:
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
  android:
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
  androidFirefox: "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
  windows:
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  mac:
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
  linux: "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
  whatsapp: "WhatsApp/2.24.11.79 A",
  googlebot: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
} as const;

/** Rules with www.example.com, *.shop.example, the scheme myapp, one Android app and one number. */
export async function rulesOf(settings: Record<string, string> = {}): Promise<Rules> {
  const values = {
    "deeplinks.enabled": "true",
    "deeplinks.app_schemes": "myapp, javascript",
    "deeplinks.apps": JSON.stringify({
      ios: [{ app_id: "ABCDE12345.com.example.app" }],
      android: [{ package: "com.example.app", sha256: [Array(32).fill("AB").join(":")] }],
    }),
    ...settings,
  };
  return await readRules({
    settings: Object.entries(values).map(([key, value]) => ({ key, value, metadata: {}, version: 1 })),
    allowlist: ["www.example.com", "*.shop.example", "apps.apple.com", "play.google.com"].map((pattern) => ({
      pattern,
      purpose: "redirect",
    })),
    segments: {},
  }, { "1065": "12025550100" });
}

/** The same rules with other flags. */
export function withFlags(rules: Rules, flags: Record<string, Partial<Setting>>): Rules {
  const settings = Object.entries(flags).map(([key, setting]) => ({
    key,
    value: "true",
    metadata: {},
    version: 1,
    ...setting,
  }));
  return { ...rules, flags: prepareFlags(settings) };
}

/** A visit, from an iPhone where nothing else is said. */
export function visitOf(
  { headers = {}, query = "", method = "GET", now = Date.UTC(2026, 10, 21, 12), unlocked = false }: {
    headers?: Record<string, string>;
    query?: string;
    method?: string;
    now?: number;
    unlocked?: boolean;
  } = {},
): RequestVisit {
  const all = new Headers({ "user-agent": AGENTS.iphone, ...headers });
  // Any signature: whose cookie it is, is tried where cookies are given.
  const isOurs = () => true;
  return new RequestVisit({
    method,
    headers: all,
    query,
    now,
    countryHeader: "cf-ipcountry",
    isOurs,
    unlocked,
  });
}

/** A link that leads to https://www.example.com/ where nothing else is said. */
export function linkOf(row: Partial<LinkRow> = {}): Link {
  return new Link({ code: "demo2345", default_url: "https://www.example.com/", ...row });
}
