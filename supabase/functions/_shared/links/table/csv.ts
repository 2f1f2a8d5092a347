/**
 * CSV (RFC 4180) into records, where a record that is broken costs itself alone. Pure.
 *
 * @module
 */

/** One record of a CSV. */
export interface CsvRecord {
  cells: string[];
  /** Why it cannot be read. */
  fault?: string;
}

const QUOTE = 34, LF = 10, CR = 13;

/**
 * Reads the records in their order, those of empty lines too, so that a record's place is its row in a spreadsheet. Lines
 * end with CR LF, LF or CR. After a record that is broken reading goes on with the line after the one that it began in:
 * a quotation mark that is never closed would swallow all the rest.
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

/** Where the quotation mark is that closes a cell; -1 for nowhere. */
function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text.charCodeAt(at + 1) !== QUOTE) return at;
  }
  return -1;
}

function isEnd(unit: number, separator: number): boolean {
  return unit === separator || unit === LF || unit === CR;
}

/** Where the line after the one with this place begins. */
function lineAfter(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) !== LF && text.charCodeAt(at) !== CR) at++;
  return at + (text.charCodeAt(at) === CR && text.charCodeAt(at + 1) === LF ? 2 : 1);
}
