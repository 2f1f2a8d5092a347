/**
 * Words by which a message in a chat counts as a complaint or as praise, unless the team has set its own.
 *
 * @module
 */

/** What a word says. */
export type WordKind = "complaint" | "praise";

/** The built-in words, as `private.feedback_words()` has them; a test compares the two. */
export const BUILT_IN_WORDS: Readonly<Record<WordKind, readonly string[]>> = {
  complaint: [
    "complaint",
    "beschwerde",
    "reclamación",
    "réclamation",
    "reclamação",
    "reclamo",
    "malalamiko",
    "شكوى",
    "शिकायत",
  ],
  praise: ["praise", "lob", "elogio", "éloge", "sifa", "ثناء", "तारीफ़"],
};

/** The setting that replaces the built-in words: a JSON list, empty for none. */
export const wordsKey = (kind: WordKind): string => `feedback.${kind}_words`;

/** Words of one kind at most, as the table `settings` takes them. */
export const MAX_WORDS = 100;

/** Characters of a word at most. */
export const MAX_WORD_LENGTH = 60;
