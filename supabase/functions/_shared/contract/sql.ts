/**
 * The functions in SQL that keys and sessions may call, with what they take and answer: database.ts, which is made from the
 * catalog, with answers.ts and with what the catalog cannot say.
 *
 * @module
 */
import type { Answers } from "./answers.ts";
import type { JsonArguments } from "./arguments.ts";
import type { Database } from "./database.ts";
import type { Json } from "./json.ts";

type Functions = Database["public"]["Functions"];
type Relations = Database["public"]["Tables"] & Database["public"]["Views"];

/** Name of a function in SQL. */
export type FunctionName = keyof Functions;

/** What the catalog does not say of arguments: which may be null though they have no default. */
interface Arguments {
  claim_click: { p_token: string | null };
  move_route: { p_before: string | null };
  settle_password_attempt: { p_client: string | null };
}

/** What the catalog does not say of results that are no JSON: what may be null, and which words there are. */
interface Results {
  schema_version: string | null;
  stale_flags: {
    key: string;
    why: "fully_on" | "fully_off" | "past_end" | "never_evaluated" | "not_evaluated";
    since: string | null;
  }[];
  switch_off: number | null;
}

type Given<Name extends FunctionName> = Functions[Name]["Args"];
type Known<Name extends FunctionName> = Name extends keyof Arguments ? Arguments[Name] : Record<never, never>;

/** What a JSON argument holds; any value where only the pipeline builds it. */
type JsonArgument<Name extends FunctionName, Key> = Name extends keyof JsonArguments
  ? Key extends keyof JsonArguments[Name] ? JsonArguments[Name][Key] : never
  : unknown;

/** What a function takes. The function checks JSON again. */
export type Args<Name extends FunctionName> =
  & {
    [Key in keyof Omit<Given<Name>, keyof Known<Name>>]: Json extends Given<Name>[Key]
      ? JsonArgument<Name, Key>
      : Given<Name>[Key];
  }
  & Known<Name>;

/** What a function answers; null for one that answers nothing. */
export type Result<Name extends FunctionName> = Name extends keyof Answers ? Answers[Name]
  : Name extends keyof Results ? Results[Name]
  : Functions[Name]["Returns"];

/** A row of a table or view that can be read. */
export type Row<Name extends keyof Relations> = Relations[Name]["Row"];
