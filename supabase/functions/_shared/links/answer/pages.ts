/**
 * The pages that links answer where HTML can be served: what messengers show, the ways into an app, the button, the
 * password, and why a link cannot be used. None is a dead end: each offers a way on or advice.
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
 * What a messenger reads to show a link (ogp.me, Twitter cards). A person mistaken for a messenger continues by a tap.
 *
 * @param goOn Address for continuing.
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

/** Time that an app has to open before its fallback is opened, in milliseconds. */
const APP_WAIT_MS = 1500;
/** A timer that fires this late was blocked: by a prompt whether the app may open, or by the app. */
const HELD_UP_MS = 1000;

/**
 * Opens an app and, if it does not open, the fallback. The page is hidden when the app opens, and loses focus or is
 * suspended while the browser prompts the user; then the fallback is not opened, and a user who returns finds both
 * options as buttons.
 *
 * @param byTap Whether to show only the buttons: a universal link that a script opens is an ordinary page.
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

/** Addresses for leaving an in-app browser. */
export interface WaysOut {
  readonly app: string;
  /** Opens a real browser; undefined if nothing can. */
  readonly browser: string | undefined;
  /** What this browser can show itself; undefined for nothing. */
  readonly here: string | undefined;
}

/**
 * Offers ways into an app to visitors in an in-app browser. Such a browser opens no app by itself, so nothing is tried
 * without a tap; it would end in an error.
 */
export function inAppPage({ app, browser, here }: WaysOut, say: Words, nonce: string): Page {
  const body = heading(say.openApp) + paragraph(say.inAppAdvice) + way(app, say.openApp) +
    (browser === undefined ? "" : plainWay(browser, say.openInBrowser)) +
    (here === undefined ? "" : plainWay(here, say.withoutApp));
  return pageOf({ lang: say.lang, title: say.openApp, body }, nonce);
}

/**
 * Distinguishes an iPad from a Mac, which the User-Agent does not: a Mac has no touch screen. Without scripts, people
 * choose.
 *
 * @param ipad Where an iPad continues.
 */
export function touchPage(ipad: string, mac: string, say: Words, nonce: string): Page {
  const script = `location.replace(navigator.maxTouchPoints>1?${escapeScript(ipad)}:${escapeScript(mac)})`;
  const body = heading(say.chooseDevice) + way(ipad, "iPad") + way(mac, "Mac") +
    `<script nonce="${nonce}">${script}</script>`;
  return pageOf({ lang: say.lang, title: say.chooseDevice, body }, nonce);
}

/**
 * Asks before a link is used, so that a preview or scanner does not use it. The form posts to the page's own address.
 */
export function confirmPage({ title, description }: Preview, say: Words, nonce: string): Page {
  const named = title ?? say.confirm;
  const body = heading(named) + paragraph(description ?? say.confirmAdvice) +
    `<form method="post"><button autofocus>${escapeHtml(say.goOn)}</button></form>`;
  return pageOf({ lang: say.lang, title: named, body, form: true }, nonce);
}

/** Ways on from an address that leads nowhere. */
export interface WaysOn {
  /** Where people can go instead. */
  readonly goOn?: { readonly url: string; readonly text: string };
  /** A field for the code of a link. */
  readonly field?: CodeField;
}

/** A field into which people type the code of a link, as from a poster. */
export interface CodeField {
  /** The root of the links, which takes the code as a parameter. */
  readonly action: string;
  /** What the field contains at first: the code that does not exist, to be corrected. */
  readonly code: string;
}

/** Name of the parameter with the code that people typed. */
export const CODE_PARAM = "code";

/** Explains to the visitor why an address leads nowhere, with at least one way on. */
export function refusalPage(
  [title, advice]: RefusalWords,
  { goOn, field }: WaysOn,
  say: Words,
  nonce: string,
): Page {
  const body = `<main>${heading(title)}${paragraph(advice)}${
    goOn === undefined ? "" : way(goOn.url, goOn.text)
  }${field === undefined ? "" : codeForm(field, say)}</main>`;
  return pageOf({ lang: say.lang, title, body, form: field !== undefined }, nonce);
}

function codeForm({ action, code }: CodeField, say: Words): string {
  return `<form action="${escapeHtml(action)}"><label>${escapeHtml(say.code)}` +
    `<input name="${CODE_PARAM}" value="${escapeHtml(code)}" required maxlength="500" autocomplete="off" ` +
    `autocapitalize="none" spellcheck="false"></label><button>${escapeHtml(say.open)}</button></form>`;
}

/** Asks for a link's password. The password is posted, never put into an address. */
export function passwordPage(wrong: boolean, say: Words, nonce: string): Page {
  const body = heading(say.password) + (wrong ? `<p role="alert">${escapeHtml(say.wrongPassword)}</p>` : "") +
    `<form method="post"><label>${
      escapeHtml(say.protected)
    }<input type="password" name="password" required autofocus ` +
    `autocomplete="off" maxlength="200"></label><button>${escapeHtml(say.open)}</button></form>`;
  return pageOf({ lang: say.lang, title: say.password, body, form: true }, nonce);
}
