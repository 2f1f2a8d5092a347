/** Splits SQL text into statements, as the Supabase CLI records them. */

/**
 * Tokens in which a semicolon does not count: comments (blocks nest, see below), quoted text and names,
 * dollar quotes. Then words, to recognise `begin atomic … end` and the `case … end` within.
 */
const TOKEN =
  /--[^\n]*|\/\*|\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<![\w$])\$([\p{L}_][\p{L}\p{N}_]*)?\$|[\p{L}_][\p{L}\p{N}_$]*|[;()]/gu;

/**
 * The statements of a migration: trimmed, without their closing semicolon, comments kept with the statement that
 * follows. A body in `begin atomic … end` is part of its statement.
 *
 * @example
 * ```ts
 * import { sqlStatements } from "./sql_statements.ts";
 * sqlStatements("select ';'; -- two\nselect 2;"); // ["select ';'", "-- two\nselect 2"]
 * ```
 */
export function sqlStatements(text: string): string[] {
  const statements: string[] = [];
  const take = (from: number, to: number) => {
    const statement = text.slice(from, to).trim();
    if (statement !== "") statements.push(statement);
  };
  let start = 0;
  let depth = 0;
  let atomic = 0;
  let previous = "";
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const token = match[0];
    if (token.startsWith("--")) continue;
    if (token === "/*") {
      TOKEN.lastIndex = blockEnd(text, match.index);
      continue;
    }
    if (token.startsWith("$")) {
      const close = text.indexOf(token, TOKEN.lastIndex);
      TOKEN.lastIndex = close === -1 ? text.length : close + token.length;
    } else if (token === "(") depth++;
    else if (token === ")") depth--;
    else if (token === ";") {
      if (depth <= 0 && atomic === 0) {
        take(start, match.index);
        start = TOKEN.lastIndex;
        depth = 0;
      }
    } else {
      const word = token.toLowerCase();
      if (word === "atomic" && previous === "begin") atomic = 1;
      else if (atomic > 0 && word === "case") atomic++;
      else if (atomic > 0 && word === "end") atomic--;
    }
    previous = token.toLowerCase();
  }
  take(start, text.length);
  return statements;
}

/** Index after the block comment that opens at `at`; blocks nest in Postgres. */
function blockEnd(text: string, at: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = at;
  let depth = 0;
  for (let match = edge.exec(text); match !== null; match = edge.exec(text)) {
    depth += match[0] === "/*" ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return text.length;
}
