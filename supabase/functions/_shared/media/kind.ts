/**
 * What the first bytes of a file say about its type. Types are the sender's word, and browsers must not show as a picture
 * what is something else.
 *
 * Sources: the formats' own specifications; WHATWG, "MIME Sniffing", section 6.
 *
 * @module
 */

/** How many bytes at the beginning are looked at. */
export const HEAD_BYTES = 16;

const latin = (bytes: Uint8Array, from: number, to: number) =>
  String.fromCharCode(...bytes.subarray(from, to));

/** The type of a picture that browsers show; undefined for anything else. */
function pictureOf(head: Uint8Array): string | undefined {
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return "image/jpeg";
  if (latin(head, 0, 8) === "\x89PNG\r\n\x1a\n") return "image/png";
  if (/^GIF8[79]a$/.test(latin(head, 0, 6))) return "image/gif";
  if (latin(head, 0, 4) === "RIFF" && latin(head, 8, 12) === "WEBP") return "image/webp";
  return undefined;
}

const BEGINNINGS = ["OggS", "caff", "MThd", "\x1aE\xdf\xa3", "ID3", "#!AMR"];

/** Whether it begins as files of sound or film do: MP4 and 3GPP, Ogg, Matroska, WAVE, AVI, AMR, MP3, AAC, CAF, MIDI. */
function isSoundOrFilm(head: Uint8Array): boolean {
  if (latin(head, 4, 8) === "ftyp") return true;
  if (latin(head, 0, 4) === "RIFF") return /^(?:WAVE|AVI )$/.test(latin(head, 8, 12));
  if (BEGINNINGS.some((beginning) => latin(head, 0, beginning.length) === beginning)) return true;
  // Both MP3 and ADTS begin with eleven set bits.
  return head[0] === 0xff && (head[1] & 0xe0) === 0xe0;
}

/**
 * The type of a file by the sender's word and its first bytes: a picture has the type that it is; what is called a picture,
 * sound or film and is none is only bytes; anything else stays what it is called.
 */
export function checkedType(claimed: string | null, head: Uint8Array): string {
  const picture = pictureOf(head);
  if (picture !== undefined) return picture;
  const type = claimed?.split(";")[0].trim().toLowerCase() ?? "";
  if (!/^[a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,127}$/.test(type)) return "application/octet-stream";
  if (/^(?:audio|video)\//.test(type) && !isSoundOrFilm(head)) return "application/octet-stream";
  return /^image\/(?:jpeg|png|gif|webp)$/.test(type) ? "application/octet-stream" : type;
}

/** The same stream; `head` gives its first bytes once they have passed. */
export function withHead(
  body: ReadableStream<Uint8Array>,
): { body: ReadableStream<Uint8Array>; head: () => Uint8Array } {
  const head = new Uint8Array(HEAD_BYTES);
  let filled = 0;
  const watch = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      if (filled < HEAD_BYTES) {
        const part = chunk.subarray(0, HEAD_BYTES - filled);
        head.set(part, filled);
        filled += part.length;
      }
      controller.enqueue(chunk);
    },
  });
  return { body: body.pipeThrough(watch), head: () => head.subarray(0, filled) };
}
