/**
 * The frame of all pages of links: style and content security policy.
 *
 * Every inserted value is escaped for its context. The content security policy of each page allows nothing but its own
 * style and, if it has one, its own script.
 *
 * @module
 */

/** A page: its HTML and its content security policy. */
export interface Page {
  readonly html: string;
  readonly policy: string;
}

/** Escapes text for HTML, including quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Serializes a value for a script: valid JavaScript that cannot end the element. */
export function escapeScript(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const STYLE =
  `:root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:15vh auto;` +
  `padding:0 1.5rem;text-align:center}a,button{display:inline-block;font:inherit;padding:.7rem 1.4rem;border-radius:.5rem;` +
  `border:0;background:#0b5fff;color:#fff;text-decoration:none;cursor:pointer}input{font:inherit;padding:.6rem;width:100%;` +
  `box-sizing:border-box;margin:.5rem 0 1rem}p[role=alert]{color:#c00}p.plain a,p.plain button{background:none;color:inherit;text-decoration:underline}`;

/** The parts of a page. */
interface Parts {
  /** Language of the page's text. */
  readonly lang: string;
  readonly title: string;
  /** Extra markup for the head. */
  readonly head?: string;
  readonly body: string;
  /** Whether the page contains a form. */
  readonly form?: boolean;
}

/** Assembles a page. */
export function pageOf({ lang, title, head = "", body, form = false }: Parts, nonce: string): Page {
  return {
    html: `<!doctype html><html lang="${lang}"><head><meta charset="utf-8">` +
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
