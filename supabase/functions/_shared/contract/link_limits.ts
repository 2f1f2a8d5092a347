/**
 * Limits and lists of links, without a schema: for code that must stay small, such as visits and the panel.
 *
 * @module
 */

/** Limits of one link: more than any real one needs. */
export const LIMITS = { targets: 50, list: 200, tags: 50, text: 1000, uses: 1_000_000_000 } as const;

/** Links in one call of `POST deeplinks/bulk`. */
export const MAX_BULK = 1000;
/** Links with a password in one such call: each hash takes 0.1 s of CPU, and an isolate has 2 s. */
export const MAX_BULK_PASSWORDS = 10;
/** Size of the body of one such call, in bytes. */
export const MAX_BULK_BYTES = 4 * 1024 * 1024;

/** Shortest password for a new or changed link, in characters. Older, shorter passwords keep working. */
export const MIN_PASSWORD = 8;
/** Longest password, in characters, so that nobody can make us hash megabytes. */
export const MAX_PASSWORD = 200;

/** Name of an Android package. */
export const PACKAGE = /^[A-Za-z]\w*(\.[A-Za-z]\w*)+$/;

/** Platforms of visitors' browsers, in the order of documents. iPads that present themselves as a Mac count as macos. */
export const PLATFORMS = ["ios", "android", "windows", "macos", "linux", "other"] as const;
/** One of {@link PLATFORMS}. */
export type Platform = typeof PLATFORMS[number];

/** Apps whose in-app browser is recognised; `other` is the web view of any other app. */
export const IN_APP_BROWSERS = [
  ...[
    "facebook",
    "messenger",
    "instagram",
    "threads",
    "tiktok",
    "snapchat",
    "linkedin",
    "x",
    "pinterest",
    "reddit",
  ],
  ...["line", "wechat", "telegram", "viber", "kakaotalk", "naver", "qq", "weibo", "google", "other"],
] as const;
/** One of {@link IN_APP_BROWSERS}. */
export type InAppBrowser = typeof IN_APP_BROWSERS[number];
