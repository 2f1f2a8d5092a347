/**
 * The SQL functions that keys and sessions may call, with their arguments and answers: the generated database.ts, refined
 * by answers.ts, arguments.ts and details that the catalog does not hold.
 *
 * @module
 */
import type { Answers } from "./answers.ts";
import type { JsonArguments } from "./arguments.ts";
import type { Database } from "./database.ts";
import type { Json } from "./json.ts";

type Functions = Database["public"]["Functions"];
type Relations = Database["public"]["Tables"] & Database["public"]["Views"];

/** Name of a SQL function. */
export type FunctionName = keyof Functions;

/** Arguments that may be null although they have no default, which the catalog does not show. */
interface Arguments {
  claim_click: { p_token: string | null };
  move_route: { p_before: string | null };
  name_account: { p_name: string | null };
  settle_password_attempt: { p_client: string | null };
}

/** Results other than JSON that may be null or are one of a few words, which the catalog does not show. */
interface Results {
  schema_version: string | null;
  stale_flags: {
    key: string;
    why: "fully_on" | "fully_off" | "past_end" | "never_evaluated" | "not_evaluated";
    since: string | null;
  }[];
  switch_off: number | null;
  ticket_message: string | null;
}

type Given<Name extends FunctionName> = Functions[Name]["Args"];
type Known<Name extends FunctionName> = Name extends keyof Arguments ? Arguments[Name] : Record<never, never>;

/** The type of a JSON argument; any value for arguments that only the pipeline builds. */
type JsonArgument<Name extends FunctionName, Key> = Name extends keyof JsonArguments
  ? Key extends keyof JsonArguments[Name] ? JsonArguments[Name][Key] : never
  : unknown;

/** The arguments of a function. The function checks JSON again. */
export type Args<Name extends FunctionName> =
  & {
    [Key in keyof Omit<Given<Name>, keyof Known<Name>>]: Json extends Given<Name>[Key]
      ? JsonArgument<Name, Key>
      : Given<Name>[Key];
  }
  & Known<Name>;

/** The answer of a function; null for a function without one. */
export type Result<Name extends FunctionName> = Name extends keyof Answers ? Answers[Name]
  : Name extends keyof Results ? Results[Name]
  : Functions[Name]["Returns"];

/** A row of a readable table or view. */
export type Row<Name extends keyof Relations> = Relations[Name]["Row"];
