/**
 * What routing knows about a message: plain data, no channel's own shapes.
 *
 * @module
 */

/** Where a click-to-WhatsApp message came from; Meta sends it on the first message after an ad or post only. */
export interface Referral {
  readonly source_id?: string;
  /** "ad" or "post" today; kept open because Meta adds to it. */
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

/**
 * One inbound message as conditions see it. Never changed after it was made: views of `body` are remembered per
 * object (see `text.ts`).
 */
export interface MessageFacts {
  readonly id: string;
  /** The channel that it came over: whatsapp, … */
  readonly channel: string;
  /** The message's type as its channel names it: text, image, button, interactive, … */
  readonly type: string;
  /** What a person wrote or chose, absent for media without a caption. */
  readonly body?: string;
  /** Id of the chosen button or list row, or a quick reply's payload. */
  readonly choice?: string;
  readonly referral?: Referral;
  /** Link token found in the body. */
  readonly token?: string;
  readonly link?: LinkFacts;
  /** The sender of ours that it was written to: for WhatsApp the business number's `phone_number_id`. */
  readonly number_id: string;
  readonly contact: ContactFacts;
  /** ISO time at which the person sent it, by the provider's clock. */
  readonly at?: string;
}
