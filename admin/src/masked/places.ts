/** Where the pages are. */

export type View = "threads" | "inbox" | "findings";

/** Address of a page: `/<organisation>/threads/<id>`. */
export const addressOf = (org: string, view: View, id?: string): string =>
  `/${org}/${view}${id === undefined ? "" : `/${id}`}`;
