/**
 * What a User-Agent reveals about a visitor: the platform, and whether it is a person's browser.
 *
 * @module
 */
import { isbot } from "isbot";
import type { InAppBrowser, Platform } from "../contract/link_limits.ts";
import { sha256Hex } from "../crypto/sha256.ts";

/** Kind of visitor. Only a human's visit counts as a use and gets a token. */
export type Verdict = "human" | "bot" | "preview" | "prefetch";

/**
 * Scanners and crawlers that put their name behind a browser's, which isbot does not know: they check links in mail.
 */
const MACHINES =
  /Barracuda|Mimecast|Proofpoint|Zscaler|SafeLinks|VirusTotal|FireEye|Forcepoint|Trend ?Micro|Barkrowler|Siteimprove|Sophos|Symantec|MessageLabs|Netcraft|Trellix|\bTalos\b|FortiGuard|Cloudmark|PhishTank|CheckPhish|IronPort|Avanan|Cofense/i;

/** The model of a phone, which may be named like a robot, in a User-Agent that begins as its browser's does. */
const MODEL = /^Mozilla\/5\.0 \(Linux; (?:U; )?Android [^()]*\)/;
/** What crawlers say of themselves there. */
const SAYS_ITSELF = /compatible|https?:|@/i;

/** A User-Agent without the name of the phone's model. */
function withoutModel(ua: string): string {
  const model = MODEL.exec(ua)?.[0];
  return model === undefined || SAYS_ITSELF.test(model) ? ua : `Mozilla/5.0 (Linux)${ua.slice(model.length)}`;
}

/** The facts read from a User-Agent. */
export interface Agent {
  readonly platform: Platform;
  readonly verdict: Verdict;
  /** What the verdict is based on; absent for a human. */
  readonly reason?: string;
  /** Represents the whole User-Agent in a visitor's hash: 16 hex digits. */
  readonly digest: string;
  /** Whether it is an HTTP library, as used by apps and services. */
  readonly library: boolean;
  /** Firefox on Android ignores the fallback of an `intent://` address. */
  readonly firefox: boolean;
  /** The app whose in-app browser it is: many of these open no other app, and no universal link. */
  readonly inApp: InAppBrowser | undefined;
  /** Whether a Mac may be an iPad: Safari on an iPad, and browsers built on it, identify themselves as a Mac. */
  readonly maybeIpad: boolean;
}

/**
 * Programs that fetch a link to show a preview. isbot knows most of them too, but as bots. Some send the User-Agents of
 * several at once: Apple's Messages identifies itself as "facebookexternalhit/1.1 Facebot Twitterbot/1.0".
 */
const PREVIEWS =
  /^WhatsApp\/|facebookexternalhit|facebookcatalog|Facebot|meta-externalfetcher|Slackbot|Slack-ImgProxy|Twitterbot|TelegramBot|LinkedInBot|Discordbot|SkypeUriPreview|MicrosoftPreview|^Viber\/|line-?poker|Snap URL Preview|redditbot|Pinterestbot|Embedly|Iframely|vkShare|\bMastodon\/|Misskey\/|Yahoo Link Preview|ms-office|MSOffice|^Microsoft Office\/|Bluesky Cardyb|Cardyb|kakaotalk-scrap|Google-PageRenderer|developers\.google\.com\/\+\/web\/snippet|BitlyBot|Zoombot|^Synapse(?= \(bot)|Mattermost-Bot|ZulipURLPreview|ZaloBot|^Iris\/|^Signal\/|NotionEmbedder/i;

/** Names that apps put into the User-Agent of their in-app browser. The first match counts. */
const IN_APPS: readonly (readonly [InAppBrowser, RegExp])[] = [
  ["messenger", /\bFBAN\/Messenger|\bFB_IAB\/(?:Orca|MESSENGER)/i],
  ["instagram", /\bInstagram \d/],
  ["threads", /\bBarcelona \d/],
  ["facebook", /\bFB(?:AN|AV|_IAB)\//],
  ["tiktok", /musical_ly|BytedanceWebview|\bTikTok\b|\btrill_|\baweme\b/i],
  ["snapchat", /\bSnapchat[\/ ]?\d/],
  ["linkedin", /\bLinkedInApp\b/],
  ["x", /\bTwitter for (?:iPhone|iPad|Android)|\bTwitterAndroid\b/],
  ["pinterest", /\[Pinterest\/|\bPinterest for (?:iOS|Android)/],
  ["reddit", /\bReddit\/(?:Version|\d)|\bReddit for iOS/],
  ["line", /\bLine\/\d/],
  ["wechat", /\bMicroMessenger\//],
  ["telegram", /\bTelegram-Android\/|\bTelegram\/\d/],
  ["viber", /\bViber\/\d/],
  ["kakaotalk", /\bKAKAOTALK\b/],
  ["naver", /\bNAVER\(inapp/],
  ["qq", /\bQQ\/\d/],
  ["weibo", /\bWeibo\b|__weibo__/i],
  ["google", /\bGSA\/\d/],
];

const ANDROID_VIEW = /; wv\)/;
const APPLE_DEVICE = /\((?:iPhone|iPad|iPod)/;
const MOBILE = /\bMobile\//;

/** Whether this is the web view of an app. Android marks its own; Apple's omits the name of the browser. */
function isWebView(ua: string): boolean {
  if (!ua.startsWith("Mozilla/")) return false;
  return ANDROID_VIEW.test(ua) || (APPLE_DEVICE.test(ua) && !ua.includes("Safari/") && MOBILE.test(ua));
}

function inAppOf(ua: string): InAppBrowser | undefined {
  return IN_APPS.find(([, pattern]) => pattern.test(ua))?.[0] ?? (isWebView(ua) ? "other" : undefined);
}

/** In-app browsers whose User-Agent does not begin like a browser's; their makers' bots have other names. */
const IN_APP = /^\[FB(?:AN|AV|_IAB)\//;

/**
 * HTTP libraries used by apps and services, which an app often cannot rename: a caller that wants JSON with one of
 * these is not a crawler.
 */
const LIBRARY =
  /\b(?:okhttp|CFNetwork|Dalvik|Dart|axios|node-fetch|undici|got|python-requests|python-urllib|python-httpx|aiohttp|Go-http-client|Java|Apache-HttpClient|Ktor|Alamofire|Volley|Retrofit|RestSharp|Guzzle|Faraday|Deno|Bun|curl|wget|HTTPie|PostmanRuntime|UnityPlayer|ReactNative|Expo)\b/i;

/**
 * Bots and programs that are stored as the reason. No other part of a User-Agent is stored: the text that isbot matched
 * can be all of it, and anybody can put anything there.
 */
const NAMED =
  /google|bingbot|yandex|baidu|duckduck|applebot|amazonbot|bytespider|petalbot|gptbot|claudebot|perplexity|ahrefs|semrush|mj12bot|dotbot|uptime|pingdom|headlesschrome|phantomjs|puppeteer|playwright|selenium|lighthouse|curl|wget|httpie|postman|python|aiohttp|go-http-client|okhttp|java|axios|node-fetch|undici|deno|php|ruby|perl|scrapy|nmap|masscan|zgrab|nikto/i;

const known = new Map<string, Agent>();
const MAX_KNOWN = 2000;
/** Maximum length that is examined; the User-Agents of people and known programs are far shorter. */
const MAX_LENGTH = 1024;

/** Parses a User-Agent; null and empty mean a bot. Caches the most recent ones, since isbot's pattern is long. */
export function agentOf(userAgent: string | null): Agent {
  const ua = (userAgent ?? "").slice(0, MAX_LENGTH);
  let agent = known.get(ua);
  if (agent === undefined) {
    agent = read(ua);
    if (known.size >= MAX_KNOWN) known.clear();
    if (ua.length <= 500) known.set(ua, agent);
  }
  return agent;
}

function read(ua: string): Agent {
  const platform = platformOf(ua), firefox = ua.includes("Firefox/");
  const library = ua === "" || LIBRARY.test(ua);
  const digest = sha256Hex(ua).slice(0, 16);
  // Every browser on an iPad is WebKit of this version, which Apple froze; Chrome on a Mac reports an older one.
  const maybeIpad = platform === "macos" && ua.includes("AppleWebKit/605.1.15") && !ua.includes(" Chrome/");
  const facts = { platform, firefox, library, digest, inApp: inAppOf(ua), maybeIpad };
  const verdict = (verdict: Verdict, reason: string): Agent => ({ ...facts, verdict, reason });
  if (ua === "") return verdict("bot", "no_user_agent");
  const preview = PREVIEWS.exec(ua)?.[0];
  if (preview !== undefined) return verdict("preview", word(preview));
  if (MACHINES.test(ua) || !IN_APP.test(ua) && isbot(withoutModel(ua))) {
    return verdict("bot", NAMED.exec(ua)?.[0].toLowerCase() ?? "unnamed");
  }
  return { ...facts, verdict: "human" };
}

/** The matched known name, as one word for a column and for people. */
function word(match: string): string {
  return match.toLowerCase().replace(/[^a-z0-9.+-]+/g, "_").replace(/^_|_$/g, "");
}

function platformOf(ua: string): Platform {
  if (/Windows Phone|KAIOS|Tizen|webOS|SMART-TV/i.test(ua)) return "other";
  // Facebook's browser names the device on iOS and its package on Android.
  if (/\b(?:iPhone|iPad|iPod)\b/.test(ua)) return "ios";
  if (/\bAndroid\b|\bFBPN\/com\./.test(ua)) return "android";
  if (/\bWindows\b/.test(ua)) return "windows";
  if (/\bMacintosh\b|\bMac OS X\b/.test(ua)) return "macos";
  if (/\bLinux\b|\bX11\b|\bCrOS\b/.test(ua)) return "linux";
  return "other";
}
