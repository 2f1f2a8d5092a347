/**
 * What routing knows about a message: plain data, independent of the channel.
 *
 * @module
 */

import type { Flow } from "../contract/flow.ts";

/** Source of a click-to-WhatsApp message; Meta sends it only with the first message after an ad or post. */
export interface Referral {
  readonly source_id?: string;
  /** "ad" or "post" today; a string because Meta adds values. */
  readonly source_type?: string;
  /** The click id of the ad; absent for Status ads. */
  readonly ctwa_clid?: string;
}

/** The deep link that a message came from. */
export interface LinkFacts {
  readonly code: string;
  readonly tags: readonly string[];
  readonly campaign?: string;
}

/** The person who wrote. `phone` is digits with the country code (Meta's `wa_id`), absent for a username-only contact. */
export interface ContactFacts {
  readonly id: string;
  readonly phone?: string;
}

/** What conditions ask of a mail. */
export interface EmailFacts {
  /** reply, calendar or new_mail. */
  readonly kind?: string;
  /** Whether SPF or DKIM vouch for the author. */
  readonly verified?: boolean;
  readonly subject?: string;
  /** The address that it was sent to. */
  readonly recipient?: string;
}

/**
 * One inbound message as conditions see it. Immutable: views of `body` are cached per object (see `text.ts`).
 */
export interface MessageFacts {
  readonly id: string;
  /** Name of the channel: whatsapp, … */
  readonly channel: string;
  /** The channel's name for the message's type: text, image, button, interactive, … */
  readonly type: string;
  /** The text that the person wrote or chose; absent for media without a caption. */
  readonly body?: string;
  /** Id of the chosen button or list row, or a quick reply's payload. */
  readonly choice?: string;
  readonly referral?: Referral;
  /** Link token found in the body. */
  readonly token?: string;
  readonly link?: LinkFacts;
  /** Of a message of channel email. */
  readonly email?: EmailFacts;
  /** The group that it was written in, by the provider's id. */
  readonly group?: string;
  /** Of the answers of a Flow. */
  readonly flow?: Flow;
  /** Our sender that received it: for WhatsApp the business number's `phone_number_id`, for e-mail our address. */
  readonly number_id: string;
  readonly contact: ContactFacts;
  /** ISO time at which the person sent it, by the provider's clock. */
  readonly at?: string;
}
