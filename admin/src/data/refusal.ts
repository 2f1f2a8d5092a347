/** What the database or a function says when it does not do what was asked. */
import { sentence } from "../../../supabase/functions/_shared/contract/words/sentences.ts";

/** What is wrong with one field of what was sent. */
export interface Fault {
  /** Where: `targets[0].url`; empty for the whole. */
  path: string;
  message: string;
}

/** For people: what was refused and what to do. */
export class Refusal extends Error {
  /** SQLSTATE (`GL409` somebody was faster, `42501` not allowed …), a problem's code, or `network`. */
  readonly code: string;
  /** What to do about it, where the database says. */
  readonly hint: string | undefined;
  /** What is wrong field by field, where that is told. */
  readonly fields: readonly Fault[];

  constructor(code: string, message: string, hint?: string, fields: readonly Fault[] = []) {
    super(message);
    this.name = "Refusal";
    this.code = code;
    this.hint = hint;
    this.fields = fields;
  }

  /** Somebody changed the same thing meanwhile. */
  get conflict(): boolean {
    return this.code === "GL409" || this.code === "conflict";
  }
}

/** How PostgREST tells of an error. */
interface Told {
  code?: string;
  message: string;
  hint?: string | null;
}

const WORDS: Record<string, [message: string, hint?: string]> = {
  "42501": ["Your role does not allow this.", "Ask an admin of your team."],
  "PGRST301": ["You are signed out.", "Sign in again."],
  "57014": ["The database took too long to respond.", "Try again in a moment."],
};

/** An error of PostgREST or of the network, for people. */
export function refusalOf(error: Told): Refusal {
  const code = error.code || "network";
  // The browser's own words for a failed fetch help nobody.
  if (code === "network") {
    return new Refusal(
      code,
      "The project is not responding.",
      "Check your connection. The panel retries automatically.",
    );
  }
  const [message, hint] = WORDS[code] ??
    [sentence(error.message), error.hint ? sentence(error.hint) : undefined];
  return new Refusal(code, message, hint);
}
