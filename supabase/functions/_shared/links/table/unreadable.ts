/** Thrown for a file of links that cannot be read at all; the message says where and why. */
export class UnreadableFile extends Error {
  override readonly name: string = "UnreadableFile";
}
