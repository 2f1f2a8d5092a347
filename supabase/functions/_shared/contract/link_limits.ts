/**
 * Limits and lists of links, without a schema: for code that must stay small, such as visits and the panel.
 *
 * @module
 */

/** Limits of one link: more than any real one needs. */
export const LIMITS = { targets: 50, list: 200, tags: 50, text: 1000, uses: 1_000_000_000 } as const;

/** Links in one call of `POST deeplinks/bulk`. */
export const MAX_BULK = 1000;
/** Links with a password in one such call: each hash takes a tenth of a second of CPU, and an isolate has two. */
export const MAX_BULK_PASSWORDS = 10;
/** Bytes of one such call. */
export const MAX_BULK_BYTES = 4 * 1024 * 1024;

/** Shortest password of a link that is made or changed, in characters. Shorter ones from before keep working. */
export const MIN_PASSWORD = 8;
/** Longest password, in characters: hashing must not be made to work on megabytes. */
export const MAX_PASSWORD = 200;

/** Name of an Android package. */
export const PACKAGE = /^[A-Za-z]\w*(\.[A-Za-z]\w*)+$/;

/** Where a visitor's browser runs, in the order of documents. iPads that call themselves a Mac count as macos. */
export const PLATFORMS = ["ios", "android", "windows", "macos", "linux", "other"] as const;
/** One of {@link PLATFORMS}. */
export type Platform = typeof PLATFORMS[number];

/** Apps whose own browser is known by its name; `other` is a web view of another app. */
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
