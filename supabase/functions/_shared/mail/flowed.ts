/**
 * format=flowed (RFC 3676): soft line breaks joined. postal-mime joins quoted with unquoted lines, against 4.5 of the RFC,
 * and would mix a person's answer with the quote above it.
 *
 * @module
 */

/** A line's depth of quoting, and its text without marks and stuffing (4.4). */
function read(line: string): { depth: number; text: string } {
  let depth = 0;
  while (line[depth] === ">") depth++;
  const text = line.slice(depth);
  return { depth, text: text.startsWith(" ") ? text.slice(1) : text };
}

/**
 * Joins lines that end in a space with the next line of the same depth. Quoted lines keep one `>` for each depth.
 *
 * @param delSp Whether the space at the break is only there to mark it (4.1), as for Chinese and Japanese.
 */
export function unflow(text: string, delSp: boolean): string {
  const lines: string[] = [];
  let open: { depth: number; pieces: string[] } | undefined;
  const close = () => {
    if (open === undefined) return;
    const marks = open.depth > 0 ? `${">".repeat(open.depth)} ` : "";
    lines.push((marks + open.pieces.join("")).trimEnd());
    open = undefined;
  };
  for (const line of text.split("\n")) {
    const { depth, text } = read(line);
    if (open !== undefined && open.depth !== depth) close();
    // The separator of a signature ends in a space, and is no soft break (4.3).
    const separator = text === "-- ";
    if (separator) {
      close();
      lines.push(depth > 0 ? `${">".repeat(depth)} -- ` : text);
      continue;
    }
    const soft = text.endsWith(" ");
    open ??= { depth, pieces: [] };
    open.pieces.push(soft && delSp ? text.slice(0, -1) : text);
    if (!soft) close();
  }
  close();
  return lines.join("\n");
}
