/**
 * The few pages that links answer where HTML can be served: what messengers show, the ways into an app, the button, the
 * password, why a link cannot be used. None is a dead end: each has a way on, or says what to do.
 *
 * @module
 */
import type { Preview } from "../model/link.ts";
import { escapeHtml, escapeScript, type Page, pageOf } from "./page.ts";
import type { RefusalWords, Words } from "./page_words.ts";

const heading = (text: string) => `<h1>${escapeHtml(text)}</h1>`;
const paragraph = (text: string) => `<p>${escapeHtml(text)}</p>`;
const way = (href: string, text: string) =>
  `<p><a rel="nofollow" href="${escapeHtml(href)}">${escapeHtml(text)}</a></p>`;
const plainWay = (href: string, text: string) =>
  `<p class="plain"><a rel="nofollow" href="${escapeHtml(href)}">${escapeHtml(text)}</a></p>`;

/**
 * What a messenger reads to show a link (ogp.me, Twitter cards). Who was taken for one goes on by a tap.
 *
 * @param goOn Where to.
 */
export function previewPage(preview: Preview, url: string, goOn: string, say: Words, nonce: string): Page {
  const { title = "Link", description, image } = preview;
  const meta = (property: string, content: string | undefined) =>
    content === undefined ? "" : `<meta property="${property}" content="${escapeHtml(content)}">`;
  const head = meta("og:type", "website") + meta("og:url", url) + meta("og:title", title) +
    meta("og:description", description) + meta("og:image", image) +
    `<meta name="twitter:card" content="${image === undefined ? "summary" : "summary_large_image"}">`;
  const body = heading(title) + paragraph(description ?? "") + way(goOn, say.goOn);
  return pageOf({ lang: say.lang, title, head, body }, nonce);
}

/** Time that an app has to come up before its fallback is opened, in milliseconds. */
const APP_WAIT_MS = 1500;
/** A timer that is this late was held up: by a question whether the app may open, or by the app. */
const HELD_UP_MS = 1000;

/**
 * Opens an app and, when that does not come up, the fallback. The page is hidden when the app opens, and loses the focus
 * or stands still while the browser asks whether it may: then the fallback is not opened, and whoever comes back finds
 * both ways as buttons.
 *
 * @param byTap Whether the buttons are all: a universal link that is opened by a script is a page like any other.
 */
export function appPage(app: string, fallback: string, say: Words, nonce: string, byTap = false): Page {
  const script = `var began=Date.now(),t=setTimeout(function(){` +
    `if(Date.now()-began<${APP_WAIT_MS + HELD_UP_MS})location.replace(${
      escapeScript(fallback)
    })},${APP_WAIT_MS});` +
    `function stay(){clearTimeout(t)}` +
    `document.addEventListener("visibilitychange",function(){if(document.hidden)stay()});` +
    `addEventListener("pagehide",stay);addEventListener("blur",stay);location.href=${escapeScript(app)};`;
  const title = byTap ? say.openApp : say.openingApp;
  const body = heading(title) + way(app, say.openApp) + plainWay(fallback, say.withoutApp) +
    (byTap ? "" : `<script nonce="${nonce}">${script}</script>`);
  return pageOf({ lang: say.lang, title, body }, nonce);
}

/** Where the ways out of the browser of another app lead. */
export interface WaysOut {
  readonly app: string;
  /** Opens a real browser; undefined where nothing can. */
  readonly browser: string | undefined;
  /** What this browser shows itself; undefined where it can show nothing. */
  readonly here: string | undefined;
}

/**
 * Ways into an app for who is in the browser of another one: that opens no app by itself, so nothing is tried without a
 * tap, which would end at an error.
 */
export function inAppPage({ app, browser, here }: WaysOut, say: Words, nonce: string): Page {
  const body = heading(say.openApp) + paragraph(say.inAppAdvice) + way(app, say.openApp) +
    (browser === undefined ? "" : plainWay(browser, say.openInBrowser)) +
    (here === undefined ? "" : plainWay(here, say.withoutApp));
  return pageOf({ lang: say.lang, title: say.openApp, body }, nonce);
}

/**
 * Tells an iPad from a Mac, which its User-Agent does not: a Mac has no touch screen. Without a script people choose.
 *
 * @param ipad Where an iPad goes on.
 */
export function touchPage(ipad: string, mac: string, say: Words, nonce: string): Page {
  const script = `location.replace(navigator.maxTouchPoints>1?${escapeScript(ipad)}:${escapeScript(mac)})`;
  const body = heading(say.chooseDevice) + way(ipad, "iPad") + way(mac, "Mac") +
    `<script nonce="${nonce}">${script}</script>`;
  return pageOf({ lang: say.lang, title: say.chooseDevice, body }, nonce);
}

/** Asks before a link is used: whoever only looks presses no button. It is posted to where the page is. */
export function confirmPage({ title, description }: Preview, say: Words, nonce: string): Page {
  const named = title ?? say.confirm;
  const body = heading(named) + paragraph(description ?? say.confirmAdvice) +
    `<form method="post"><button autofocus>${escapeHtml(say.goOn)}</button></form>`;
  return pageOf({ lang: say.lang, title: named, body, form: true }, nonce);
}

/**
 * Says why a link cannot be used, in words for the visitor.
 *
 * @param goOn Where they can go instead.
 */
export function refusalPage(
  [title, advice]: RefusalWords,
  goOn: { readonly url: string; readonly text: string } | undefined,
  lang: string,
  nonce: string,
): Page {
  const body = `<main>${heading(title)}${paragraph(advice)}${
    goOn === undefined ? "" : way(goOn.url, goOn.text)
  }</main>`;
  return pageOf({ lang, title, body }, nonce);
}

/** Asks for a link's password. It is posted, never put into an address. */
export function passwordPage(wrong: boolean, say: Words, nonce: string): Page {
  const body = heading(say.password) + (wrong ? `<p role="alert">${escapeHtml(say.wrongPassword)}</p>` : "") +
    `<form method="post"><label>${
      escapeHtml(say.protected)
    }<input type="password" name="password" required autofocus ` +
    `autocomplete="off" maxlength="200"></label><button>${escapeHtml(say.open)}</button></form>`;
  return pageOf({ lang: say.lang, title: say.password, body, form: true }, nonce);
}
