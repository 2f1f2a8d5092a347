/**
 * Names of stored files. A path consists of ids and numbers of ours and never of anything that a sender chose:
 * names of attachments stand in the database.
 *
 * @module
 */

/** The private buckets, which the migrations `storage`, `media` and `text_files` create. */
export const BUCKETS = {
  /** Mails as they came, MIME and all. */
  raw: "email-raw",
  /** Attachments, decoded, of mails in both directions. */
  attachments: "email-attachments",
  /** Files of WhatsApp messages, in both directions. */
  media: "wa-media",
  /** Files of texts that came in. */
  texts: "sms-media",
} as const;

/** Name of a bucket of ours. */
export type Bucket = (typeof BUCKETS)[keyof typeof BUCKETS];

/** One stored file. */
export interface FilePath {
  readonly bucket: Bucket;
  /** Relative to the bucket, without a leading slash. */
  readonly path: string;
}

/** Letters, digits, and the punctuation of dates, uuids and numbers; no empty part and none of dots alone. */
const PATH = /^(?!.*(?:^|\/)\.+(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;

/** Whether a path can be one of ours. Others are refused before a call: they could name another object. */
export function isPath(path: string): boolean {
  return path.length <= 200 && PATH.test(path);
}

/** The raw form of a mail. @param day ISO date. @param id Of the mail: hexadecimal digits or a uuid. */
export function rawPath(day: string, id: string): FilePath {
  return { bucket: BUCKETS.raw, path: `${day}/${id}.eml` };
}

/** The file of a WhatsApp message. @param id Of the message. */
export function mediaPath(day: string, id: string): FilePath {
  return { bucket: BUCKETS.media, path: `in/${day}/${id}` };
}

/** A file of a text. @param id Of the message. @param place Which of its files, from 0. */
export function textFilePath(day: string, id: string, place: number): FilePath {
  return { bucket: BUCKETS.texts, path: `${day}/${id}/${place}` };
}

/** A file that a service uploaded. @param id Of the upload. */
export function uploadPath(id: string): FilePath {
  return { bucket: BUCKETS.media, path: `out/${id}` };
}

/** An attachment, by its number in the mail. */
export function attachmentPath(day: string, id: string, index: number): FilePath {
  return { bucket: BUCKETS.attachments, path: `${day}/${id}/${index}` };
}
