/**
 * What a mail that is sent on consists of: its HTML and attachments, read from the stored raw form, or from what was
 * kept of it.
 *
 * @module
 */
import { contentOf, readMail } from "../../../mail/mime.ts";
import { fromParsed } from "../../../mail/inbound_parse.ts";
import { readForm } from "../../../mail/form.ts";
import type { Attachment, Mail, OutgoingAttachment } from "../../../mail/types.ts";
import type { SendDeps, StoredFile } from "../../channel.ts";

/** A stored file as claims name it. */
export interface MailObject extends StoredFile {
  readonly kind: string;
  readonly index?: number | null;
}

/** An attachment with the way to its bytes. */
export interface Content {
  readonly attachment: OutgoingAttachment;
  bytes(): Promise<Uint8Array | undefined>;
}

/** The parts of a mail that are not in its row. */
export interface Contents {
  readonly html: string | null;
  /** How often it went through us. */
  readonly hops: number;
  readonly attachments: readonly Content[];
}

/**
 * Reads what is stored of a mail.
 *
 * The raw form is kept for a limited time. Once it is gone, HTML is lost, and attachments come from where they were
 * kept one by one.
 *
 * @param native The mail's row: `attachments`, and `content_type` of a form that was posted in parsed mode.
 * Rejects while the storage is unavailable.
 */
export async function contentsOf(
  native: Readonly<Record<string, unknown>>,
  objects: readonly MailObject[],
  world: SendDeps,
): Promise<Contents> {
  const raw = objects.find(({ kind }) => kind === "raw");
  const bytes = raw === undefined ? undefined : await world.readFile?.(raw);
  const mail = bytes === undefined ? undefined : mailIn(bytes, native.content_type);
  if (bytes !== undefined && mail !== undefined) {
    return {
      html: mail.html,
      hops: Number(mail.headers.get("x-gatelink-hops")?.[0]) || 0,
      attachments: mail.attachments.map((attachment) => ({
        attachment: outgoing(attachment),
        bytes: () => Promise.resolve(contentOf(bytes, attachment)),
      })),
    };
  }
  const listed = Array.isArray(native.attachments) ? native.attachments as Attachment[] : [];
  const kept = listed.flatMap((attachment): Content[] => {
    const object = objects.find(({ kind, index }) => kind === "attachment" && index === attachment.index);
    if (object === undefined) return [];
    return [{
      attachment: outgoing(attachment),
      bytes: async () => await world.readFile?.(object),
    }];
  });
  return { html: null, hops: 0, attachments: kept };
}

/** The mail in a stored raw form. @param contentType Of a form in parsed mode; anything else for MIME. */
export function mailIn(bytes: Uint8Array, contentType: unknown): Mail | undefined {
  if (typeof contentType !== "string") return readMail(bytes);
  const form = readForm(bytes, contentType);
  return form === undefined ? undefined : fromParsed(bytes, form);
}

/** An attachment for the composer; `source` holds its number, by which its bytes are found afterwards. */
function outgoing({ index, name, type, size, cid, inline }: Attachment): OutgoingAttachment {
  return { name: name ?? "attachment", type, size, cid, inline, source: { object: String(index) } };
}

/** The bytes of the attachments that a composed mail has, in their order; undefined if one is gone. */
export async function bytesOf(
  attachments: readonly OutgoingAttachment[],
  contents: readonly Content[],
): Promise<Uint8Array[] | undefined> {
  const found: Uint8Array[] = [];
  for (const { source } of attachments) {
    const content = contents.find(({ attachment }) =>
      "object" in attachment.source && "object" in source && attachment.source.object === source.object
    );
    const bytes = await content?.bytes();
    if (bytes === undefined) return undefined;
    found.push(bytes);
  }
  return found;
}
