/** The states of a database beside which the rollbacks can be drilled. */

/** What can be put in the way of the rollbacks, with what each is. */
export const BESIDE = {
  "open-transaction": "a forgotten transaction holds the flag and the table of the migration",
  "full-segments": "two segments of 10,000 people, and 20,000 targets of the flag",
  "read-only": "the database accepts no writes, like one that is full",
} as const;

export type Beside = keyof typeof BESIDE;
