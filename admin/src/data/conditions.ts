/** Conditions of PostgREST for pages and searches. */

/** A pattern of `ilike` for texts that contain this one. */
export const containing = (text: string): string => `%${text.replace(/[\\%_]/g, "\\$&")}%`;

/** A value within `or`, where commas and brackets have a meaning. */
export const quoted = (value: string): string => `"${value.replace(/[\\"]/g, "\\$&")}"`;

/** For `or`: rows after this one in the order of a time and the id, both descending. */
export function olderThan<Column extends string>(
  column: Column,
  last: Record<Column, string> & { id: string },
): string {
  const at = quoted(last[column]);
  return `${column}.lt.${at},and(${column}.eq.${at},id.lt.${quoted(last.id)})`;
}
