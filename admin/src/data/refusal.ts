/** Refusals: errors of the database and of the functions. */
import { sentence } from "../../../supabase/functions/_shared/contract/words/sentences.ts";

/** What is wrong with one field of the request. */
export interface Fault {
  /** Path of the field: `targets[0].url`; empty for the whole body. */
  path: string;
  message: string;
}

/** Message for people: what was refused and what to do. */
export class Refusal extends Error {
  /** SQLSTATE (`GL409` version conflict, `42501` not allowed …), a problem's code, or `network`. */
  readonly code: string;
  /** How to fix it, if the database says so. */
  readonly hint: string | undefined;
  /** The faults of each field, if the answer names them. */
  readonly fields: readonly Fault[];

  constructor(code: string, message: string, hint?: string, fields: readonly Fault[] = []) {
    super(message);
    this.name = "Refusal";
    this.code = code;
    this.hint = hint;
    this.fields = fields;
  }

  /** Whether somebody else changed the same thing in the meantime. */
  get conflict(): boolean {
    return this.code === "GL409" || this.code === "conflict";
  }
}

/** An error of PostgREST. */
interface Told {
  code?: string;
  message: string;
  hint?: string | null;
}

const WORDS: Record<string, [message: string, hint?: string]> = {
  "42501": ["Your role does not allow this.", "Ask an admin of your team."],
  "PGRST301": ["You are signed out.", "Sign in again."],
  "PGRST303": ["You are signed out.", "Sign in again."],
  "57014": ["The database took too long to respond.", "Try again in a moment."],
};

/** Makes a refusal of an error of PostgREST or of the network. */
export function refusalOf(error: Told): Refusal {
  const code = error.code || "network";
  // The browser's own message for a failed fetch helps nobody.
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
