/**
 * Regular expressions that cannot hang: RE2, whose time is linear in the length of the text, with a bound on
 * the size of the program.
 *
 * @module
 */

/**
 * Most instructions that a pattern may compile to. Linear time can still be slow: repeated `a{0,1000}` stays
 * within 500 characters and compiles to tens of thousands of instructions, each of which may run for each
 * character.
 */
export const MAX_PROGRAM = 1000;

/** Why a pattern cannot be used, in words for the person who wrote it. */
export class PatternError extends Error {
  override name = "PatternError";
}

/**
 * Compiles a pattern to a test of whether the text contains a match. The engine is loaded at the first call,
 * so a gateway without such a route never pays for it.
 *
 * Syntax: https://github.com/google/re2/wiki/Syntax (no back-references, no look-around).
 *
 * @throws {PatternError} on a syntax error or a pattern that compiles to more than {@link MAX_PROGRAM}
 *   instructions.
 */
export async function compilePattern(
  pattern: string,
  options: { caseSensitive: boolean },
): Promise<(text: string) => boolean> {
  const { RE2JS } = await import("re2js");
  let program;
  try {
    program = RE2JS.compile(pattern, options.caseSensitive ? 0 : RE2JS.CASE_INSENSITIVE);
  } catch (cause) {
    // The engine puts "(?i)" before a pattern that ignores case, and shows it; nobody wrote it.
    const said = (cause instanceof Error ? cause.message : String(cause))
      .replace(/^error parsing regexp: /, "").replace("`(?i)", "`");
    throw new PatternError(`is not a regular expression of RE2: ${said}`, { cause });
  }
  const size = program.programSize();
  if (size > MAX_PROGRAM) {
    throw new PatternError(
      `is too large: it compiles to ${size} instructions, at most ${MAX_PROGRAM}; use smaller repeat counts`,
    );
  }
  return (text) => program.test(text);
}
