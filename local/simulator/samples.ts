/** Small sample files that the page can send. */
import { fileOf, type MediaFile } from "./media.ts";

const FILES = [
  { id: "900000000000001", filename: "harbour.jpg", mimeType: "image/jpeg" },
  { id: "900000000000002", filename: "receipt.pdf", mimeType: "application/pdf" },
  { id: "900000000000003", filename: "smile.webp", mimeType: "image/webp" },
  { id: "900000000000004", filename: "voice.ogg", mimeType: "audio/ogg" },
  { id: "900000000000005", filename: "waves.mp4", mimeType: "video/mp4" },
];

/** The samples by media id. */
export function loadSamples(): ReadonlyMap<string, MediaFile> {
  return new Map(FILES.map(({ id, filename, mimeType }) => {
    const bytes = Deno.readFileSync(new URL(`./samples/${filename}`, import.meta.url));
    return [id, fileOf(bytes, mimeType, filename)];
  }));
}
