/**
 * Parses CSV (RFC 4180) into records; a malformed record affects only itself. Pure.
 *
 * @module
 */

/** One record of a CSV. */
export interface CsvRecord {
  cells: string[];
  /** Why it cannot be parsed. */
  fault?: string;
}

const QUOTE = 34, LF = 10, CR = 13;

/**
 * Parses the records in order, including empty lines, so that a record's position is its row in a spreadsheet. Lines
 * end with CR LF, LF or CR. After a malformed record, parsing resumes at the line after the one in which it began:
 * otherwise an unclosed quotation mark would swallow the rest of the file.
 */
export function parseCsv(text: string, separator: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  for (let at = 0; at < text.length;) {
    const { record, next } = recordAt(text, at, separator.charCodeAt(0));
    records.push(record);
    at = next;
  }
  return records;
}

function recordAt(text: string, begin: number, separator: number): { record: CsvRecord; next: number } {
  const cells: string[] = [];
  const broken = (fault: string) => ({ record: { cells, fault }, next: lineAfter(text, begin) });
  for (let at = begin;;) {
    let end: number;
    if (text.charCodeAt(at) === QUOTE) {
      const close = closingQuote(text, at + 1);
      if (close < 0) return broken("has a quotation mark that is not closed");
      cells.push(text.slice(at + 1, close).replaceAll('""', '"'));
      end = close + 1;
      if (end < text.length && !isEnd(text.charCodeAt(end), separator)) {
        return broken("has something after a closing quotation mark");
      }
    } else {
      end = at;
      while (end < text.length && !isEnd(text.charCodeAt(end), separator)) end++;
      const cell = text.slice(at, end);
      if (/^\s+"/.test(cell)) return broken("has blanks before a quotation mark");
      cells.push(cell);
    }
    if (text.charCodeAt(end) !== separator) return { record: { cells }, next: lineAfter(text, end) };
    at = end + 1;
  }
}

/** Position of the quotation mark that closes a cell; -1 if none does. */
function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text.charCodeAt(at + 1) !== QUOTE) return at;
  }
  return -1;
}

function isEnd(unit: number, separator: number): boolean {
  return unit === separator || unit === LF || unit === CR;
}

/** Start of the line after the one that contains this position. */
function lineAfter(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) !== LF && text.charCodeAt(at) !== CR) at++;
  return at + (text.charCodeAt(at) === CR && text.charCodeAt(at + 1) === LF ? 2 : 1);
}
