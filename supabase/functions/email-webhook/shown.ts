/**
 * Shows a mail whole to a person of the team who said why, and gives out its files as downloads.
 *
 * @module
 */
import { contentsOf } from "../_shared/channels/email/outbound/contents.ts";
import { base64Of } from "../_shared/channels/email/providers/provider.ts";
import type { MailToShow } from "../_shared/contract/answers/mail.ts";
import type { WholeMail } from "../_shared/contract/http/mails.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { Problem } from "../_shared/http/problem.ts";
import { type Call, createRouter, type Route, type RouteDeps } from "../_shared/http/routes.ts";
import { isObject } from "../_shared/json/json.ts";
import type { LoadedImage } from "../_shared/delivery/image.ts";
import { shownMail } from "../_shared/mail/html.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import type { Bucket } from "../_shared/storage/paths.ts";
import type { Storage } from "../_shared/storage/storage.ts";

/** The routes for people. */
export const SHOWN_ROUTES = [
  { method: "GET", path: "/mails/{id}", auth: "operator", origins: "panel", handler: "whole" },
  { method: "GET", path: "/mails/{id}/raw", auth: "operator", origins: "panel", handler: "raw" },
  {
    method: "GET",
    path: "/mails/{id}/attachments/{index}",
    auth: "operator",
    origins: "panel",
    handler: "attachment",
  },
] as const satisfies readonly Route[];

type Name = (typeof SHOWN_ROUTES)[number]["handler"];

/** Dependencies of {@linkcode shown}. */
export interface ShownDeps extends Pick<RouteDeps<Name, Context>, "gates" | "panelOrigins"> {
  killed(): boolean;
  rpc: Rpc;
  storage: Pick<Storage, "get">;
  /** Loads an image of another server; undefined for what is none. */
  loadImage(address: string, signal: AbortSignal): Promise<LoadedImage | undefined>;
}

/** SendGrid posts at most 30 MB. */
const MAX_BYTES = 31 * 1024 * 1024;
/** Most bytes of images that are shown in place, and their types: none that can hold a script. */
const MAX_IMAGES = 4_000_000;
/** Images of other servers that are loaded for one mail, at once, and within how many milliseconds. */
const MAX_REMOTE = 40;
const REMOTE_AT_ONCE = 6;
const REMOTE_MS = 10_000;
/** Shows the text that stands for an image. */
const NO_IMAGE = 'src="data:,"';
/** An image that comes with the mail, as the sanitiser writes it. */
const CID = /src="cid:([^"]{1,998})"/g;
const IMAGES = /^image\/(?:png|jpe?g|gif|webp)$/i;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * - `GET /mails/{id}`: {@linkcode WholeMail}. Its HTML is sanitised; the panel shows it in a sandboxed frame besides. With
 *   `?images=remote`, images of other servers are loaded here, so that the sender learns nothing of the reader.
 * - `GET /mails/{id}/raw` and `/mails/{id}/attachments/{index}`: the bytes, always as a download of no type, so that no
 *   browser runs or shows what a stranger sent.
 *
 * Refusals: `forbidden` for a person who has not said why (`reveal_message`) within the last hour; `not_found` also for
 * files that are no longer stored.
 */
export function shown({ rpc, storage, loadImage, ...deps }: ShownDeps): Handler {
  return createRouter<Name, Context>("email-webhook", SHOWN_ROUTES, {
    ...deps,
    handlers: { whole, raw, attachment },
  });

  async function toShow({ params: { id }, by }: Call<Context>): Promise<MailToShow> {
    if (!UUID.test(id)) throw new Problem("not_found");
    return await rpc("mail_to_show", { p_message_id: id, p_by: by }).catch((error) => {
      if (error instanceof DbError && error.code === "GL404") throw new Problem("not_found");
      if (error instanceof DbError && error.code === "GL403") {
        throw new Problem("forbidden", { detail: "Say why you read this mail first." });
      }
      throw error;
    });
  }

  function readFile({ bucket, path }: { bucket: string; path: string }) {
    return storage.get({ bucket: bucket as Bucket, path }, MAX_BYTES);
  }

  async function contents({ native, objects }: MailToShow) {
    return await contentsOf(native, objects, {
      fetch: () => Promise.reject(new Error("nothing is called")),
      readFile,
    });
  }

  async function whole(call: Call<Context>): Promise<Response> {
    const mail = await toShow(call);
    const { native } = mail;
    const { html: stored, attachments } = await contents(mail);
    const html = stored ?? textIn(native, "html");
    const isAsked = new URLSearchParams(call.query).get("images") === "remote";
    // Nothing in the mail can name such a mark.
    const nonce = crypto.randomUUID();
    const wanted: string[] = [];
    const made = html === undefined ? undefined : await shownMail(html, (address) => {
      if (!isAsked) return undefined;
      return `cid:${nonce}-${wanted.push(address) - 1}`;
    });
    const filled = made === undefined
      ? { html: null, remote: 0 }
      : withImages(made.html, await imagesOf(made.html, attachments), await loadAll(wanted), (cid) =>
        cid.startsWith(`${nonce}-`) ? wanted[Number(cid.slice(nonce.length + 1))] : undefined);
    const answer: WholeMail = {
      id: mail.id,
      subject: textIn(native, "subject") ?? "",
      from: peopleIn([native.from])[0] ?? null,
      to: peopleIn(native.to),
      cc: peopleIn(native.cc),
      text: textIn(native, "text_full") ?? mail.text ?? "",
      html: filled.html,
      remote_images: made?.remote ?? 0,
      remote_shown: filled.remote,
      raw: mail.objects.some(({ kind }) => kind === "raw"),
      attachments: listed(native).map(({ index, name, type, size }) => ({
        index: Number(index),
        name: typeof name === "string" ? name : "attachment",
        type: String(type ?? "application/octet-stream"),
        size: Number(size ?? 0),
        stored: mail.objects.some((object) => object.kind === "attachment" && object.index === index),
      })),
    };
    return Response.json(answer, { headers: { "cache-control": "no-store" } });
  }

  /** The images among the attachments that the HTML shows, by their Content-ID. */
  async function imagesOf(
    html: string,
    attachments: Awaited<ReturnType<typeof contents>>["attachments"],
  ): Promise<Map<string, LoadedImage>> {
    const named = new Set([...html.matchAll(CID)].map(([, cid]) => cid));
    const found = new Map<string, LoadedImage>();
    let left = MAX_IMAGES;
    for (const { attachment: { cid, type, size }, bytes } of attachments) {
      if (cid === null || !named.has(cid) || found.has(cid) || !IMAGES.test(type) || size > left) continue;
      const read = await bytes();
      if (read === undefined || read.length > left) continue;
      left -= read.length;
      found.set(cid, { type: type.toLowerCase() as LoadedImage["type"], bytes: read });
    }
    return found;
  }

  /** Each address once, some at a time, within a time limit. */
  async function loadAll(addresses: readonly string[]): Promise<Map<string, LoadedImage>> {
    const loaded = new Map<string, LoadedImage>();
    const waiting = [...new Set(addresses)].slice(0, MAX_REMOTE);
    if (waiting.length === 0) return loaded;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), REMOTE_MS);
    const worker = async () => {
      for (let address = waiting.shift(); address !== undefined; address = waiting.shift()) {
        const image = await loadImage(address, controller.signal);
        if (image !== undefined) loaded.set(address, image);
      }
    };
    try {
      await Promise.all(Array.from({ length: REMOTE_AT_ONCE }, worker));
    } finally {
      clearTimeout(timer);
    }
    return loaded;
  }

  async function raw(call: Call<Context>): Promise<Response> {
    const mail = await toShow(call);
    return await download(mail, (object) => object.kind === "raw", "mail.eml");
  }

  async function attachment(call: Call<Context>): Promise<Response> {
    const mail = await toShow(call);
    const index = Number(call.params.index);
    const found = listed(mail.native).find((each) => each.index === index);
    if (found === undefined) throw new Problem("not_found");
    const name = typeof found.name === "string" ? found.name : "attachment";
    return await download(mail, (object) => object.kind === "attachment" && object.index === index, name);
  }

  async function download(
    { objects }: MailToShow,
    which: (object: MailToShow["objects"][number]) => boolean,
    name: string,
  ): Promise<Response> {
    const object = objects.find(which);
    const bytes = object === undefined ? undefined : await readFile(object);
    if (bytes === undefined) throw new Problem("not_found", { detail: "This file is no longer stored." });
    return new Response(bytes, {
      headers: {
        "content-type": "application/octet-stream",
        "content-disposition": dispositionOf(name),
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": "no-store",
      },
    });
  }
}

/**
 * HTML with its images as data, by one walk. An image counts as often as it is shown, so that a mail cannot make a page of
 * many gigabytes of one image.
 *
 * @param addressOf The address of another server that a Content-ID of ours stands for; undefined for the mail's own.
 * @returns How many images of other servers are in it, too.
 */
export function withImages(
  html: string,
  own: ReadonlyMap<string, LoadedImage>,
  loaded: ReadonlyMap<string, LoadedImage>,
  addressOf: (cid: string) => string | undefined,
): { html: string; remote: number } {
  const data = new Map<LoadedImage, string>();
  let [left, remote] = [MAX_IMAGES, 0];
  const filled = html.replace(CID, (whole, cid: string) => {
    const address = addressOf(cid);
    const image = address === undefined ? own.get(cid) : loaded.get(address);
    if (image === undefined && address === undefined) return whole;
    if (image === undefined || image.bytes.length > left) return NO_IMAGE;
    left -= image.bytes.length;
    if (address !== undefined) remote++;
    let source = data.get(image);
    if (source === undefined) {
      source = `src="data:${image.type};base64,${base64Of(image.bytes)}"`;
      data.set(image, source);
    }
    return source;
  });
  return { html: filled, remote };
}

/** RFC 6266, with the name in RFC 8187's form: nothing of it can end the header or begin another. */
export function dispositionOf(name: string): string {
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename*=UTF-8''${encoded}`;
}

function listed(native: MailToShow["native"]): Record<string, unknown>[] {
  return Array.isArray(native.attachments) ? native.attachments.filter(isObject) : [];
}

function peopleIn(list: unknown): { address: string; name: string }[] {
  if (!Array.isArray(list)) return [];
  return list.filter(isObject).flatMap(({ address, name }) =>
    typeof address === "string" ? [{ address, name: typeof name === "string" ? name : "" }] : []
  );
}

function textIn(value: MailToShow["native"], name: string): string | undefined {
  const found = value[name];
  return typeof found === "string" ? found : undefined;
}
