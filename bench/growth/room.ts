/** Whether the disk has room for what the bench fills. */
import { statfsSync } from "node:fs";

/** Bytes that a message takes with all that it leaves behind, its link and its visit, their indexes included; measured. */
const A_ROW = 2000;
/** An index is sorted beside the table before it is written. */
const SORTING = 1.3;
/** The empty databases, and the server's log of changes at its largest. */
const SERVER = 3e9;

/** What to tell whoever asks for so many rows where the disk lacks the room; undefined where it has it. */
export function roomFault(folder: string, rows: number): string | undefined {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize, needed = rows * A_ROW * SORTING + SERVER;
  if (free >= needed) return undefined;
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  return `${rows.toLocaleString("en")} rows need ${gb(needed)}, and ${folder} has ${gb(free)} free. ` +
    `Give --rows less, or TMPDIR a folder on another disk.`;
}
