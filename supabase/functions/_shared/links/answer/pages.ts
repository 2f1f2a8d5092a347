/**
 * The few pages that links answer where HTML can be served: what messengers show, the way into an app, the password,
 * why a link cannot be used.
 *
 * Everything that is put in is escaped for where it stands. Each page names what it may load in its content security
 * policy: nothing but its own style and, where it has one, its own script.
 *
 * @module
 */
import type { Preview } from "../model/link.ts";

/** A page: its HTML and its content security policy. */
export interface Page {
  readonly html: string;
  readonly policy: string;
}

/** Text within HTML, also within a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A value within a script: valid JavaScript, and no way out of the element. */
function escapeScript(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const STYLE =
  `:root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:15vh auto;` +
  `padding:0 1.5rem;text-align:center}a,button{display:inline-block;font:inherit;padding:.7rem 1.4rem;border-radius:.5rem;` +
  `border:0;background:#0b5fff;color:#fff;text-decoration:none;cursor:pointer}input{font:inherit;padding:.6rem;width:100%;` +
  `box-sizing:border-box;margin:.5rem 0 1rem}p[role=alert]{color:#c00}p.plain a{background:none;color:inherit;text-decoration:underline}`;

function page(title: string, head: string, body: string, nonce: string, form = false): Page {
  return {
    html: `<!doctype html><html lang="en"><head><meta charset="utf-8">` +
      `<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">` +
      `<title>${
        escapeHtml(title)
      }</title>${head}<style nonce="${nonce}">${STYLE}</style></head><body>${body}</body></html>`,
    // Browsers hold the redirect after a form to form-action too, and a link leads to hosts and apps of all kinds: the
    // page with a form names none. It posts to where it is, and nothing that is put in can add another form.
    policy: `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; base-uri 'none'; ` +
      `${form ? "" : "form-action 'none'; "}frame-ancestors 'none'`,
  };
}

/**
 * What a messenger reads to show a link (ogp.me, Twitter cards). Who was taken for one goes on by a tap.
 *
 * @param goOn Where to.
 */
export function previewPage(preview: Preview, url: string, goOn: string, nonce: string): Page {
  const { title = "Link", description, image } = preview;
  const meta = (property: string, content: string | undefined) =>
    content === undefined ? "" : `<meta property="${property}" content="${escapeHtml(content)}">`;
  const head = meta("og:type", "website") + meta("og:url", url) + meta("og:title", title) +
    meta("og:description", description) + meta("og:image", image) +
    `<meta name="twitter:card" content="${image === undefined ? "summary" : "summary_large_image"}">`;
  const body = `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(description ?? "")}</p>` +
    `<p><a rel="nofollow" href="${escapeHtml(goOn)}">Continue</a></p>`;
  return page(title, head, body, nonce);
}

/** Time that an app has to come up before its fallback is opened, in milliseconds. */
const APP_WAIT_MS = 1500;

/**
 * Opens an app and, when that does not come up, the fallback. The page is hidden when the app opens: then the timer is
 * called off, and whoever comes back finds both ways as buttons.
 */
export function appPage(app: string, fallback: string, nonce: string): Page {
  const script = `var t=setTimeout(function(){location.replace(${escapeScript(fallback)})},${APP_WAIT_MS});` +
    `document.addEventListener("visibilitychange",function(){if(document.hidden)clearTimeout(t)});` +
    `addEventListener("pagehide",function(){clearTimeout(t)});location.href=${escapeScript(app)};`;
  const body = `<h1>Opening the app…</h1><p><a href="${escapeHtml(app)}">Open the app</a></p>` +
    `<p class="plain"><a href="${
      escapeHtml(fallback)
    }">Continue without the app</a></p><script nonce="${nonce}">${script}</script>`;
  return page("Opening the app", "", body, nonce);
}

/** Says why a link cannot be used, in words for the visitor. */
export function refusalPage(title: string, advice: string, nonce: string): Page {
  const words = title.replace(/\.$/, "");
  return page(words, "", `<main><h1>${escapeHtml(words)}</h1><p>${escapeHtml(advice)}</p></main>`, nonce);
}

/** Asks for a link's password. It is posted, never put into an address. */
export function passwordPage(wrong: boolean, nonce: string): Page {
  const body = `<h1>Password</h1>${wrong ? '<p role="alert">Wrong password.</p>' : ""}` +
    `<form method="post"><label>This link is protected.<input type="password" name="password" required autofocus ` +
    `autocomplete="off" maxlength="200"></label><button>Open</button></form>`;
  return page("Password", "", body, nonce, true);
}
