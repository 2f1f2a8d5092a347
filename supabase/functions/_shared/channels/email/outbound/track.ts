/**
 * Tracking of a mail that is about to be sent: its links lead through us, and it gets a pixel, as far as its author, the
 * flag and the person allow. The stored message stays as it was written.
 *
 * @module
 */
import { isSigned, linksOf, trackHtml } from "../../../mail/tracking/rewrite.ts";
import { sealTicket, ticketKey } from "../../../mail/tracking/ticket.ts";
import type { Outbound, SendDeps } from "../../channel.ts";

/**
 * The HTML to send.
 *
 * Failure policy: open. A mail whose ticket cannot be had now is sent untracked, because it counts more than its figure.
 *
 * @param trackUrl Where addresses of tracked mails begin.
 * @param own Where other addresses of ours begin, which stay as they are.
 */
export async function trackedHtml(
  { id, message }: { id: string; message: Outbound },
  trackUrl: string,
  own: readonly string[],
  { track }: SendDeps,
): Promise<string | undefined> {
  const { html, text, track: wanted } = message;
  if (typeof html !== "string" || html === "") return undefined;
  // Our own notifications are nobody's campaign.
  if (
    track === undefined || message.automatic === true ||
    isSigned({ html, text: textOf(text), types: typesOf(message) })
  ) {
    return html;
  }
  const ours = [`${trackUrl}/`, ...own];
  try {
    const mode = wanted === "off" || wanted === "aggregate" || wanted === "individual" ? wanted : undefined;
    let links: readonly string[] = [];
    const ticket = await track({ message: id, mode, links: async () => links = await linksOf(html, ours) });
    if (ticket === null) return html;
    const sealed = sealTicket(ticketKey(ticket.key), ticket);
    return await trackHtml(html, {
      links,
      urlOf: (n) => `${trackUrl}/c/${sealed}/${n}`,
      pixel: `${trackUrl}/pixel/${sealed}.png`,
      trap: `${trackUrl}/c/${sealed}/0`,
    }, ours);
  } catch {
    return html;
  }
}

const textOf = (text: unknown) => typeof text === "string" ? text : undefined;

function typesOf({ attachments }: Outbound): string[] {
  return Array.isArray(attachments) ? attachments.map((each) => String(each?.type ?? "")) : [];
}
