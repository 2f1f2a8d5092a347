/** Whether the disk has room for what the bench fills. */
import { statfsSync } from "node:fs";

/** Bytes that a message takes with all that it leaves behind, its link and its visit; their indexes included. */
const A_ROW = 3500;
/** An index is sorted beside the table before it is written. */
const SORTING = 1.3;
/** The empty databases, and the server's log of changes at its largest. */
const SERVER = 3e9;

/** @throws Error that says how much is free and how much is needed, where that is more. */
export function requireRoom(folder: string, rows: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const needed = rows * A_ROW * SORTING + SERVER;
  if (bavail * bsize >= needed) return;
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new Error(
    `${rows.toLocaleString("en")} rows need ${gb(needed)}, and ${folder} has ${gb(bavail * bsize)} free. ` +
      `Give --rows less, or TMPDIR a folder on another disk.`,
  );
}
