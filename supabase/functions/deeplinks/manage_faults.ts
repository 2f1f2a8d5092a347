/**
 * What is wrong with a link's body, field by field, so that a form can say it there.
 *
 * @module
 */
import type { z } from "zod";
import { pathOf } from "../_shared/contract/routing/condition.ts";

/** One thing that is wrong. */
export interface Fault {
  /** Where: `targets[0].when.country[1]`; empty for the body as a whole. */
  readonly path: string;
  /** What, to be read after the path: "is not a country …". */
  readonly message: string;
}

type Issue = z.core.$ZodIssue;

/** Most faults that are told of at once. */
const MOST = 10;

/** The faults of a body, as a schema found them. Of "one, or a list of them" the form that was meant is spoken of. */
export function faultsOf(issues: readonly Issue[]): Fault[] {
  return issues.slice(0, MOST).map((issue) => {
    const { path, message } = meant(issue);
    return { path: pathOf(path), message };
  });
}

function meant(issue: Issue): Pick<Issue, "path" | "message"> {
  if (issue.code !== "invalid_union") return issue;
  // A form of another type was not meant.
  const form = issue.errors.find(([first]) =>
    first !== undefined && !(first.path.length === 0 && /^invalid_(type|value)$/.test(first.code))
  );
  if (form === undefined) return issue;
  const inner = meant(form[0]);
  return { path: [...issue.path, ...inner.path], message: inner.message };
}
