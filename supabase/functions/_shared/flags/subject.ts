/** A UUID in which capital letters occur. */
const IN_CAPITALS = /^(?=.*[A-F])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/;

/**
 * The id of a person as flags keep and compare it: a UUID in lower case, any other id as it is, for its letters may
 * matter to whoever made it. The one place in TypeScript that says when two ids mean the same person; SQL says the same
 * (`private.subject_id`).
 */
export function subjectId(id: string): string {
  return id.length === 36 && IN_CAPITALS.test(id) ? id.toLowerCase() : id;
}
